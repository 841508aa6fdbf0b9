// SPDX-License-Identifier: Apache-2.0
//! Why instances were not launched, or did not become nodes.

use std::path::PathBuf;

use super::birth::Failure;
use super::trust::NoKey;
use super::user_data::UserDataError;
use crate::cloud::CloudError;
use crate::cluster::{AccessError, ApiError};
use crate::exit::Exit;
use crate::host::entropy::EntropyError;
use crate::host::files::FileError;
use crate::problem::Problems;
use crate::token::TokenError;

/// Why a launch failed.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The description, and what it names.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The user-data.
    #[error(transparent)]
    UserData(#[from] UserDataError),
    /// A call of AWS.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// A call that failed when others had launched instances already.
    #[error("{call}\nlaunched before that: {}; kiln launch --terminate ends them", made.join(", "))]
    Partly {
        /// The instances that run.
        made: Vec<String>,
        /// The call.
        call: CloudError,
    },
    /// The cluster refuses what a launch needs.
    #[error("{what}")]
    Api {
        /// What was to be done.
        what: &'static str,
        /// The request.
        source: ApiError,
    },
    /// A group that does not get its instances.
    #[error(
        "group {group} has {has} of {wants} instances after {limit_s} s; see its activity history, and run again"
    )]
    Group {
        /// Its name.
        group: String,
        /// How many it has.
        has: usize,
        /// How many it is to have.
        wants: usize,
        /// How long was waited.
        limit_s: u64,
    },
    /// Pods that do not leave; nothing is terminated then.
    #[error(
        "{} pods are still there after {limit_s} s:\n{}\nnothing is terminated, and no new pods come to these nodes; run \
         again to go on, or add --no-drain",
        left.len(), left.join("\n")
    )]
    NotDrained {
        /// Node, pod and reason of each.
        left: Vec<String>,
        /// How long was waited.
        limit_s: u64,
    },
    /// Instances that are not off; their Nodes stay.
    #[error("not off after {limit_s} s: {}; their Nodes stay until they are, run again to go on", left.join(", "))]
    NotEnded {
        /// They.
        left: Vec<String>,
        /// How long was waited.
        limit_s: u64,
    },
    /// A kubeconfig that would be overwritten.
    #[error("{} is there already; name another file, or remove it", .0.display())]
    Kubeconfig(PathBuf),
    /// A second control plane.
    #[error(
        "cluster {cluster} has a control plane already: {instance}, whose operator has another key than {}; kiln launch \
         --terminate ends it",
        key.display()
    )]
    Plane {
        /// The cluster.
        cluster: String,
        /// The instance.
        instance: String,
        /// Where its operator's key would have to be.
        key: PathBuf,
    },
    /// A control plane that is on its way out.
    #[error("cluster {cluster} has a control plane that is ending: {instance}; run again when it is off")]
    PlaneEnding {
        /// The cluster.
        cluster: String,
        /// The instance.
        instance: String,
    },
    /// The operator's key.
    #[error("can't use the key in {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: NoKey,
    },
    /// A file of this machine.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was shared is of no use.
    #[error("what the control plane shares can't be used")]
    Access(#[from] AccessError),
    /// No chance to be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Instances that are no Ready nodes.
    #[error("{}", told(failures, *of, *limit_s, trouble.as_deref()))]
    NotReady {
        /// They.
        failures: Vec<Failure>,
        /// How many were launched.
        of: usize,
        /// Whether the time was over, and how long it was.
        limit_s: Option<u64>,
        /// Why the last look at the cluster failed.
        trouble: Option<String>,
    },
}

fn told(failures: &[Failure], of: usize, limit_s: Option<u64>, trouble: Option<&str>) -> String {
    let after = limit_s.map_or(String::new(), |limit_s| format!(" after {limit_s} s"));
    let verb = if failures.len() == 1 { "is" } else { "are" };
    let mut text = format!("{} of {of} {verb} not Ready{after}:", failures.len());
    failures.iter().for_each(|failure| text += &format!("\n{failure}"));
    trouble.iter().for_each(|trouble| text += &format!("\nthe cluster was not asked to the end: {trouble}"));
    text
}

impl LaunchError {
    /// Returns what the program ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Problems(_)
            | Self::UserData(_)
            | Self::Kubeconfig(_)
            | Self::Plane { .. }
            | Self::Key { .. } => Exit::Config,
            Self::Cloud(error) if error.may_pass() => Exit::TryAgain,
            Self::Api { source, .. } if source.may_pass() => Exit::TryAgain,
            // They may still become so.
            Self::NotReady { limit_s: Some(_), .. }
            | Self::NotDrained { .. }
            | Self::NotEnded { .. }
            | Self::PlaneEnding { .. }
            | Self::Group { .. } => Exit::TryAgain,
            _ => Exit::Failed,
        }
    }
}
