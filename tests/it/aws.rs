// SPDX-License-Identifier: Apache-2.0
//! AWS: publishing against a strict double of our own, moto, and boto3 as an independent client.

mod chain;
mod coldsnap;
mod differences;
pub mod double;
mod fleet;
mod formation;
pub mod http;
mod killed;
pub mod others;
mod outward;
mod program;
mod published;
mod rights;
pub mod stage;
mod targets;
mod trouble;
mod verified;
