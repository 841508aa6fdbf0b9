// SPDX-License-Identifier: Apache-2.0
//! Known layouts of release servers.
