// SPDX-License-Identifier: Apache-2.0
//! Descriptions of clusters, and the user-data that is made of them: judged by Ignition and cloud-init, not by kiln. Launches
//! of it: at a strict double of EC2 and a real API server, with first boot itself in the place of the instances.

#[cfg(feature = "aws")]
mod ended;
mod ignition;
#[cfg(feature = "aws")]
mod joined;
#[cfg(feature = "aws")]
mod moto;
mod negative;
#[cfg(feature = "aws")]
mod plane;
#[cfg(feature = "aws")]
mod refused;
#[cfg(feature = "aws")]
mod site;
pub mod user_data;
