// SPDX-License-Identifier: Apache-2.0
//! Control plane: the files that etcd, the API server and the controllers run from.
