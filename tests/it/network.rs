// SPDX-License-Identifier: Apache-2.0
//! Rendered network texts: golden files, and their real readers. Links as netlink tells them.
//!
//! The readers are the node's own, out of the baked lab image, in namespaces of their own; that needs root.

mod cases;
mod docker;
mod golden;
mod images;
mod links;
mod metadata;
pub mod node;
pub mod pods;
mod readers;
mod tree;
