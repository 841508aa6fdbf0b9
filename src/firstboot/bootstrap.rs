// SPDX-License-Identifier: Apache-2.0
//! Bootstrap: the API objects that a new cluster needs before nodes may join.
