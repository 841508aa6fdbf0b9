// SPDX-License-Identifier: Apache-2.0
//! What the shell in a machine reads, and the marks between which a program's bytes come back.

use super::Order;

/// What nobody else prints. It comes in two words, so that a terminal that repeats its input does not print it.
pub(super) struct Mark(String);

impl Mark {
    pub fn new(secret: u128) -> Self {
        Self(format!("{secret:032x}"))
    }

    pub fn printed(&self, what: &str) -> String {
        let (first, second) = self.0.split_at(16);
        format!("printf '%s%s' {first} {second}-{what}")
    }

    pub fn seen(&self, what: &str) -> Vec<u8> {
        format!("{}-{what}", self.0).into_bytes()
    }
}

/// Returns what the shell reads.
pub(super) fn script(order: &Order<'_>, mark: &Mark, has_input: bool) -> String {
    let program = order.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let [start, error, end, over] = ["start", "error", "end", "over"].map(|what| mark.printed(what));
    if let Some((rows, columns)) = order.terminal {
        return format!(
            "{start}; stty sane rows {rows} columns {columns}; {program} 2>&1; status=$?; {RAW}; {error}; {end}; \
             echo $status; {over}\n"
        );
    }
    // 0: no limit. What is not read goes nowhere, up to the last piece: the shell would take it for orders.
    let limit = order.limit.map_or(0, |limit| limit.as_secs().max(1));
    let (feed, nothing) = if has_input { (FEED, "") } else { ("", "</dev/null") };
    format!(
        "{start}; {feed} {{ timeout -k 5 {limit} {program} 2>/run/{0} {nothing}; status=$?; {error}; cat /run/{0}; \
         rm -f /run/{0}; {end}; echo $status; }}; {over}\n",
        mark.0
    )
}

/// What a program reads: the pieces of the feed. Their lengths are not read by the shell's own `read`, which takes more
/// than it returns from a terminal; and a piece that the program does not want is read all the same.
const FEED: &str = "while count=$(head -c 8) && [ \"$count\" -gt 0 ]; do \
    head -c \"$count\" | { cat; cat >/dev/null; }; done 2>/dev/null |";

/// Bytes as they are, in both directions; no signals.
pub(super) const RAW: &str = "stty raw -echo";

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
