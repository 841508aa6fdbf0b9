// SPDX-License-Identifier: Apache-2.0
//! What upstreams write into their small files: digests and versions.

use crate::digest::Digest;

/// Returns the sha256 of `name` from a file of digests: `HEX  NAME` lines as sha256sum(1) writes them (other lines, such
/// as those of a clear signature, don't count), or one bare digest.
pub fn find_sha256(text: &str, name: &str) -> Option<Digest> {
    let mut bare = None;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(digest) = words.next().and_then(|word| word.parse::<Digest>().ok()) else { continue };
        match words.next() {
            // '*' says that the file was read in binary mode; './' comes from find(1).
            Some(found) if found.trim_start_matches('*').trim_start_matches("./") == name => {
                return Some(digest);
            }
            Some(_) => {}
            None => bare = Some(digest),
        }
    }
    // Beside other digests, a bare one could be of anything.
    let digests =
        text.lines().filter(|line| line.trim().get(..64).is_some_and(|it| it.parse::<Digest>().is_ok()));
    bare.filter(|_| digests.count() == 1)
}

/// Returns the version in a file that says what is newest: a bare one (Kubernetes), or `FLATCAR_VERSION=` among
/// shell-style lines (Flatcar's version.txt).
pub fn pointer_version(text: &str) -> Option<String> {
    let flatcar = text.lines().find_map(|line| line.strip_prefix("FLATCAR_VERSION="));
    let bare = || Some(text.trim()).filter(|text| text.lines().count() == 1);
    let version = flatcar.or_else(bare)?.trim().trim_matches(['"', '\'']);
    super::check_version(version).ok().map(|()| version.to_owned())
}
