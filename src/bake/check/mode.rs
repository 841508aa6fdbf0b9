// SPDX-License-Identifier: Apache-2.0
//! Modes that surprise: programs that give rights away, files that anyone may change, files that nobody can use.

use super::{Findings, Subject};
use crate::tree::{Kind, Node, TreePath};

const SET_ID: u16 = 0o6000;
const STICKY: u16 = 0o1000;
const WORLD_WRITES: u16 = 0o002;
const OWNER_READS: u16 = 0o400;
const OWNER_ENTERS: u16 = 0o500;

/// Judges one node; a link's mode means nothing (symlink(7)).
pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings, path: &TreePath, node: &Node) {
    let Node { kind, mode, uid: _, gid: _, mtime_s: _, xattrs: _ } = node;
    let problem = |what: String, fix| subject.problem(path, what, fix);
    match kind {
        Kind::Symlink(_) => {}
        Kind::File(_) => {
            if mode & SET_ID != 0 {
                let fix = "give mode 0755 and let its unit grant rights (AmbientCapabilities=)";
                findings
                    .errors
                    .push(problem(format!("mode {mode:04o} runs it with its owner's rights"), fix));
            }
            if mode & WORLD_WRITES != 0 {
                findings
                    .errors
                    .push(problem(format!("mode {mode:04o} lets anyone change it"), "take away 0002"));
            }
            if mode & OWNER_READS == 0 {
                findings
                    .warnings
                    .push(problem(format!("mode {mode:04o} lets not even its owner read it"), "add 0400"));
            }
        }
        Kind::Folder => {
            if mode & WORLD_WRITES != 0 && mode & STICKY == 0 {
                let what = format!("mode {mode:04o} lets anyone replace what others put there");
                findings.errors.push(problem(what, "add 1000, or take away 0002"));
            }
            if mode & OWNER_ENTERS != OWNER_ENTERS {
                findings
                    .warnings
                    .push(problem(format!("mode {mode:04o} lets not even its owner in"), "add 0500"));
            }
        }
    }
}
