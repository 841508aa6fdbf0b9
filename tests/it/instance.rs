// SPDX-License-Identifier: Apache-2.0
//! AWS as a node meets it: the program against a strict double of the metadata service and of EC2's route calls.

mod asked;
pub mod double;
mod herd;
pub mod metadata;
pub mod parameters;
pub mod scaling;
mod signature;
mod tls;
mod tree;
