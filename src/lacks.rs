// SPDX-License-Identifier: Apache-2.0
//! What a machine lacks, in words that say what to do about it.

/// Returns the line about a program that is missing; `packages` has the Debian package of each that may be.
pub fn program(name: &str, packages: &[(&str, &str)]) -> String {
    let package = packages.iter().find(|(program, _)| *program == name).map_or("", |(_, package)| package);
    format!("{name} is missing: apt-get install {package}")
}

/// Returns the line about too little of something that is counted in bytes; none: there is enough.
pub fn too_little(what: &str, has: u64, needs: u64) -> Option<String> {
    let mib = |bytes: u64| bytes >> 20;
    (has < needs)
        .then(|| format!("too little {what}: {} MiB are free, {} MiB are needed", mib(has), mib(needs)))
}
