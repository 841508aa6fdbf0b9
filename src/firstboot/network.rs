// SPDX-License-Identifier: Apache-2.0
//! Network: the texts that connect pods, rendered from settings, identity and block.
