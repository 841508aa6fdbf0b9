// SPDX-License-Identifier: Apache-2.0
//! Words of publishing on AWS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kiln::cloud::policy::{self, PARTITIONS, Scope};
use kiln::launch::is_name;
use kiln::resource::is_id;
use kiln::settings::check::is_parameter;

#[derive(Debug, Args)]
pub struct Publish {
    /// The image that kiln has baked (raw or qcow2), for flavour ami.
    pub image: PathBuf,
    /// How it is published, such as image/aws.yaml.
    #[arg(long, value_name = "FILE")]
    pub target: PathBuf,
    /// Move this channel's parameters to the image as well; may be given several times.
    #[arg(long, value_name = "CHANNEL")]
    pub promote: Vec<String>,
    /// Print what each region lacks, what would be sent and how many calls it takes; change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Unpublish {
    /// The image that was published.
    pub image: PathBuf,
    /// How it was published.
    #[arg(long, value_name = "FILE")]
    pub target: PathBuf,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// Print what would be removed; change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Policy {
    /// Who gets the rights.
    #[arg(value_enum)]
    pub who: Who,
    /// The partition that its ARNs are of: aws, aws-us-gov, aws-cn, aws-iso, aws-iso-b.
    #[arg(long, default_value = "aws", value_parser = scope, value_name = "PARTITION")]
    pub partition: Scope,
    /// The path below which a target's parameters lie.
    #[arg(long, value_name = "PATH", default_value = "/kiln", value_parser = path)]
    pub parameters: String,
    /// The cluster that it is for, by its name; of a machine's role that has to be said.
    #[arg(long, value_name = "NAME", value_parser = name, required_if_eq_any([("who", "worker"), ("who", "control-plane")]))]
    pub cluster: Option<String>,
    /// The VPC in which routes may be written or removed; without it, every one of the account.
    #[arg(long, value_name = "VPC", value_parser = vpc)]
    pub vpc: Option<String>,
    /// Print a table of call, action and reason instead of the document.
    #[arg(long)]
    pub reasons: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Who {
    /// Publishes and withdraws images.
    Publisher,
    /// Launches and terminates instances.
    Launcher,
    /// The role of a control plane's machine.
    ControlPlane,
    /// The role of a worker's machine.
    Worker,
    /// Looks: kiln verify ami-..., kiln nodes, kiln routes.
    Auditor,
    /// Clears routes away: kiln routes --prune.
    Janitor,
}

impl From<Who> for policy::Who {
    fn from(who: Who) -> Self {
        match who {
            Who::Publisher => Self::Publisher,
            Who::Launcher => Self::Launcher,
            Who::ControlPlane => Self::ControlPlane,
            Who::Worker => Self::Worker,
            Who::Auditor => Self::Auditor,
            Who::Janitor => Self::Janitor,
        }
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    let known = || PARTITIONS.map(|(name, _)| name).join(", ");
    Scope::of(text).ok_or_else(|| format!("AWS has no such partition; known are {}", known()))
}

/// A document's wildcards are kiln's to write, so none can come in by these.
fn path(text: &str) -> Result<String, String> {
    let fix =
        "write it as /kiln: letters, digits and '.-_' between slashes, none last; aws and ssm are taken";
    is_parameter(text).then(|| text.to_owned()).ok_or_else(|| fix.to_owned())
}

fn name(text: &str) -> Result<String, String> {
    let fix = "write it as the cluster's description has it: lower-case letters, digits and '-', 32 at most";
    is_name(text).then(|| text.to_owned()).ok_or_else(|| fix.to_owned())
}

fn vpc(text: &str) -> Result<String, String> {
    is_id(text, "vpc-").then(|| text.to_owned()).ok_or_else(|| "write it as vpc-0a1b2c3d4e5f60718".to_owned())
}
