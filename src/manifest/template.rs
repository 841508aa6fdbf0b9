// SPDX-License-Identifier: Apache-2.0
//! Template: texts with tera's placeholders, rendered strictly and in bounded time and memory.
//!
//! tera alone takes `{% if missing %}` for false and checks nothing in a branch that is not taken. So each template is
//! scanned first: every name in it must be known where it stands, and is then wrapped in a filter that fails when the
//! value is undefined after all (a `set` in a branch not taken, an element without that key). A name that the template
//! itself tests with `is defined` or `default` may be absent. tera's own list of names proves that none was overlooked.
//!
//! A template stands alone: no include, extends, macro or component, so none can contain itself. Turns of loops, names and
//! kept values draw on one fuel, and the output has a limit, so a template ends or is refused.

mod names;
mod render;
mod scan;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Arch, Cluster, Component, raw};

/// Something wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where in the template.
    pub place: Option<(u32, u32)>,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub fix: Option<String>,
}

/// What templates may show.
#[derive(Debug, Clone)]
pub struct Templates {
    values: Value,
}

impl Templates {
    /// Returns the names that every template of a manifest sees: name, arch, cluster, versions, vars.
    pub fn new<'a>(
        name: &str,
        arch: Arch,
        (cluster, kubernetes): (&Cluster, Option<&str>),
        components: impl Iterator<Item = &'a Component>,
        variables: &BTreeMap<String, raw::Variable>,
    ) -> Self {
        let Cluster { pods, services, hosts, block_prefix, block_prefix_v6, .. } = cluster;
        let versions: BTreeMap<String, &str> = components
            .filter_map(|component| {
                Some((component.name.replace(['-', '.'], "_"), component.version.as_deref()?))
            })
            .collect();
        let vars: BTreeMap<&str, &Value> =
            variables.iter().map(|(name, value)| (name.as_str(), &value.0)).collect();
        let cluster = json!({
            "kubernetes": kubernetes, "pods": pods, "services": services, "hosts": hosts,
            "block": block_prefix, "block_v6": block_prefix_v6,
            "nodes": cluster.nodes_max, "surge": cluster.surge, "max_pods": cluster.pods_max,
        });
        Self {
            values: json!({ "name": name, "arch": arch, "cluster": cluster, "versions": versions, "vars": vars }),
        }
    }

    /// Returns templates that show these values, for files that are no manifests.
    #[cfg(feature = "aws")]
    pub(crate) fn of(values: Value) -> Self {
        Self { values }
    }

    /// Renders `text`.
    ///
    /// # Errors
    /// Everything that a look at the template finds wrong, or else the first thing that rendering it does.
    pub fn render(&self, text: &str) -> Result<String, Vec<Fault>> {
        let tags = scan::scan(text).map_err(|fault| vec![fault])?;
        let checked = names::check(text, &tags, &self.values)?;
        render::render(text, &checked, &self.values).map_err(|fault| vec![fault])
    }
}

/// Returns line and column of a byte offset.
fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(before.matches('\n').count() + 1), number(before[line_start..].chars().count() + 1))
}

fn fault(text: &str, offset: usize, what: impl Into<String>, fix: impl Into<String>) -> Fault {
    Fault { place: Some(place(text, offset)), what: what.into(), fix: Some(fix.into()) }
}

#[cfg(test)]
mod tests;
