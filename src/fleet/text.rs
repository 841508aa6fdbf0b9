// SPDX-License-Identifier: Apache-2.0
//! Both comparisons for people: a table, and last what disagrees.

use std::fmt;

use super::{Fleet, Missing, RouteRow, Routes, Row};
use crate::read::columns;

const NONE: &str = "-";

fn or_none(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or(NONE).to_owned()
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![header(&["instance", "state", "node", "ready", "block", "route", "image"])];
        rows.extend(self.nodes.iter().map(cells));
        f.write_str(&columns(&rows, &[]))?;
        let instances = self.nodes.iter().filter(|row| row.instance.is_some()).count();
        let nodes = self.nodes.iter().filter(|row| row.node.is_some()).count();
        writeln!(f, "\n{}: {instances} instances, {nodes} of its Nodes", self.cluster)?;
        match self.problems.len() {
            0 => writeln!(f, "nothing disagrees"),
            count => writeln!(f, "{count} disagreements:"),
        }?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "- {problem}"))
    }
}

fn cells(row: &Row) -> Vec<String> {
    let blocks: Vec<String> = row.blocks.iter().map(ToString::to_string).collect();
    let ready = row.node.as_ref().map(|_| if row.is_ready { "yes" } else { "no" });
    vec![
        or_none(row.instance.as_deref()),
        or_none(row.state.as_deref()),
        or_none(row.node.as_deref()),
        or_none(ready),
        or_none(Some(&blocks.join(","))),
        or_none(row.route.map(super::Way::word)),
        or_none(row.image.as_deref()),
    ]
}

impl fmt::Display for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.routes.is_empty() {
            writeln!(f, "no route leads into the pod range")?;
        } else {
            let mut rows = vec![header(&["table", "destination", "leads to", "instance", "claimed by", ""])];
            rows.extend(self.routes.iter().map(route_cells));
            f.write_str(&columns(&rows, &[]))?;
        }
        let missing = |Missing { table, block, holder }: &Missing| {
            writeln!(
                f,
                "{table} has no route to {block} of Node {holder}: kiln-firstboot run on it makes one"
            )
        };
        self.missing.iter().try_for_each(missing)
    }
}

fn route_cells(row: &RouteRow) -> Vec<String> {
    vec![
        row.table.clone(),
        row.destination.to_string(),
        row.target.clone(),
        or_none(row.instance.as_deref()),
        or_none(row.holder.as_deref()),
        row.verdict.words().to_owned(),
    ]
}
