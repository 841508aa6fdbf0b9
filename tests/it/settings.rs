// SPDX-License-Identifier: Apache-2.0
//! Settings: layers, merging, and every way to be wrong.
