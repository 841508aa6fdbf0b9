// SPDX-License-Identifier: Apache-2.0
//! Reading of images without root.
