// SPDX-License-Identifier: Apache-2.0
//! Everything that settings can be wrong in, with the exact words.
//!
//! Each file of tests/negative/settings is one case: a layer that comes after the image's own and that of the API servers.
//! `KILN_GOLDEN=write` renews what is expected; read the difference before committing it.

use std::path::{Path, PathBuf};

use kiln::settings::{Form, Layer, merge};

use super::{layer, layers};

const NEGATIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/negative/settings");

/// The file's suffix says which form it has.
fn case(path: &Path) -> Option<Layer> {
    let text = || std::fs::read_to_string(path).unwrap();
    match path.extension()?.to_str()? {
        "yaml" => Some(layer("/etc/kiln/settings.d/60-node.yaml", Form::Yaml, &text())),
        "env" => Some(layer("/etc/kiln/settings.env", Form::Environment, &text())),
        "cmdline" => Some(layer("kernel command line", Form::CommandLine, &text())),
        _ => None,
    }
}

fn cases() -> Vec<(PathBuf, Layer)> {
    let entries = std::fs::read_dir(NEGATIVE).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| Some((path.clone(), case(&path)?))).collect()
}

#[test]
fn everything_wrong_is_told_in_these_words() {
    let cases = cases();
    let mut differences = Vec::new();
    let mut told = 0;
    for (path, layer) in cases {
        let found = match merge(&layers(&[layer])) {
            Ok(_) => "nothing is wrong\n".to_owned(),
            Err(problems) => format!("{problems}\n"),
        };
        assert_ne!(found, "nothing is wrong\n", "{}", path.display());
        assert!(!found.contains("0123456789abcdef") && !found.contains("hunter2"), "{found}");
        told += found.lines().count();
        let expected = PathBuf::from(format!("{}.txt", path.display()));
        if std::env::var_os("KILN_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&expected, &found).unwrap();
        }
        let words = std::fs::read_to_string(&expected).unwrap_or_default();
        if words != found {
            differences.push(format!("{}\nexpected:\n{words}found:\n{found}", path.display()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(told >= 60, "{told} problems are told");
}
