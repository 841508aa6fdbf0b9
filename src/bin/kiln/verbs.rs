// SPDX-License-Identifier: Apache-2.0
//! One function per verb: from the words to the library and from its value to what is printed.

#[cfg(feature = "aws")]
pub mod aws;
pub mod bake;
pub mod boot;
pub mod boots;
pub mod cache;
pub mod compare;
#[cfg(feature = "aws")]
pub mod fleet;
pub mod ipam;
pub mod lab;
pub mod launch;
pub mod lock;
pub mod read;
pub mod token;
pub mod words;
