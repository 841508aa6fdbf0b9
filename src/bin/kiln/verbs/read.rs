// SPDX-License-Identifier: Apache-2.0
//! `kiln inspect`, `ls`, `cat` and `extract`: what is on an image, without root.

use std::path::Path;

use kiln::exit::Exit;
use kiln::gpt;
use kiln::host::disk::open_image;
use kiln::host::extract::extract as take_out;
use kiln::read::{self, Image, Place};

use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::out::{self, Out, say};
use crate::show::{print_json, print_text};

/// `kiln inspect IMAGE`
pub fn inspect(words: &cli::Inspect, format: Format) -> Result<Exit, Failure> {
    let inspection = read::inspect(&open(&words.image)?);
    match format {
        Format::Json => print_json(&inspection)?,
        Format::Text => print_text(&inspection.render()),
    }
    Ok(Exit::Done)
}

/// `kiln ls IMAGE [PATH]`
pub fn ls(words: &cli::Ls, format: Format) -> Result<Exit, Failure> {
    let (image, place) = (open(&words.image)?, Place::parse(&words.path)?);
    let rows = if words.recursive { read::list_all(&image, &place)? } else { read::list(&image, &place)? };
    match format {
        Format::Json => print_json(&rows)?,
        Format::Text => print_text(&read::render_rows(&rows)),
    }
    Ok(Exit::Done)
}

/// `kiln cat IMAGE PATH`
pub fn cat(words: &cli::Cat) -> Result<Exit, Failure> {
    match open(&words.image)?.cat(&Place::parse(&words.path)?, &mut Out) {
        // It is not the image that failed; the program says so at its end.
        Err(_) if out::is_closed() => Ok(Exit::Done),
        ended => Ok(ended.map(|_| Exit::Done)?),
    }
}

/// `kiln extract IMAGE PATH DEST`
pub fn extract(words: &cli::Extract, format: Format) -> Result<Exit, Failure> {
    let extracted =
        take_out(&open(&words.image)?, &Place::parse(&words.path)?, &words.destination, words.force)?;
    match format {
        Format::Json => print_json(&extracted)?,
        Format::Text => {
            say!("{} files, {} bytes, into {}", extracted.files, extracted.bytes, words.destination.display())
        }
    }
    Ok(Exit::Done)
}

/// Opens an image with its partitions.
pub fn open(path: &Path) -> Result<Image, Failure> {
    let disk = open_image(path)?;
    let table = gpt::parse(&*disk, path)?;
    Ok(Image::new(disk, table.partitions.iter().map(Into::into).collect()))
}
