// SPDX-License-Identifier: Apache-2.0
//! The machine kiln runs on: files, processes, clock. Effects live here and know no flow and no decision.

pub mod clock;
pub mod command;
pub mod fault;
pub mod files;
