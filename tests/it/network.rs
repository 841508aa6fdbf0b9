// SPDX-License-Identifier: Apache-2.0
//! Rendered network texts: golden files, and their real readers. Links as netlink tells them.

mod cases;
mod golden;
