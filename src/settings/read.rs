// SPDX-License-Identifier: Apache-2.0
//! A layer read into a tree whose nodes know their places. What its keys mean is not judged here.

use super::layer::{Form, Layer, empty, nowhere};
use super::{command_line, environment};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{self, Kind, Node};

/// Returns the layer's tree (a map), or nothing if it can't be read; the report then says why.
pub(super) fn tree(layer: &Layer, number: u16, report: &mut Report) -> Option<Node> {
    let text = match &layer.text {
        Ok(text) if text.len() <= marks::TEXT_MAX => text,
        Ok(_) => {
            report.add(nowhere(number), "", "has more than 1 MiB".to_owned(), Some("write less".to_owned()));
            return None;
        }
        Err(why) => {
            report.add(nowhere(number), "", why.clone(), None);
            return None;
        }
    };
    match layer.form {
        Form::Yaml => yaml(text, number, report),
        Form::Environment => Some(environment::tree(text, number, report)),
        Form::CommandLine => Some(command_line::tree(text, number, report)),
    }
}

fn yaml(text: &str, number: u16, report: &mut Report) -> Option<Node> {
    let (tree, faults) = marks::parse(text, number);
    let is_whole = faults.is_empty();
    for fault in faults {
        report.add(fault.place, &fault.key, fault.what, fault.fix);
    }
    match tree {
        // A file of comments is a layer that says nothing.
        None => is_whole.then(|| empty(number)),
        Some(tree) if is_null(&tree) => Some(empty(number)),
        Some(tree) if !matches!(tree.kind, Kind::Map(_)) => {
            let fix = "write keys and values, as in 'role: worker'".to_owned();
            report.add(tree.place, "", "is no map".to_owned(), Some(fix));
            None
        }
        Some(tree) => is_known_version(&At::root(&tree).key("version"), report).then_some(tree),
    }
}

fn is_null(tree: &Node) -> bool {
    matches!(&tree.kind, Kind::Scalar(value) if value.is_null())
}

/// The keys of another version may mean anything, so such a layer is not read at all.
fn is_known_version(at: &At<'_>, report: &mut Report) -> bool {
    let is_known = at.node.is_none() || at.whole() == Some(super::VERSION);
    if !is_known {
        let what = "this version of settings is not known here".to_owned();
        let fix = format!("write it as version {}, or boot an image with a newer kiln", super::VERSION);
        report.wrong(at, what, fix);
    }
    is_known
}
