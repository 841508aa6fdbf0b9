// SPDX-License-Identifier: Apache-2.0
//! Archives unpacked into the store.
