// SPDX-License-Identifier: Apache-2.0
//! The API client against servers that misbehave, and against the real one.

mod faults;
mod real;
mod retried;
pub mod server;
mod trust;
mod watched;
