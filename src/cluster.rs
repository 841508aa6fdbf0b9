// SPDX-License-Identifier: Apache-2.0
//! The Kubernetes API in kiln's words: a thin client over HTTPS.
