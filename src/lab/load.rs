// SPDX-License-Identifier: Apache-2.0
//! Images of containers from an archive, handed to the runtime of every node that runs.

use std::path::Path;
use std::time::Duration;

use super::error::LabError;
use super::look;
use super::node::Node;
use super::plan::Lab;
use crate::host::files;
use crate::progress::Progress;

/// Longest import of a large archive.
const LIMIT: Duration = Duration::from_secs(600);

/// Hands an archive to each node, one after the other: they share this machine's disk.
///
/// # Errors
/// If there is no such lab or archive, or a runtime refuses it.
pub fn load(lab: &Lab, archive: &Path, progress: &dyn Progress) -> Result<(), LabError> {
    look::record(lab)?.ok_or_else(|| LabError::NoLab(lab.name.clone()))?;
    for node in Node::all(lab)? {
        let name = node.record.name.to_string();
        progress.begin(&name, &format!("{} goes to {name}", archive.display()), None);
        let words: &[&str] = match is_docker(&node) {
            true => &["docker", "load", "--quiet"],
            // kubelet's images are in this namespace of containerd's.
            false => &["ctr", "--namespace=k8s.io", "images", "import", "-"],
        };
        node.inside(words, LIMIT)?.run_with(files::open(archive)?)?;
        progress.end(&name, "");
    }
    Ok(())
}

/// dockerd runs where it is the runtime, and only there.
fn is_docker(node: &Node) -> bool {
    node.property(Some("docker.service"), "ActiveState").is_ok_and(|state| state == "active")
}
