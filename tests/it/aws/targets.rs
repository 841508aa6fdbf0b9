// SPDX-License-Identifier: Apache-2.0
//! Targets: what image/aws.yaml means, and the exact words for everything that can be wrong with one.
//!
//! `KILN_GOLDEN=write` renews what is expected; read the difference before committing it.

use std::path::{Path, PathBuf};

use kiln::publish::facts::Facts;
use kiln::publish::target::parse;

use super::stage::{NOW_S, facts, list, small};

const NEGATIVE: &str = "tests/negative/aws";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn some_facts() -> Facts {
    facts(list(&*small()))
}

/// Compares with the golden file, or writes it.
pub fn check_golden(path: &str, found: &str) -> Result<(), String> {
    if std::env::var_os("KILN_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(here(path), found).unwrap();
    }
    let expected = std::fs::read_to_string(here(path)).unwrap_or_default();
    (expected == found)
        .then_some(())
        .ok_or_else(|| format!("{path}\nexpected:\n{expected}\nfound:\n{found}\n"))
}

#[test]
fn everything_wrong_is_told_in_these_words() {
    let mut names: Vec<String> = std::fs::read_dir(here(NEGATIVE))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.sort();
    let (mut lines, mut differences) = (0, Vec::new());
    for name in &names {
        let text = std::fs::read_to_string(here(&format!("{NEGATIVE}/{name}.yaml"))).unwrap();
        let mut facts = some_facts();
        if text.contains("for arm64") {
            facts.arch = kiln::manifest::Arch::Arm64;
        }
        let problems = parse(Path::new(&format!("{name}.yaml")), &text, &facts, NOW_S).expect_err(name);
        lines += problems.0.len();
        differences.extend(check_golden(&format!("{NEGATIVE}/{name}.txt"), &format!("{problems}\n")).err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(lines >= 40, "{lines} negative cases");
}

#[test]
fn the_example_means_this() {
    let text = std::fs::read_to_string(here("image/aws.yaml")).unwrap();
    let target = parse(Path::new("image/aws.yaml"), &text, &some_facts(), NOW_S)
        .unwrap_or_else(|words| panic!("{words}"));
    let json = serde_json::to_string_pretty(&target).unwrap() + "\n";
    check_golden("tests/golden/aws/target.json", &json).unwrap_or_else(|words| panic!("{words}"));
}

#[test]
fn what_is_commented_out_in_the_example_is_right_as_well() {
    let text = std::fs::read_to_string(here("image/aws.yaml")).unwrap();
    let is_key = |line: &str| {
        line.strip_prefix("# ").is_some_and(|rest| {
            let rest = rest.trim_start();
            ["share:", "accounts:", "organizations:", "encryption:", "keys:", "eu-central-1:"]
                .iter()
                .any(|key| rest.starts_with(key))
        })
    };
    let uncommented: String = text
        .lines()
        .map(|line| if is_key(line) { line[2..].to_owned() + "\n" } else { line.to_owned() + "\n" })
        .collect();
    let one_region = uncommented.replace("eu-central-1, eu-west-1, us-east-1", "eu-central-1");
    let target = parse(Path::new("aws.yaml"), &one_region, &some_facts(), NOW_S)
        .unwrap_or_else(|words| panic!("{words}"));
    assert!(target.is_encrypted && target.share.len() == 2 && target.kms_keys.len() == 1);
}
