// SPDX-License-Identifier: Apache-2.0
//! What of the cache nothing needs any more (`kiln cache gc`): what no lock names, by age and size.
//!
//! Every lock that kiln has used is recorded in the cache; as long as its file exists, what it names stays.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::host::cache::{Cache, CacheError, Entry, EntryKind};
use crate::lock::Lock;

/// The kind of the records that remember locks.
const KIND: &str = "lock";

/// How much that nobody names may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Used within so many seconds, it stays.
    pub age_s: u64,
    /// The whole cache may take so many bytes; where it takes more, what was used longest ago goes first.
    pub size_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    path: PathBuf,
    digests: BTreeSet<Digest>,
}

/// Remembers that `path` (absolute) holds `lock`, so that its inputs stay in the cache.
///
/// # Errors
/// As the cache says.
pub fn keep_lock(cache: &Cache, path: &Path, lock: &Lock) -> Result<(), CacheError> {
    let known = Known { path: path.to_owned(), digests: super::digests(lock).collect() };
    let json = serde_json::to_vec(&known).expect("strings are always JSON");
    let key = Digest::of(path.as_os_str().as_encoded_bytes()).to_string();
    cache.record_put(KIND, &key, &json)
}

/// Returns the digests that must stay: those that existing locks name, and those in records about them.
///
/// # Errors
/// As the cache says.
pub fn kept(cache: &Cache) -> Result<BTreeSet<Digest>, CacheError> {
    let mut kept = BTreeSet::new();
    for key in cache.record_keys(KIND)? {
        let json = cache.record_get(KIND, &key)?.unwrap_or_default();
        match serde_json::from_slice::<Known>(&json) {
            Ok(known) if known.path.exists() => kept.extend(known.digests),
            _ => cache.record_remove(KIND, &key)?,
        }
    }
    for entry in cache.list()? {
        let EntryKind::Record { kind, key } = entry.kind else { continue };
        if kind != KIND && is_about(&key, &kept) {
            kept.extend(named(&cache.record_get(&kind, &key)?.unwrap_or_default()));
        }
    }
    Ok(kept)
}

/// Returns what may go.
pub fn unused(entries: &[Entry], kept: &BTreeSet<Digest>, bounds: Bounds, now_s: u64) -> Vec<Entry> {
    let may_go = |entry: &&Entry| match &entry.kind {
        EntryKind::Blob { digest } => !kept.contains(digest),
        EntryKind::Derived { key, .. } => !is_about(key, kept),
        EntryKind::Record { kind, key } => kind != KIND && !is_about(key, kept),
        EntryKind::Folder { .. } | EntryKind::Leftover => true,
    };
    let mut candidates: Vec<&Entry> = entries.iter().filter(may_go).collect();
    candidates.sort_by_key(|entry| entry.used_s);
    let mut left_bytes: u64 = entries.iter().map(|entry| entry.disk_bytes).sum();
    let mut gone = Vec::new();
    for entry in candidates {
        if entry.used_s + bounds.age_s < now_s || left_bytes > bounds.size_bytes {
            left_bytes -= entry.disk_bytes;
            gone.push(entry.clone());
        }
    }
    gone
}

/// Derived files and records are named by what they are of.
fn is_about(key: &str, kept: &BTreeSet<Digest>) -> bool {
    key.get(..64).and_then(|key| key.parse().ok()).is_some_and(|digest| kept.contains(&digest))
}

/// All digests in a record, whatever its form.
fn named(json: &[u8]) -> Vec<Digest> {
    let words = json.split(|byte| !byte.is_ascii_hexdigit()).filter(|word| word.len() == 64);
    words.filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_lock_names_goes_when_it_is_old_or_too_much() {
        let blob = |content: &[u8], used_s| {
            let kind = EntryKind::Blob { digest: Digest::of(content) };
            Entry { kind, path: PathBuf::new(), disk_bytes: 10, used_s }
        };
        let key = Digest::of(b"kept").to_string();
        let derived = Entry { kind: EntryKind::Derived { kind: "base".to_owned(), key }, ..blob(b"", 0) };
        let entries = [blob(b"kept", 0), derived, blob(b"old", 5), blob(b"older", 4), blob(b"new", 95)];
        let kept = BTreeSet::from([Digest::of(b"kept")]);
        let gone = |age_s, size_bytes| -> Vec<u64> {
            unused(&entries, &kept, Bounds { age_s, size_bytes }, 100).iter().map(|it| it.used_s).collect()
        };
        assert_eq!(gone(50, 1000), [4, 5]);
        assert_eq!(gone(1000, 1000), [0_u64; 0]);
        assert_eq!(gone(1000, 40), [4]);
        assert_eq!(gone(0, 0), [4, 5, 95]);
    }

    #[test]
    fn digests_in_records_are_found() {
        let digest = Digest::of(b"x");
        assert_eq!(named(format!("[{{\"a\":\"{digest}\"}}]").as_bytes()), [digest]);
        assert!(named(format!("0{digest}").as_bytes()).is_empty());
    }
}
