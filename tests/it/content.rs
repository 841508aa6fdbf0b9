// SPDX-License-Identifier: Apache-2.0
//! What goes into ROOT and what is refused: golden trees, other people's readers, and a case file for each refusal.

mod golden;
mod image;
mod negative;
mod readers;
mod scan;
