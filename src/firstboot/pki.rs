// SPDX-License-Identifier: Apache-2.0
//! PKI: keys, certificates and requests as values, made and checked.
