// SPDX-License-Identifier: Apache-2.0
//! `kiln cache list|verify|gc`.

use kiln::exit::Exit;
use kiln::host::cache::{Alone, Cache, Entry, EntryKind};
use kiln::host::clock;
use kiln::pin::{Bounds, kept, unused};

use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::out::say;
use crate::show::{bytes, print_json};
use crate::surroundings::{CACHE_LIMIT, Surroundings};

/// `kiln cache ...`
pub fn cache(words: &cli::Cache, here: &Surroundings) -> Result<Exit, Failure> {
    match words {
        cli::Cache::List => list(here),
        cli::Cache::Verify => verify(here),
        cli::Cache::Gc { keep_days, keep_gib } => gc(*keep_days, *keep_gib, here),
    }
}

fn list(here: &Surroundings) -> Result<Exit, Failure> {
    let entries = Cache::open(&here.cache_folder()?, CACHE_LIMIT)?.list()?;
    match here.format {
        Format::Json => print_json(&entries)?,
        Format::Text => print_entries(&entries),
    }
    Ok(Exit::Done)
}

fn print_entries(entries: &[Entry]) {
    for entry in entries.iter().filter(|entry| !matches!(entry.kind, EntryKind::Record { .. })) {
        say!("{:>12}  {}", bytes(entry.disk_bytes), entry.path.display());
    }
    let total: u64 = entries.iter().map(|entry| entry.disk_bytes).sum();
    say!("{:>12}  in {} files", bytes(total), entries.len());
}

fn verify(here: &Surroundings) -> Result<Exit, Failure> {
    let verified = Alone::open(&here.cache_folder()?, CACHE_LIMIT)?.verify(&*here.progress)?;
    match here.format {
        Format::Json => print_json(&verified)?,
        Format::Text => {
            verified.bad.iter().for_each(|path| say!("damaged and removed: {}", path.display()));
            say!("{} files, {}, {} damaged", verified.files, bytes(verified.bytes), verified.bad.len());
        }
    }
    Ok(if verified.bad.is_empty() { Exit::Done } else { Exit::Failed })
}

fn gc(keep_days: u32, keep_gib: u32, here: &Surroundings) -> Result<Exit, Failure> {
    const DAY_S: u64 = 24 * 3600;
    let folder = here.cache_folder()?;
    let kept = kept(&Cache::open(&folder, CACHE_LIMIT)?)?;
    let alone = Alone::open(&folder, CACHE_LIMIT)?;
    let bounds = Bounds { age_s: u64::from(keep_days) * DAY_S, size_bytes: u64::from(keep_gib) << 30 };
    let gone = unused(&alone.list()?, &kept, bounds, clock::now_s());
    alone.remove(&gone)?;
    match here.format {
        Format::Json => print_json(&gone)?,
        Format::Text => {
            let freed: u64 = gone.iter().map(|entry| entry.disk_bytes).sum();
            say!("removed {} files, {}", gone.len(), bytes(freed));
        }
    }
    Ok(Exit::Done)
}
