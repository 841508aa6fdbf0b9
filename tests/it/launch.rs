// SPDX-License-Identifier: Apache-2.0
//! Descriptions of clusters, and the user-data that is made of them: judged by Ignition and cloud-init, not by kiln.

mod ignition;
mod negative;
mod user_data;
