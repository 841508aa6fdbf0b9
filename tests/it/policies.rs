// SPDX-License-Identifier: Apache-2.0
//! What the real API server refuses.
