// SPDX-License-Identifier: Apache-2.0
//! An audit for people: the pool, the map, the holders, and last what is wrong.

use std::fmt::Write as _;

use super::map::map;
use super::{Audit, Holder};

/// What a text is shown on.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Characters in a line.
    pub columns: usize,
    /// Whether it shows more than ASCII.
    pub is_unicode: bool,
}

/// Returns the text.
pub fn text(audit: &Audit, screen: Screen) -> String {
    let mut text = summary(audit);
    text += "\n";
    text += &map(audit, screen);
    text += &holders(audit);
    text += "\n";
    match audit.problems.len() {
        0 => text += "nothing is wrong\n",
        count => writeln!(text, "{count} wrong:").expect("a string"),
    }
    for problem in &audit.problems {
        writeln!(text, "- {problem}").expect("a string");
    }
    text
}

fn summary(audit: &Audit) -> String {
    let cut = |pool: &crate::pool::Pool| format!("{} in /{}", pool.range(), pool.block_prefix());
    let pools: Vec<String> = audit.ranges.pools().iter().map(cut).collect();
    let joining = match audit.joining.len() {
        0 => String::new(),
        count => {
            let names: Vec<&str> = audit.joining.iter().map(String::as_str).collect();
            format!(", {count} of them joining ({})", names.join(", "))
        }
    };
    format!(
        "pool    {}; addressing {}\nblocks  {}: {} held, {} free, {} reserved\nnodes   {}{joining}\n",
        pools.join(", "),
        audit.ranges.addressing.word(),
        audit.ranges.count(),
        audit.held(),
        audit.free(),
        audit.ranges.count() - audit.ranges.usable(),
        audit.nodes,
    )
}

fn holders(audit: &Audit) -> String {
    let mut text = String::new();
    let blocks =
        |holder: &Holder| holder.blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join("  ");
    let width = audit.holders.values().map(|holder| blocks(holder).len()).max().unwrap_or(0);
    for (index, holder) in &audit.holders {
        let gone = if holder.is_live { "" } else { " (gone)" };
        writeln!(text, "{index:>8}  {:<width$}  {}{gone}", blocks(holder), holder.node).expect("a string");
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}
