// SPDX-License-Identifier: Apache-2.0
//! What the real API server refuses and allows, with the objects that a new cluster gets: by status and words.

pub mod cluster;
mod guarded;
mod made;
mod modes;
mod nodes;
mod people;
mod tokens;
