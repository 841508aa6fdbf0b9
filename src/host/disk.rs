// SPDX-License-Identifier: Apache-2.0
//! Extents resolved to bytes.
