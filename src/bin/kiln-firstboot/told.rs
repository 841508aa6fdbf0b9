// SPDX-License-Identifier: Apache-2.0
//! What the node is told: settings from their layers, those of a cloud's instance among them, and the token from
//! systemd's credential or a provisioner's file.

use std::path::Path;

use kiln::aws::Facts;
use kiln::firstboot::instance;
use kiln::firstboot::look_cloud::{self, Ask, CloudError};
use kiln::host::layers;
use kiln::host::root::Root;
use kiln::settings::token::{Found, Token};
use kiln::settings::{Layer, Role, Settings, cloud_of, merge};

use crate::{Failure, chain};

/// What the node is told.
pub struct Told {
    /// All layers, merged and found valid.
    pub settings: Settings,
    /// The bootstrap token; it never leaves the memory.
    pub token: Option<Token>,
    /// Why what stands where the token should is none; of no account to whoever needs no token.
    pub bad_token: Option<String>,
    /// What works but should be otherwise.
    pub warnings: Vec<String>,
    /// What the metadata service says, where the machine is an instance.
    pub facts: Option<Facts>,
}

/// Why there is nothing to go by.
pub enum Untold {
    /// What was told is wrong.
    Wrong(String),
    /// The metadata service does not answer, and may later.
    Later(String),
}

/// Reads all of it; what is wrong with it is a text, for that has an exit code of its own.
pub async fn read(
    root: &Root,
    folder: &Path,
    credentials: Option<&Path>,
    ask: Ask,
) -> Result<Result<Told, Untold>, Failure> {
    let mut all = layers::read(folder, credentials)?;
    let facts = match look_cloud::facts(root, &cloud_of(&all), ask).await {
        Ok(facts) => facts,
        Err(error @ CloudError::Aws(_)) => return Ok(Err(Untold::Later(chain(&error)))),
        Err(error) => return Err(error.into()),
    };
    if let Some(facts) = &facts {
        all = instance::layered(facts, all);
    }
    let told = match judge(folder, credentials, &all) {
        Ok(told) => told,
        Err(untold) => return Ok(Err(untold)),
    };
    let token = match (&told.token, &facts) {
        // Whoever only looks needs none, and a control plane joins nobody.
        (None, Some(facts)) if ask == Ask::Anew && told.settings.role == Role::Worker => {
            look_cloud::token(root, facts, &told.settings).await
        }
        (token, _) => Ok(token.clone()),
    };
    match token {
        Ok(token) => Ok(Ok(Told { facts, token, ..told })),
        Err(error @ CloudError::Token { .. }) => Ok(Err(Untold::Later(chain(&error)))),
        Err(error) => Err(error.into()),
    }
}

fn judge(root: &Path, credentials: Option<&Path>, layers: &[Layer]) -> Result<Told, Untold> {
    let merged = match merge(layers) {
        Ok(merged) => merged,
        Err(problems) => return Err(Untold::Wrong(problems.to_string())),
    };
    let mut warnings: Vec<String> = merged.warnings.iter().map(ToString::to_string).collect();
    let (found, bad_token) = match layers::token(root, credentials, &merged.settings) {
        Ok(found) => (found, None),
        Err(error) => (None, Some(chain(&error))),
    };
    if let Some(Found { is_exposed: true, .. }) = &found {
        warnings.push("the token's file can be read by others than its owner; give it mode 0600".to_owned());
    }
    let token = found.map(|found| found.token);
    Ok(Told { settings: merged.settings, token, bad_token, warnings, facts: None })
}
