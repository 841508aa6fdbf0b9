// SPDX-License-Identifier: Apache-2.0
//! Arithmetic of address ranges.
