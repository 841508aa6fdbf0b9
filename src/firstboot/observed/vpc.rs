// SPDX-License-Identifier: Apache-2.0
//! What EC2 has answered in this run, folded in.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::firstboot::reason::Reason;
use crate::route::{Route, Table};

/// What EC2 has answered in this run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Vpc {
    /// The VPC's tables, with what was written since they were read.
    pub tables: Option<Vec<Table>>,
    /// Whether the tables have been written to since they were read.
    pub is_written: bool,
    /// Routes that were written in this run, by table.
    pub written: BTreeSet<(String, IpNet)>,
    /// Whether the source/destination check was switched off in this run.
    pub is_check_off: bool,
    /// Why the last call brought nothing; waiting clears it.
    pub trouble: Option<Reason>,
}

impl Vpc {
    /// Folds in that a route was written, towards `interface`.
    pub fn wrote(&mut self, table: &str, to: IpNet, interface: &str) {
        self.put(table, to, interface);
        self.is_written = true;
        self.written.insert((table.to_owned(), to));
    }

    /// Folds in that a table has a route to this block already, although none was read there.
    pub fn met(&mut self, table: &str, to: IpNet) {
        self.put(table, to, "unknown");
    }

    fn put(&mut self, table: &str, to: IpNet, target: &str) {
        let found = self.tables.iter_mut().flatten().find(|found| found.id == table);
        if let Some(found) = found {
            found.routes.retain(|route| route.destination != to || route.is_propagated);
            let target = target.to_owned();
            found.routes.push(Route { destination: to, target, is_active: true, is_propagated: false });
        }
    }

    /// Makes ready for the next try after a wait: what was read may have changed.
    pub fn rest(&mut self) {
        self.trouble = None;
        self.tables = None;
        self.is_written = false;
    }
}
