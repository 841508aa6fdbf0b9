// SPDX-License-Identifier: Apache-2.0
//! How a plan reads: what each region lacks, what is sent, and how many calls it takes.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serializer;

use super::{Plan, RegionPlan, Sending, Wanted};
use crate::blocks::BLOCK;
use crate::cloud::Permission;

/// Writes permissions as words.
pub fn permissions<S: Serializer>(permit: &[Permission], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(permit.iter().map(Permission::to_string))
}

impl Plan {
    /// Returns how often each call that changes something is made, if nothing fails.
    pub fn calls(&self) -> BTreeMap<&'static str, usize> {
        let mut calls = BTreeMap::new();
        for region in &self.regions {
            region.calls().into_iter().for_each(|(call, count)| *calls.entry(call).or_default() += count);
        }
        calls.retain(|_, count| *count > 0);
        calls
    }

    /// Returns how many blocks are sent, to all regions together.
    pub fn blocks(&self) -> usize {
        self.regions.iter().map(RegionPlan::left).sum()
    }
}

impl RegionPlan {
    fn sendings(&self) -> impl Iterator<Item = &Sending> {
        let image = match &self.snapshot {
            Wanted::Send(sending) => Some(sending),
            Wanted::Nothing | Wanted::Have(_) => None,
        };
        self.base.iter().chain(image)
    }

    fn left(&self) -> usize {
        self.sendings().map(|sending| sending.left).sum()
    }

    fn calls(&self) -> [(&'static str, usize); 7] {
        let begins = self.sendings().filter(|sending| sending.begun.is_none()).count();
        [
            ("ebs:StartSnapshot", begins),
            ("ebs:PutSnapshotBlock", self.left()),
            ("ebs:CompleteSnapshot", self.sendings().count()),
            ("ec2:RegisterImage", usize::from(self.image.is_none())),
            ("ec2:ModifyImageAttribute", usize::from(!self.permit.is_empty())),
            ("ec2:EnableImageDeprecation", usize::from(self.deprecate_at_s.is_some())),
            ("ssm:PutParameter", self.point.len()),
        ]
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.base.as_ref().map(|it| format!("send the base: {}", sent(it))));
        match &self.snapshot {
            Wanted::Send(it) => lines.push(format!("send the image: {}; {}", sent(it), self.way)),
            Wanted::Have(id) => lines.push(format!("take {id}: {}", self.way)),
            Wanted::Nothing => {}
        }
        match &self.image {
            None => lines.push("register the image".to_owned()),
            Some(id) => lines.push(format!("{id} is there")),
        }
        lines.extend(self.permit.iter().map(|who| format!("let {who} launch it")));
        lines.extend(self.deprecate_at_s.map(|at_s| format!("deprecate it on {}", day(at_s))));
        lines.extend(self.point.iter().map(|(name, now)| match now {
            Some(now) => format!("point {name} to it (now {now})"),
            None => format!("point {name} to it"),
        }));
        lines
    }
}

fn sent(sending: &Sending) -> String {
    let bytes = sending.left as u64 * BLOCK;
    let of = match sending.left == sending.blocks {
        true => String::new(),
        false => format!(" of {}", sending.blocks),
    };
    format!("{}{of} blocks, {:.2} MiB", sending.left, bytes as f64 / (1 << 20) as f64)
}

fn day(at_s: u64) -> String {
    let at = i64::try_from(at_s).ok().and_then(|at_s| time::OffsetDateTime::from_unix_timestamp(at_s).ok());
    at.map_or_else(|| at_s.to_string(), |at| at.date().to_string())
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for region in &self.regions {
            writeln!(f, "{}:", region.region)?;
            match region.is_done() {
                true => writeln!(f, "  nothing is lacking")?,
                false => region.lines().iter().try_for_each(|line| writeln!(f, "  {line}"))?,
            }
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        let calls: Vec<String> = self.calls().iter().map(|(call, count)| format!("{count} {call}")).collect();
        match calls.is_empty() {
            true => writeln!(f, "no call changes anything"),
            false => writeln!(f, "calls that change something: {}", calls.join(", ")),
        }
    }
}
