// SPDX-License-Identifier: Apache-2.0
//! Whole bakes by the program itself, on bases in Flatcar's layouts, judged by other people's tools.

mod faults;
mod proof;
mod refused;
mod same;
mod shop;
mod trouble;
mod vendors;
