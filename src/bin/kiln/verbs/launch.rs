// SPDX-License-Identifier: Apache-2.0
//! `kiln user-data`, and what all verbs of a cluster on AWS read.

#[cfg(feature = "aws")]
pub mod instances;
#[cfg(feature = "aws")]
mod terminate;

use std::io::Read as _;
use std::path::Path;

use kiln::exit::Exit;
use kiln::launch::{self, Cluster, Form, Given};
use kiln::settings::Role;
use kiln::settings::token::Token;

use crate::cli::{self, Provisioner};
use crate::failure::Failure;
use crate::named::text;
use crate::out::tell;

/// A description has some kilobytes.
const CLUSTER_MAX_BYTES: u64 = 1 << 20;
/// Twenty CA certificates.
const CA_MAX_BYTES: u64 = 64 << 10;
/// A token has 23 bytes; the rest is room for white space.
const TOKEN_MAX_BYTES: u64 = 256;

/// `kiln user-data ...`
pub fn user_data(words: &cli::UserData) -> Result<Exit, Failure> {
    let cluster = cluster(&words.cluster)?;
    let role = match words.role {
        cli::Role::ControlPlane => Role::ControlPlane,
        cli::Role::Worker => Role::Worker,
    };
    let token = words.token_file.as_deref().map(token).transpose()?;
    match (role, &token) {
        (Role::ControlPlane, Some(_)) => {
            return Err(Failure::with(Exit::Usage, "a control plane joins nobody; leave out --token-file"));
        }
        (Role::Worker, None) => tell!("kiln: without --token-file there is no token in it"),
        _ => {}
    }
    let ca = ca(&cluster, &words.cluster)?;
    if role == Role::Worker && ca.is_none() {
        tell!("kiln: without ca_file there are no CA certificates in it, and a worker trusts nobody");
    }
    let given = Given { ca: ca.as_deref(), token: token.as_ref(), ..Given::default() };
    let text = launch::render(&cluster, role, &given, words.provisioner.into());
    crate::out::put(format_args!("{}", text.map_err(|error| Failure::with(Exit::Config, error))?));
    Ok(Exit::Done)
}

impl From<Provisioner> for Form {
    fn from(word: Provisioner) -> Self {
        match word {
            Provisioner::Ignition => Self::Ignition,
            Provisioner::CloudConfig => Self::CloudConfig,
        }
    }
}

/// Reads a description of a cluster.
pub fn cluster(file: &Path) -> Result<Cluster, Failure> {
    let text = text(file, CLUSTER_MAX_BYTES)?;
    launch::parse(file, &text).map_err(|problems| Failure::with(Exit::Config, problems))
}

/// Reads the CA certificates that workers trust, if the description names a file of them.
fn ca(cluster: &Cluster, file: &Path) -> Result<Option<String>, Failure> {
    let Some(ca) = &cluster.ca_file else { return Ok(None) };
    let ca = file.parent().unwrap_or(Path::new("")).join(ca);
    authorities(&ca, &text(&ca, CA_MAX_BYTES)?).map(Some)
}

/// Returns the CA certificates in a text, which is what all workers get to read.
fn authorities(file: &Path, text: &str) -> Result<String, Failure> {
    launch::authorities(file, text).map_err(|problems| Failure::with(Exit::Config, problems))
}

fn token(file: &Path) -> Result<Token, Failure> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().take(TOKEN_MAX_BYTES).read_to_string(&mut text)?;
        text
    } else {
        text(file, TOKEN_MAX_BYTES)?
    };
    Token::parse(&text).map_err(|error| Failure::with(Exit::Config, error))
}
