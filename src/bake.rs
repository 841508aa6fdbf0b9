// SPDX-License-Identifier: Apache-2.0
//! From a lock to an image.
