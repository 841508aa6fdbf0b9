// SPDX-License-Identifier: Apache-2.0
//! Formats of disk images: where what lies in a file. Nothing here reads or writes one; [`crate::host::disk`] does.

pub mod qcow2;
