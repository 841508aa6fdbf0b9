// SPDX-License-Identifier: Apache-2.0
//! Words of publishing on AWS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kiln::cloud::policy;

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
    /// The partition that its ARNs are of: aws, aws-us-gov, aws-cn.
    #[arg(long, default_value = "aws")]
    pub partition: String,
    /// The path below which a target's parameters lie.
    #[arg(long, value_name = "PATH", default_value = "/kiln", value_parser = path)]
    pub parameters: String,
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

fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.len() > 1 && !text.ends_with('/') && !text.contains("//");
    is_path
        .then(|| text.to_owned())
        .ok_or_else(|| "write it as /kiln, with a slash first and none last".to_owned())
}
