// SPDX-License-Identifier: Apache-2.0
//! Base images built by a recipe.
