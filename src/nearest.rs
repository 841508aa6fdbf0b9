// SPDX-License-Identifier: Apache-2.0
//! Nearest: which known word somebody meant who typed another one.

/// Returns the known word that `typed` is most likely a slip of, if one is close: at most a third of its letters off.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody slips into a word longer than any key; the table below is the square of this.
    if typed.len() > 64 {
        return None;
    }
    let limit = (typed.chars().count() / 3).max(1);
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|word| (distance(&typed, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, word)| word)
}

/// Counts the letters to add, drop, change or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["pods", "services", "hosts", "max_pods", "block", "block_v6"];
        for (typed, meant) in [
            ("podz", Some("pods")),
            ("pod", Some("pods")),
            ("sevrices", Some("services")),
            ("maxPods", Some("max_pods")),
            ("blokc", Some("block")),
            ("cidr", None),
            ("", None),
            (&"x".repeat(1000), None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
