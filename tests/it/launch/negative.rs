// SPDX-License-Identifier: Apache-2.0
//! The exact words for everything that can be wrong with a description of a cluster.
//!
//! `KILN_GOLDEN=write` renews what is expected; read the difference before committing it.

use std::path::{Path, PathBuf};

use kiln::launch;

const NEGATIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/negative/cluster");

#[test]
fn everything_wrong_is_told_in_these_words() {
    let entries = std::fs::read_dir(NEGATIVE).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "yaml")).collect();
    paths.sort();
    let mut differences = Vec::new();
    for path in &paths {
        let name = Path::new(path.file_name().unwrap());
        let found = match launch::parse(name, &std::fs::read_to_string(path).unwrap()) {
            Ok(_) => "nothing is wrong\n".to_owned(),
            Err(problems) => format!("{problems}\n"),
        };
        assert_ne!(found, "nothing is wrong\n", "{}", path.display());
        assert!(!found.contains("0123456789abcdef"), "{found}");
        let expected = path.with_extension("txt");
        if std::env::var_os("KILN_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&expected, &found).unwrap();
        }
        let words = std::fs::read_to_string(&expected).unwrap_or_default();
        if words != found {
            differences.push(format!("{}\nexpected:\n{words}found:\n{found}", path.display()));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(paths.len() >= 30, "{} cases", paths.len());
}

#[test]
fn the_example_is_right() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/image/cluster.yaml");
    let cluster = launch::parse(Path::new(path), &std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(cluster.subnets().len(), 2);
    assert!(cluster.workers.spot && !cluster.control_plane.spot);
}
