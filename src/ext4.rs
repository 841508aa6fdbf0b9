// SPDX-License-Identifier: Apache-2.0
//! The ext4 writer.
