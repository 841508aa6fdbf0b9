// SPDX-License-Identifier: Apache-2.0
//! The lock as a text: YAML, always the same for the same lock, so that a person can review what has moved.

use std::path::Path;

use super::{Lock, VERSION};
use crate::marks;
use crate::problem::Problem;

/// Larger than any lock: an input takes about 1 KiB, one that is built from 500 modules 50 KiB, the lab's whole lock 19 KiB.
pub const LOCK_MAX_BYTES: u64 = marks::TEXT_MAX as u64;

const HEAD: &str = "\
# Written by kiln; do not edit. Review it and commit it beside its manifest.
# `kiln lock` brings it up to date with the manifest, `kiln lock --upgrade` moves pins.
";

/// Parses the text of a lock; `file` is for messages.
///
/// # Errors
/// If it is not what [`render`] could have written: with the line, where there is one.
pub fn parse(text: &str, file: &Path) -> Result<Lock, Box<Problem>> {
    let problem = |place, key: &str, what: String, fix: &str| {
        Box::new(Problem {
            file: file.to_owned(),
            place,
            key: key.to_owned(),
            what,
            fix: Some(fix.to_owned()),
        })
    };
    // The version first: a newer format must not be reported as a heap of unknown keys.
    let version = text.lines().find_map(|line| line.strip_prefix("version:")).map(str::trim);
    if let Some(version) = version.and_then(|version| version.parse::<u32>().ok()).filter(|it| *it > VERSION)
    {
        let what = format!("the lock has format {version}, this kiln knows {VERSION}");
        return Err(problem(None, "version", what, "use a newer kiln"));
    }
    let fix = "restore it, or delete it and run `kiln lock`";
    // What stands there twice is read as the last one says, and by people as the first one does: merges make such files.
    let (_, faults) = marks::parse(text, 0);
    if let Some(marks::Fault { place, key, what, .. }) = faults.into_iter().next() {
        return Err(problem(Some((place.line, place.column)), &key, what, fix));
    }
    let lock: Lock = serde_yaml::from_str(text).map_err(|error| {
        let place = error.location().map(|it| (it.line() as u32, it.column() as u32));
        problem(place, "", error.to_string(), fix)
    })?;
    if lock.version != VERSION {
        return Err(problem(None, "version", format!("'{}' is no format of a lock", lock.version), fix));
    }
    for (name, locked) in &lock.inputs {
        let what = match locked.files.keys().find(|file| !is_plain(file)) {
            Some(file) => format!("{file:?} is no name of a file"),
            None if locked.files.is_empty() => "no file is pinned".to_owned(),
            None => continue,
        };
        return Err(problem(None, &format!("inputs.{name}.files"), what, fix));
    }
    Ok(lock)
}

/// Tells whether a name is one of a file and leads nowhere else.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.chars().any(|letter| letter == '/' || letter.is_control())
}

/// Renders a lock; the same lock gives the same text.
pub fn render(lock: &Lock) -> String {
    let yaml = serde_yaml::to_string(lock).expect("a lock holds strings and numbers only");
    format!("{HEAD}{yaml}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::lock::{Locked, LockedFile, Trust};

    fn lock() -> Lock {
        let file = LockedFile { size: 3, sha256: Digest::of(b"abc") };
        let locked = |trust| Locked {
            want: "release kubernetes v1.34.2 kubelet amd64".to_owned(),
            version: Some("v1.34.2".to_owned()),
            url: Some("https://dl.k8s.io/release/v1.34.2/bin/linux/amd64/kubelet".to_owned()),
            files: [("kubelet".to_owned(), file)].into(),
            trust,
        };
        let from = [("go".to_owned(), "go1.26.3".to_owned())].into();
        let url = "https://dl.k8s.io/release/v1.34.2/bin/linux/amd64/kubelet.sha256".to_owned();
        let signed = Trust::Signed {
            key: "F8".to_owned(),
            signer: "52".to_owned(),
            signed_at_s: 7,
            by_manifest: false,
        };
        let trusts = [
            ("a", signed),
            ("b", Trust::Built { from }),
            ("c", Trust::SameOrigin { url }),
            ("d", Trust::Given),
            ("e", Trust::FirstUse),
        ];
        let inputs = trusts.map(|(name, trust)| (name.to_owned(), locked(trust)));
        Lock { version: VERSION, inputs: inputs.into() }
    }

    #[test]
    fn a_lock_survives_its_text() {
        let text = render(&lock());
        assert_eq!(parse(&text, Path::new("lab.lock")).unwrap(), lock());
        assert!(text.starts_with("# Written by kiln; do not edit."));
        assert!(text.contains("\n    trust:\n      level: same-origin\n"), "{text}");
    }

    #[test]
    fn other_texts_are_refused_with_their_line() {
        let text = render(&lock());
        let words = |text: &str| parse(text, Path::new("lab.lock")).unwrap_err().to_string();
        assert_eq!(
            words(&text.replace("version: 1", "version: 9")),
            "lab.lock: version: the lock has format 9, this kiln knows 1; use a newer kiln"
        );
        assert!(
            words(&text.replace("want:", "wnat:")).starts_with("lab.lock:6:"),
            "{}",
            words(&text.replace("want:", "wnat:"))
        );
        assert!(words(&text.replace(&text[text.len() - 9..], "other\n")).contains("lab.lock:"));
        assert!(words("").contains("; restore it, or delete it and run `kiln lock`"));
        assert!(words(&text.replace("size: 3", "size: -3")).contains("size"));
        assert_eq!(
            words(&text.replace("    files:\n      kubelet:", "    files:\n      ../../etc/passwd:")),
            "lab.lock: inputs.a.files: \"../../etc/passwd\" is no name of a file; restore it, or delete it and run `kiln lock`"
        );
        assert!(words("version: 0\ninputs: {}\n").contains("'0' is no format of a lock"));
    }

    #[test]
    fn what_stands_there_twice_is_refused_with_both_lines() {
        let text = render(&lock());
        let words = |text: &str| parse(text, Path::new("lab.lock")).unwrap_err().to_string();
        let fix = "; restore it, or delete it and run `kiln lock`";
        let (before, input) = (text.find("  a:\n").unwrap(), text.find("  b:\n").unwrap());
        let twice = format!("{text}{}", &text[before..input]);
        let (first, second) = (5, text.lines().count() + 1);
        assert_eq!(first, text[..before].lines().count() + 1);
        assert_eq!(
            words(&twice),
            format!("lab.lock:{second}:3: inputs.a: the key is given twice, first in line {first}{fix}")
        );
        let size = text.replacen("        size: 3\n", "        size: 3\n        size: 4\n", 1);
        let said = words(&size);
        assert!(
            said.starts_with("lab.lock:12:9: inputs.a.files.kubelet.size: the key is given twice"),
            "{said}"
        );
        assert!(
            words(&text.replacen("version: 1", "version: 1\nversion: 1", 1))
                .contains("version: the key is given twice")
        );
    }
}
