// SPDX-License-Identifier: Apache-2.0
//! `kiln diff` and `kiln verify`: two images against each other, and one against what it was baked from.

use std::path::PathBuf;
use std::sync::Arc;

use kiln::bake::Desk;
use kiln::bake::verify::{self, Verified};
use kiln::compare;
use kiln::disk::ReadAt;
use kiln::exit::Exit;
use kiln::host::disk::open_image;
use kiln::read::printable;
#[cfg(feature = "aws")]
use kiln::resource::is_id;

use super::read::open;
use crate::cli::{self, Format, Inputs};
use crate::failure::Failure;
use crate::show::{print_json, print_text};
use crate::surroundings::Surroundings;

/// `kiln diff A B`
pub fn diff(words: &cli::Diff, here: &Surroundings) -> Result<Exit, Failure> {
    let jobs = here.jobs(words.jobs);
    let (first, second) = (open(&words.first)?, open(&words.second)?);
    let diff = compare::diff(&first, &second, jobs, &*here.progress)?;
    match here.format {
        Format::Json => print_json(&diff)?,
        Format::Text => {
            let names = [&words.first, &words.second].map(|path| path.display().to_string());
            print_text(&diff.render([&names[0], &names[1]]));
        }
    }
    Ok(if diff.is_same() { Exit::Done } else { Exit::Failed })
}

/// `kiln verify IMAGE`
pub fn verify(words: &cli::Verify, here: &Surroundings) -> Result<Exit, Failure> {
    let inputs = Inputs { offline: words.offline, locked: true, jobs: words.jobs };
    let (verified, name) = here.at_desk(&inputs, |desk| {
        let (disk, name) = held(words, desk, here)?;
        Ok((verify::verify(&disk, &name, &words.folder, desk)?, name))
    })?;
    match here.format {
        Format::Json => print_json(&verified)?,
        Format::Text => print_text(&told(&verified, &name.display().to_string())),
    }
    Ok(if verified.is_same { Exit::Done } else { Exit::Failed })
}

/// Opens what is verified: a file, or what a snapshot on AWS holds; and returns what messages call it.
#[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "a file needs neither"))]
fn held(
    words: &cli::Verify,
    desk: &Desk<'_>,
    here: &Surroundings,
) -> Result<(Arc<dyn ReadAt>, PathBuf), Failure> {
    #[cfg(feature = "aws")]
    if let Some(id) = words.image.to_str().filter(|id| is_id(id, "ami-") || is_id(id, "snap-")) {
        let (disk, name) = super::aws::stored(id, words.region.as_deref(), desk.runtime, here)?;
        return Ok((Arc::new(disk), name.into()));
    }
    Ok((open_image(&words.image)?, words.image.clone()))
}

/// Says what came of it.
fn told(verified: &Verified, image: &str) -> String {
    let Verified { is_same, name, kiln, plan, blocks, differences, moved, size, found_size } = verified;
    let mut lines: Vec<String> =
        moved.iter().map(|file| format!("note: {file}; the cache still has that")).collect();
    lines.push(match is_same {
        true => format!("{image}: every byte is what kiln {kiln} bakes as {name}"),
        false => {
            format!("{image} is not what kiln {kiln} bakes as {name}: {blocks} blocks of 512 KiB differ")
        }
    });
    if size != found_size {
        lines.push(format!("  the disk has {found_size} bytes instead of {size}"));
    }
    lines.extend(differences.iter().map(|difference| format!("  {difference}")));
    lines.push(format!("plan   {plan}"));
    lines.iter().map(|line| printable(line.as_bytes()) + "\n").collect()
}
