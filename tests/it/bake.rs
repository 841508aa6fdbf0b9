// SPDX-License-Identifier: Apache-2.0
//! Whole bakes by the program itself, on bases in Flatcar's layouts, judged by other people's tools.

mod archives;
mod damaged;
mod faults;
mod images;
pub mod proof;
mod refused;
mod same;
pub mod shop;
pub mod trouble;
mod vendors;
