// SPDX-License-Identifier: Apache-2.0
//! Files over HTTPS.
