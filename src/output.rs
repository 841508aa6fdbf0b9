// SPDX-License-Identifier: Apache-2.0
//! Image files written from extents.
