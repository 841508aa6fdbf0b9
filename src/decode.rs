// SPDX-License-Identifier: Apache-2.0
//! Decompression of base images.
