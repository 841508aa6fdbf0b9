// SPDX-License-Identifier: Apache-2.0
//! Archives of container images, as skopeo, umoci and tar see them, and archives of others, as kiln takes them.

pub mod archives;
mod foreign;
