// SPDX-License-Identifier: Apache-2.0
//! The block map: one sign for each block, or for several where they are many, in rows that are ranges themselves.

use std::collections::BTreeSet;

use super::{Audit, Screen};
use crate::pool::Pool;

/// More rows than fit on a screen help nobody.
const ROWS_MAX: u32 = 32;
/// The longest and the shortest row, in signs. Rows are powers of two, as pools are.
const ROW: (u32, u32) = (256, 8);
/// Least used first; the first is for none and the last for all.
const SHADES: [[char; 5]; 2] = [['.', ':', '+', '%', '#'], ['·', '░', '▒', '▓', '█']];
const RESERVED: char = '-';
const WRONG: char = '!';

/// Returns the map with its legend.
pub(super) fn map(audit: &Audit, screen: Screen) -> String {
    let blocks = audit.ranges.count();
    let (row, labels) = row(audit, screen.columns);
    let per_sign = per_sign(blocks, row);
    let signs = Signs::of(audit, screen);
    let mut text = String::new();
    for (number, label) in labels.iter().enumerate() {
        let first = u32::try_from(number).expect("few rows") * row * per_sign;
        let end = blocks.min(first + row * per_sign);
        text += label;
        text.extend((first..end).step_by(per_sign as usize).map(|index| signs.sign(index, per_sign)));
        text.push('\n');
    }
    text + &signs.legend(per_sign)
}

fn per_sign(blocks: u32, row: u32) -> u32 {
    (blocks / row / ROWS_MAX).max(1)
}

/// The longest row that fits, and the rows' labels: of all families where there is room, else of the primary one.
fn row(audit: &Audit, columns: usize) -> (u32, Vec<String>) {
    let blocks = audit.ranges.count();
    let pools = audit.ranges.pools();
    for pools in [pools, &pools[..1], &[]] {
        let mut row = ROW.0.min(blocks.next_power_of_two());
        while row >= ROW.1.min(blocks) {
            let labels = labels(pools, blocks, row * per_sign(blocks, row));
            let width = labels.first().map_or(0, |label| label.chars().count());
            if width + row as usize <= columns && (row >= 16.min(blocks) || pools.is_empty()) {
                return (row, labels);
            }
            row /= 2;
        }
    }
    let row = ROW.1.min(blocks);
    (row, labels(&[], blocks, row * per_sign(blocks, row)))
}

/// Each row's range in each of these families, aligned.
fn labels(pools: &[Pool], blocks: u32, per_row: u32) -> Vec<String> {
    let firsts: Vec<u32> = (0..blocks).step_by(per_row as usize).collect();
    let mut labels = vec![String::new(); firsts.len()];
    for pool in pools {
        let range = |first: &u32| {
            let block = pool.block(*first).expect("below the number of blocks");
            let prefix = pool.block_prefix() - u8::try_from(per_row.ilog2()).expect("at most 31");
            format!("{}/{prefix}", block.network())
        };
        let texts: Vec<String> = firsts.iter().map(range).collect();
        let width = texts.iter().map(String::len).max().unwrap_or(0);
        for (label, text) in labels.iter_mut().zip(texts) {
            *label += &format!("{text:<width$}  ");
        }
    }
    labels
}

struct Signs<'a> {
    audit: &'a Audit,
    wrong: BTreeSet<u32>,
    shades: [char; 5],
}

impl<'a> Signs<'a> {
    fn of(audit: &'a Audit, screen: Screen) -> Self {
        let wrong = audit.problems.iter().flat_map(|problem| problem.indices(&audit.ranges)).collect();
        Self { audit, wrong, shades: SHADES[usize::from(screen.is_unicode)] }
    }

    fn sign(&self, first: u32, count: u32) -> char {
        let indices = || first..first + count;
        if self.wrong.range(indices()).next().is_some() {
            return WRONG;
        }
        let usable = indices().filter(|index| !self.audit.ranges.is_reserved(*index)).count();
        if usable == 0 {
            return RESERVED;
        }
        match self.audit.holders.range(indices()).count() {
            0 => self.shades[0],
            held if held >= usable => self.shades[4],
            held => self.shades[1 + held * 3 / usable],
        }
    }

    fn legend(&self, per_sign: u32) -> String {
        let [none, few, some, most, all] = self.shades;
        let mut legend = format!("{all} held  {none} free");
        if !self.audit.ranges.reserved().is_empty() {
            legend += &format!("  {RESERVED} reserved");
        }
        if !self.wrong.is_empty() {
            legend += &format!("  {WRONG} wrong, see below");
        }
        if per_sign > 1 {
            legend += &format!("  {few}{some}{most} in part; a sign is {per_sign} blocks");
        }
        legend + "\n"
    }
}
