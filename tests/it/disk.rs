// SPDX-License-Identifier: Apache-2.0
//! Partition tables, disks made of extents, and image files, judged by sgdisk, sfdisk, cmp and qemu-img.

pub mod bases;
mod digests;
mod faults;
pub mod kept;
mod layouts;
mod others;
mod same_bytes;
mod sample;
