// SPDX-License-Identifier: Apache-2.0
//! Programs built from Go modules.
