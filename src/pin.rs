// SPDX-License-Identifier: Apache-2.0
//! From a manifest to a lock.
