// SPDX-License-Identifier: Apache-2.0
//! Digests of a disk's 512 KiB blocks.
