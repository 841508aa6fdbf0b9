// SPDX-License-Identifier: Apache-2.0
//! Asks the metadata service what the machine is, if the settings say that there is one, and keeps the answer for the
//! programs that look at the machine later in this boot.

use std::time::Duration;

use super::credential::{CURRENT, stored};
use super::vpc::Attachment;
use crate::aws::{AutoScaling, AwsError, Ec2, Facts, Metadata, Parameter, Ssm};
use crate::host::entropy::{self, EntropyError};
use crate::host::files::FileError;
use crate::host::links;
use crate::host::links::LinksError;
use crate::host::machine;
use crate::host::root::Root;
use crate::settings::token::Token;
use crate::settings::{Cloud, Platform, Role, Settings};

/// Where it is kept; gone with the boot it is about. User-data that is somebody else's is not in it.
pub const INSTANCE: &str = "/run/kiln/instance.json";

/// How long the service is asked; the unit starts again after that.
const LIMIT: Duration = Duration::from_secs(60);
/// Tags and user-data have some 20 KiB.
const INSTANCE_MAX_BYTES: u64 = 256 << 10;

/// Why it is not known what the machine is.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The metadata service.
    #[error(
        "the metadata service says nothing of this instance: {0}; is instance metadata enabled, and does 169.254.169.254 have a route?"
    )]
    Aws(AwsError),
    /// The token of the instance's group.
    #[error(
        "no token in the parameter {name}: {why}; does the control plane keep one there (kiln-share.timer), and may the \
         instance's role read it (kiln policy worker)?"
    )]
    Token {
        /// The parameter.
        name: String,
        /// Why not.
        why: String,
    },
}

/// When to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Always, and keep the answer.
    Anew,
    /// The same, by whoever joins nobody and needs no token.
    Early,
    /// Always, and touch nothing.
    Dry,
    /// Only where no answer is kept.
    Kept,
}

/// Returns what the metadata service says; nothing where the machine is no instance, or may not ask.
///
/// # Errors
/// When there should be a metadata service and it does not answer in time.
pub async fn facts(root: &Root, cloud: &Cloud, ask: Ask) -> Result<Option<Facts>, CloudError> {
    if !is_instance(root, cloud)? {
        return Ok(None);
    }
    if ask == Ask::Kept
        && let Some(text) = root.read(INSTANCE, INSTANCE_MAX_BYTES)?
        && let Ok(facts) = serde_json::from_slice(&text)
    {
        return Ok(Some(facts));
    }
    let metadata = Metadata::new(cloud.metadata.as_deref()).map_err(CloudError::Aws)?;
    let seed = u128::from_be_bytes(entropy::bytes()?) as u64;
    let facts = metadata.facts(LIMIT, seed).await.map_err(CloudError::Aws)?;
    if matches!(ask, Ask::Anew | Ask::Early) {
        let text = serde_json::to_vec_pretty(&facts).expect("texts");
        root.replace(INSTANCE, &text, 0o600)?;
    }
    Ok(Some(facts))
}

fn is_instance(root: &Root, cloud: &Cloud) -> Result<bool, FileError> {
    Ok(match cloud.platform {
        Platform::None => false,
        Platform::Aws => true,
        Platform::Auto => machine::is_ec2(root)?,
    })
}

/// Returns where in its VPC the instance is.
pub fn attachment(facts: &Facts) -> Attachment {
    let Facts { interface, vpc, subnet, .. } = facts.clone();
    Attachment { interface, vpc, subnet }
}

/// Returns EC2 of the instance's region.
///
/// # Errors
/// When there can be no HTTP client.
pub fn ec2(facts: &Facts, cloud: &Cloud) -> Result<Ec2, AwsError> {
    let own = format!("https://ec2.{}.{}", facts.region, facts.domain);
    let endpoint = cloud.endpoint.as_deref().unwrap_or(&own);
    Ec2::new(endpoint, &facts.region, cloud.ca.as_deref(), Metadata::new(cloud.metadata.as_deref())?)
}

/// Returns Systems Manager of the instance's region.
///
/// # Errors
/// When there can be no HTTP client.
pub fn ssm(facts: &Facts, cloud: &Cloud) -> Result<Ssm, AwsError> {
    let own = format!("https://ssm.{}.{}", facts.region, facts.domain);
    let endpoint = cloud.parameters_endpoint.as_deref().unwrap_or(&own);
    Ssm::new(endpoint, &facts.region, cloud.ca.as_deref(), Metadata::new(cloud.metadata.as_deref())?)
}

/// Returns EC2 Auto Scaling of the instance's region.
///
/// # Errors
/// When there can be no HTTP client.
pub fn scaling(facts: &Facts, cloud: &Cloud) -> Result<AutoScaling, AwsError> {
    let own = format!("https://autoscaling.{}.{}", facts.region, facts.domain);
    let endpoint = cloud.scaling_endpoint.as_deref().unwrap_or(&own);
    AutoScaling::new(endpoint, &facts.region, cloud.ca.as_deref(), Metadata::new(cloud.metadata.as_deref())?)
}

/// Returns the token that machines of the instance's group join with; nothing where none is needed any more. It is in memory
/// alone.
///
/// # Errors
/// When it can't be read, or is no token.
pub async fn token(root: &Root, facts: &Facts, settings: &Settings) -> Result<Option<Token>, CloudError> {
    let is_born = root.link(&stored(CURRENT))?.is_some();
    let Some(name) = settings.cloud.token_parameter.as_deref().filter(|_| !is_born) else { return Ok(None) };
    let failed = |why: String| CloudError::Token { name: name.to_owned(), why };
    let ssm = ssm(facts, &settings.cloud).map_err(|error| failed(error.to_string()))?;
    let found = ssm.parameters(&[name]).await.map_err(|error| failed(error.to_string()))?;
    let Some(Parameter(text)) = found.get(name) else { return Err(failed("it is not there".to_owned())) };
    Token::parse(text).map(Some).map_err(|error| failed(error.to_string()))
}

/// Returns the addresses that a control plane on an instance was promised and does not have yet: certificates name them,
/// and workers go there.
///
/// # Errors
/// When the kernel does not answer.
pub fn awaited(settings: &Settings) -> Result<Vec<std::net::IpAddr>, LinksError> {
    if settings.role != Role::ControlPlane || settings.cloud.platform == Platform::None {
        return Ok(Vec::new());
    }
    let links = links::look()?;
    let mut awaited = settings.node.addresses.clone();
    awaited.retain(|address| {
        !links.links.iter().any(|link| link.addresses.iter().any(|own| own.addr() == *address))
    });
    Ok(awaited)
}
