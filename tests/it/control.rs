// SPDX-License-Identifier: Apache-2.0
//! The control plane that kiln's own files start.
