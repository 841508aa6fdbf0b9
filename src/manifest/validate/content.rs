// SPDX-License-Identifier: Apache-2.0
//! Content: units, further files, modules, sysctls, keys and variables.

use std::collections::BTreeMap;

use super::place::{self, Placed};
use super::source;
use super::text::{Sources, Texts, has_private_key};
use crate::manifest::{ExtraContent, ExtraFile, Unit, raw};
use crate::marks::at::At;
use crate::marks::report::Report;

/// Kinds of units that can be a file (systemd.unit(5); devices and scopes can't).
const UNIT_KINDS: [&str; 9] =
    ["service", "socket", "mount", "automount", "swap", "target", "path", "timer", "slice"];
/// Digits of a primary key's fingerprint, version 4 (RFC 9580, 5.5.4.2: SHA-1), and of a certificate's (SHA-256).
const FINGERPRINT_DIGITS: [usize; 2] = [40, 64];

pub fn units<'a>(raw: Vec<raw::Unit>, at: &At<'a>, texts: &mut Texts<'_>) -> Vec<Placed<'a, Unit>> {
    let both = raw.into_iter().zip(at.items());
    both.filter_map(|(raw, at)| Some((unit(raw, &at, texts)?, at))).collect()
}

fn unit(raw: raw::Unit, at: &At<'_>, texts: &mut Texts<'_>) -> Option<Unit> {
    let raw::Unit { name, enabled, file, text, template } = raw;
    let is_name = is_unit_name(&name, &at.key("name"), texts.report);
    let text = texts.text(Sources { file, text, template }, at)?;
    is_name.then_some(Unit { name, text, is_enabled: enabled.unwrap_or(true) })
}

fn is_unit_name(name: &str, at: &At<'_>, report: &mut Report) -> bool {
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
    let (what, fix) = match name {
        _ if !UNIT_KINDS.contains(&kind) => {
            ("has no suffix of a unit".to_owned(), format!("end it with one of: .{}", UNIT_KINDS.join(", .")))
        }
        _ if stem.is_empty() || name.len() > 255 || !name.bytes().all(is_letter) => {
            ("is no name for a unit".to_owned(), "use letters, digits and ':-_.\\@', 255 at most".to_owned())
        }
        _ => return true,
    };
    report.wrong(at, format!("'{name}' {what}"), fix);
    false
}

pub fn files<'a>(raw: Vec<raw::File>, at: &At<'a>, texts: &mut Texts<'_>) -> Vec<Placed<'a, ExtraFile>> {
    let both = raw.into_iter().zip(at.items());
    both.filter_map(|(raw, at)| Some((file(raw, &at, texts)?, at))).collect()
}

fn file(raw: raw::File, at: &At<'_>, texts: &mut Texts<'_>) -> Option<ExtraFile> {
    let raw::File { path, file, text, template, link, folder, mode, owner } = raw;
    let is_path = place::is_path(&path, &at.key("path"), texts.report);
    let has_mode = mode.is_some();
    let default = if folder.is_some() { 0o755 } else { 0o644 };
    let mode = mode.map_or(Some(default), |mode| self::mode(&mode, &at.key("mode"), texts.report));
    let owner = owner.map_or(Some((0, 0)), |owner| self::owner(&owner, &at.key("owner"), texts.report));
    let content = match (file, link, folder) {
        (Some(file), ..) => ExtraContent::File(source::file(file, &at.key("file"), texts.report)?),
        (_, Some(link), _) => {
            if has_mode {
                let what = "a link has no mode of its own".to_owned();
                texts.report.wrong_key(&at.key("mode"), what, "remove it".to_owned());
            }
            ExtraContent::Link(self::link(link, &at.key("link"), texts.report)?)
        }
        (.., Some(_)) => ExtraContent::Folder,
        _ => ExtraContent::Text(texts.text(Sources { file: None, text, template }, at)?),
    };
    // Linux gives every link these bits; nobody reads them.
    let mode = if matches!(content, ExtraContent::Link(_)) { 0o777 } else { mode? };
    let (uid, gid) = owner?;
    is_path.then_some(ExtraFile { path, content, mode, uid, gid })
}

fn link(target: String, at: &At<'_>, report: &mut Report) -> Option<String> {
    // A link is at most a block less its NUL (symlink(2): PATH_MAX).
    let is_target = (1..=4095).contains(&target.len()) && !target.chars().any(char::is_control);
    if !is_target {
        report.wrong(at, "is no target of a link".to_owned(), "give it a path of 1 to 4095 bytes".to_owned());
    }
    is_target.then_some(target)
}

fn mode(text: &str, at: &At<'_>, report: &mut Report) -> Option<u16> {
    let is_octal = (3..=5).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u16::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o7777);
    let (what, fix) = match mode {
        None => {
            (format!("'{text}' is no mode"), "write three or four octal digits in quotes, as in \"0644\"")
        }
        // The sticky bit keeps others' files safe in a folder such as /tmp.
        Some(mode) if mode & 0o1002 == 0o0002 => {
            (format!("'{text}' lets everybody write"), "take away the last 2")
        }
        Some(mode) => return Some(mode),
    };
    report.wrong(at, what, fix.to_owned());
    None
}

fn owner(text: &str, at: &At<'_>, report: &mut Report) -> Option<(u32, u32)> {
    // The largest number means "no change" to chown(2) and is no owner.
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n != u32::MAX && !text.starts_with('+'));
    let owner = text.split_once(':').and_then(|(uid, gid)| Some((number(uid)?, number(gid)?)));
    if owner.is_none() {
        let fix = "write two numbers in quotes, as in \"0:0\"; names are known on the node only".to_owned();
        report.wrong(at, format!("'{text}' is no owner"), fix);
    }
    owner
}

pub fn modules(names: Vec<String>, at: &At<'_>, report: &mut Report) -> Vec<String> {
    for (index, (name, at)) in names.iter().zip(at.items()).enumerate() {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
            let fix = "use letters, digits, '-' and '_', as in br_netfilter".to_owned();
            report.wrong(&at, format!("'{name}' is no name of a kernel module"), fix);
        } else if names[..index].contains(name) {
            report.wrong(&at, format!("'{name}' is given twice"), "keep one of them".to_owned());
        }
    }
    names
}

pub fn sysctls(
    raw: BTreeMap<String, raw::Plain>,
    at: &At<'_>,
    report: &mut Report,
) -> BTreeMap<String, String> {
    for (key, value) in &raw {
        let at = at.key(key);
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"-_./*".contains(&b);
        let is_key =
            key.contains(['.', '/']) && key.bytes().all(is_letter) && !key.split('.').any(str::is_empty);
        if !is_key {
            let fix = "write it as net.ipv4.ip_forward".to_owned();
            report.wrong_key(&at, format!("'{key}' is no kernel setting"), fix);
        }
        if value.0.is_empty() || value.0.chars().any(char::is_control) {
            report.wrong(&at, "is no value of one line".to_owned(), "give it a number or a word".to_owned());
        }
    }
    raw.into_iter().map(|(key, value)| (key, value.0)).collect()
}

pub fn keys(texts: &[String], at: &At<'_>, report: &mut Report) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for (text, at) in texts.iter().zip(at.items()) {
        // gpg prints fingerprints in groups of four, openssl with colons.
        let key: String =
            text.chars().filter(|c| !" :".contains(*c)).map(|c| c.to_ascii_uppercase()).collect();
        let is_key = FINGERPRINT_DIGITS.contains(&key.len()) && key.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_key {
            let fix = "give it the 40 hex digits that 'gpg --fingerprint' prints; shorter ids can be forged"
                .to_owned();
            report.wrong(&at, format!("'{text}' is no fingerprint"), fix);
        } else if keys.contains(&key) {
            report.wrong(&at, format!("{key} is given twice"), "keep one of them".to_owned());
        } else {
            keys.push(key);
        }
    }
    keys
}

/// Checks the names and values that templates see as `vars`.
pub fn variables(raw: &BTreeMap<String, raw::Variable>, at: &At<'_>, report: &mut Report) -> bool {
    let mut is_right = true;
    for (name, value) in raw {
        let at = at.key(name);
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if !is_name {
            let fix = "use letters, digits and '_', a letter first".to_owned();
            report.wrong_key(&at, format!("'{name}' is no name for templates"), fix);
        }
        let has_key = has_private_key(&value.0.to_string());
        if has_key {
            let fix = "keys are made on the node; an image is copied to everybody".to_owned();
            report.wrong(&at, "holds a private key".to_owned(), fix);
        }
        is_right &= is_name && !has_key;
    }
    is_right
}
