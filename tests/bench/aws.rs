// SPDX-License-Identifier: Apache-2.0
//! The tests' double of AWS as a sink, and what the tests publish with.

#![allow(dead_code, reason = "the tests need more of it")]

#[path = "../it/aws/coldsnap/program.rs"]
pub mod coldsnap;
#[path = "../it/aws/double.rs"]
pub mod double;
#[path = "../it/aws/http.rs"]
pub mod http;
#[path = "../it/aws/stage.rs"]
pub mod stage;
