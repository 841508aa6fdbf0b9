// SPDX-License-Identifier: Apache-2.0
//! Outputs: formats that suit the base's flavour, and a size that is one.

use crate::manifest::{Base, Format, Outputs, flavour, raw, size};
use crate::marks::at::At;
use crate::marks::report::Report;

/// Sectors of a disk image (UEFI 2.10, 5.3: GPT counts logical blocks; all platforms here have 512 bytes).
const SECTOR_BYTES: u64 = 512;
/// The largest volume of gp3 and the largest ext4 of 4 KiB blocks without doubt: 16 TiB.
const SIZE_MAX_BYTES: u64 = 16 << 40;
/// Smaller than any base; catches a forgotten factor.
const SIZE_MIN_BYTES: u64 = 64 << 20;

pub fn outputs(raw: &raw::Outputs, base: Option<&Base>, at: &At<'_>, report: &mut Report) -> Option<Outputs> {
    let formats = formats(raw.formats.as_deref(), base, &at.key("formats"), report);
    let size = match &raw.size {
        Some(text) => Some(size_bytes(text, &at.key("size"), report)?),
        None => None,
    };
    Some(Outputs { formats: formats?, size })
}

fn formats(
    typed: Option<&[Format]>,
    base: Option<&Base>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Vec<Format>> {
    let suiting = flavour::formats(&base?.flavour)?;
    let Some(typed) = typed else { return Some(suiting.to_vec()) };
    for (index, (format, at)) in typed.iter().zip(at.items()).enumerate() {
        if typed[..index].contains(format) {
            report.wrong(&at, format!("{} is given twice", format.name()), "keep one of them".to_owned());
        }
        if !suiting.contains(format) {
            let flavour = &base?.flavour;
            let names: Vec<&str> = suiting.iter().map(|format| format.name()).collect();
            let what = format!("{} does not suit an image of flavour '{flavour}'", format.name());
            report.wrong(&at, what, format!("use {}, or another flavour of base", names.join(" or ")));
        }
    }
    Some(typed.to_vec())
}

fn size_bytes(text: &str, at: &At<'_>, report: &mut Report) -> Option<u64> {
    let Some(bytes) = size::parse(text) else {
        let fix = "write a whole number and B, KiB, MiB, GiB or TiB, as in 10GiB".to_owned();
        report.wrong(at, format!("'{text}' is no size"), fix);
        return None;
    };
    let (what, fix) = match bytes {
        _ if bytes % SECTOR_BYTES != 0 => {
            (format!("{bytes} bytes are no whole number of sectors"), "use a multiple of 512 bytes")
        }
        _ if bytes > SIZE_MAX_BYTES => (format!("'{text}' is too large"), "use 16TiB at most"),
        _ if bytes < SIZE_MIN_BYTES => (format!("'{text}' is too small"), "use 64MiB at least"),
        _ => return Some(bytes),
    };
    report.wrong(at, what, fix.to_owned());
    None
}
