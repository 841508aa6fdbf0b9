// SPDX-License-Identifier: Apache-2.0
//! The base: one source, of a channel, version and board that go together.

use std::path::PathBuf;

use super::source;
use crate::manifest::{Arch, Base, Release, Source, flavour, raw};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::nearest::nearest;
use crate::release::{self, ReleaseError};
use crate::version::Version;

/// The second number of a Flatcar version names its channel (flatcar.org, "Flatcar Container Linux Releases").
const CHANNELS: [(&str, u32); 4] = [("alpha", 0), ("beta", 1), ("stable", 2), ("lts", 3)];

pub fn base(raw: raw::Base, arch: Arch, at: &At<'_>, report: &mut Report) -> Option<Base> {
    let raw::Base { flatcar, file, url, recipe, sha256, signature, flavour, require } = raw;
    let flavour = flavour_of(flavour, &at.key("flavour"), report);
    let (sha256, signature) = source::proofs((sha256, signature), url.is_some(), file.is_some(), at, report);
    let source = match (flatcar, file, url, recipe) {
        (Some(flatcar), ..) => self::release(flatcar, arch, &at.key("flatcar"), report).map(Source::Release),
        (_, Some(path), ..) => {
            source::file(path, &at.key("file"), report).map(|path| Source::File { path, sha256 })
        }
        (_, _, Some(url), _) => source::address(Some(url), &at.key("url"), report).map(|url| Source::Url {
            url,
            sha256,
            signature,
        }),
        (.., folder) => {
            let folder: Option<PathBuf> = source::folder(folder?, &at.key("recipe"), report);
            folder.map(|folder| Source::Recipe { folder })
        }
    }?;
    source::can_be_trusted(&source, require, &at.key("require"), report);
    if let (Source::Release(release), Some(flavour)) = (&source, &flavour) {
        is_released(release, flavour, arch, &at.key("flavour"), report);
    }
    Some(Base { source, flavour: flavour?, require })
}

fn flavour_of(flavour: Option<String>, at: &At<'_>, report: &mut Report) -> Option<String> {
    let flavour = flavour.unwrap_or_else(|| flavour::GENERIC.to_owned());
    if flavour::formats(&flavour).is_some() {
        return Some(flavour);
    }
    let fix = match nearest(&flavour, flavour::names()) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None => format!("use one of: {}", flavour::names().collect::<Vec<_>>().join(", ")),
    };
    report.wrong(at, format!("'{flavour}' is no flavour that kiln knows"), fix);
    None
}

/// Asks the table of releases whether there is an image of this flavour.
fn is_released(release: &Release, flavour: &str, arch: Arch, at: &At<'_>, report: &mut Report) {
    // Flavours do not depend on the version, which "current" is none of.
    if let Err(ReleaseError::Flavour { known, .. }) = release::base(release, "0.0.0", flavour, arch) {
        let what = format!("Flatcar releases no disk image of flavour '{flavour}' that kiln reads");
        report.wrong(at, what, format!("use one of: {known}"));
    }
}

fn release(raw: raw::Flatcar, arch: Arch, at: &At<'_>, report: &mut Report) -> Option<Release> {
    let raw::Flatcar { channel, version, board, mirror } = raw;
    let channel_number = channel_number(&channel, &at.key("channel"), report);
    let is_version = is_version(&version, channel_number, &channel, &at.key("version"), report);
    let is_board = is_board(board, arch, &at.key("board"), report);
    let mirror = source::address(mirror, &at.key("mirror"), report);
    let is_right = channel_number.is_some() && is_version && is_board;
    is_right.then(|| Release { project: "flatcar".to_owned(), version, channel: Some(channel), mirror })
}

fn channel_number(channel: &str, at: &At<'_>, report: &mut Report) -> Option<u32> {
    let known = CHANNELS.iter().find(|(name, _)| *name == channel);
    if known.is_none() {
        let names = CHANNELS.map(|(name, _)| name);
        let fix = match nearest(channel, names) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("use one of: {}", names.join(", ")),
        };
        report.wrong(at, format!("'{channel}' is no channel of Flatcar"), fix);
    }
    known.map(|(_, number)| *number)
}

fn is_version(version: &str, number: Option<u32>, channel: &str, at: &At<'_>, report: &mut Report) -> bool {
    if version == "current" {
        return true;
    }
    let Some(found) = Version::parse_bare(version) else {
        let fix = "use three numbers as in 4593.2.5, or 'current'".to_owned();
        report.wrong(at, format!("'{version}' is no version of Flatcar"), fix);
        return false;
    };
    let is_of_channel = number.is_none_or(|number| found.minor == number);
    if !is_of_channel {
        let (what, own) = (found.minor, CHANNELS.iter().find(|(_, number)| *number == found.minor));
        let own = own.map_or("no channel".to_owned(), |(name, _)| format!("channel '{name}'"));
        let what =
            format!("{version} is not of channel '{channel}': the second number, {what}, is that of {own}");
        report.wrong(at, what, "change the channel or the version".to_owned());
    }
    is_of_channel
}

fn is_board(board: Option<String>, arch: Arch, at: &At<'_>, report: &mut Report) -> bool {
    let wanted = format!("{}-usr", arch.name());
    let is_board = board.as_ref().is_none_or(|board| *board == wanted);
    if !is_board {
        let what = format!("'{}' is not the board of {}", board.unwrap_or_default(), arch.name());
        report.wrong(at, what, format!("use {wanted}, or leave it out"));
    }
    is_board
}
