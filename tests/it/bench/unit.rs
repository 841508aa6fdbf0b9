// SPDX-License-Identifier: Apache-2.0
//! A unit's command line, read from `units/` as systemd would for the few words that kiln's units use.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What starts a unit's program.
pub struct Unit {
    pub name: String,
    /// Program and arguments, variables expanded.
    pub words: Vec<String>,
    /// The variables that it is started with.
    pub environment: BTreeMap<String, String>,
}

impl Unit {
    /// Reads a unit and the files that it names, in the tree of `root`.
    pub fn read(name: &str, root: &Path) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("units/{name}.service"));
        let text = fs::read_to_string(&path).unwrap().replace("\\\n", " ");
        let values = |key: &str| -> Vec<String> {
            text.lines()
                .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(str::to_owned)
                .collect()
        };
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        for condition in values("ConditionPathExists") {
            assert!(inside(&condition).exists(), "{name} would not start: {condition} is missing");
        }
        let mut environment = BTreeMap::new();
        for line in values("Environment") {
            environment.extend(assignment(&line));
        }
        for file in values("EnvironmentFile") {
            let text = fs::read_to_string(inside(&file)).unwrap();
            environment.extend(text.lines().filter(|line| !line.starts_with('#')).filter_map(assignment));
        }
        let [start] = values("ExecStart").try_into().expect("one ExecStart=");
        let words = start.split_whitespace().flat_map(|word| expand(word, &environment)).collect();
        Self { name: name.to_owned(), words, environment }
    }
}

fn assignment(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    Some((name.to_owned(), value.trim_matches('"').to_owned()))
}

/// systemd.service(5): `$FOO` as a word of its own becomes as many words as its value has, `${FOO}` stays in its word.
fn expand(word: &str, environment: &BTreeMap<String, String>) -> Vec<String> {
    if let Some(name) = word.strip_prefix('$').filter(|name| !name.starts_with('{')) {
        return environment[name].split_whitespace().map(str::to_owned).collect();
    }
    let mut word = word.to_owned();
    while let Some((before, after)) = word.split_once("${") {
        let (name, rest) = after.split_once('}').unwrap();
        word = format!("{before}{}{rest}", environment[name]);
    }
    vec![word]
}
