// SPDX-License-Identifier: Apache-2.0
//! What upstreams write into their small files: digests and versions.

use crate::digest::Digest;

/// Returns the sha256 of `name` from a file of digests: lines as sha256sum(1) writes them, `HEX  NAME`, or as the BSDs do,
/// `SHA256 (NAME) = HEX`, or one bare digest. Other lines, such as those of a clear signature, don't count. Two digests of
/// one name are none.
pub fn find_sha256(text: &str, name: &str) -> Option<Digest> {
    let lines: Vec<(Digest, &str)> = text.trim_start_matches('\u{feff}').lines().filter_map(line).collect();
    let mut named = lines.iter().filter(|(_, found)| *found == name).map(|(digest, _)| *digest);
    match (named.next(), &lines[..]) {
        (Some(first), _) => named.all(|other| other == first).then_some(first),
        // Beside other digests, a bare one could be of anything.
        (None, [(bare, "")]) => Some(*bare),
        (None, _) => None,
    }
}

/// Returns the digest and the name in a line; an empty name stands for a bare digest.
fn line(text: &str) -> Option<(Digest, &str)> {
    let text = text.trim();
    if let Some((name, digest)) = text.strip_prefix("SHA256 (").and_then(|rest| rest.rsplit_once(") = ")) {
        return Some((digest.parse().ok()?, plain(name)));
    }
    let (digest, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let rest = rest.trim_start();
    // '*' says that the file was read in binary mode.
    Some((digest.parse().ok()?, plain(rest.strip_prefix('*').unwrap_or(rest))))
}

/// Leaves out what find(1) puts before names.
fn plain(name: &str) -> &str {
    name.trim_start_matches("./")
}

/// Returns the version in a file that says what is newest: a bare one (Kubernetes), or `FLATCAR_VERSION=` among
/// shell-style lines (Flatcar's version.txt).
pub fn pointer_version(text: &str) -> Option<String> {
    let flatcar = text.lines().find_map(|line| line.strip_prefix("FLATCAR_VERSION="));
    let bare = || Some(text.trim()).filter(|text| text.lines().count() == 1);
    let version = flatcar.or_else(bare)?.trim().trim_matches(['"', '\'']);
    super::check_version(version).ok().map(|()| version.to_owned())
}
