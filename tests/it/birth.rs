// SPDX-License-Identifier: Apache-2.0
//! First boot of a worker against real servers.
