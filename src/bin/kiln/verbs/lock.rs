// SPDX-License-Identifier: Apache-2.0
//! `kiln lock` and `kiln fetch`.

use std::collections::BTreeSet;

use kiln::bake::{self, BakeError};
use kiln::exit::Exit;
use kiln::pin::Mode;

use super::bake::{mode, print_moves, print_warnings};
use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::out::say;
use crate::show::print_json;
use crate::surroundings::Surroundings;

/// `kiln lock MANIFEST`
pub fn lock(words: &cli::Lock, here: &Surroundings) -> Result<Exit, Failure> {
    if words.outdated {
        return outdated(words, here);
    }
    let mode = match &words.upgrade {
        _ if words.inputs.locked => Mode::Locked,
        None => Mode::Renew,
        Some(name) => Mode::Upgrade(BTreeSet::from_iter((!name.is_empty()).then(|| name.clone()))),
    };
    let stocked = here.at_desk(&words.inputs, |desk| Ok(bake::stock(&words.manifest, &mode, desk)?))?;
    match here.format {
        Format::Json => print_json(&serde_json::json!({
            "lock": stocked.wanted.lock_path, "moves": stocked.moves, "inputs": stocked.lock.inputs,
            "warnings": stocked.wanted.warnings,
        }))?,
        Format::Text => {
            print_moves(&stocked.moves);
            print_warnings(&stocked.wanted.warnings);
            say!("{}: {} inputs pinned", stocked.wanted.lock_path.display(), stocked.lock.inputs.len());
        }
    }
    Ok(Exit::Done)
}

fn outdated(words: &cli::Lock, here: &Surroundings) -> Result<Exit, Failure> {
    let newest = here.at_desk(&words.inputs, |desk| Ok(bake::outdated(&words.manifest, desk)?))?;
    match here.format {
        Format::Json => print_json(&newest)?,
        Format::Text if newest.is_empty() => say!("nothing could move"),
        Format::Text => newest.iter().for_each(|each| say!("{each}")),
    }
    Ok(Exit::Done)
}

/// `kiln fetch MANIFEST`
pub fn fetch(words: &cli::Fetch, here: &Surroundings) -> Result<Exit, Failure> {
    let stocked = here.at_desk(&words.inputs, |desk| -> Result<_, Failure> {
        let stocked: Result<_, BakeError> = bake::stock(&words.manifest, &mode(&words.inputs), desk);
        Ok(stocked?)
    })?;
    let files = stocked.lock.inputs.values().flat_map(|locked| locked.files.values());
    let (count, size) = files.fold((0, 0), |(count, size), file| (count + 1, size + file.size));
    match here.format {
        Format::Json => {
            print_json(&serde_json::json!({ "files": count, "bytes": size, "moves": stocked.moves }))?
        }
        Format::Text => {
            print_moves(&stocked.moves);
            say!(
                "{count} files of {} inputs are in the cache ({})",
                stocked.lock.inputs.len(),
                crate::show::bytes(size)
            );
        }
    }
    Ok(Exit::Done)
}
