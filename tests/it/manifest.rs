// SPDX-License-Identifier: Apache-2.0
//! Manifests: what image/*.yaml mean, and the exact words for everything that can be wrong with one.
//!
//! `KILN_GOLDEN=write` renews what is expected; read the difference before committing it.

use std::path::{Path, PathBuf};
use std::process::Command;

use kiln::manifest::{self, Parsed};
use kiln::problem::Problems;
use proptest::prelude::*;

const NEGATIVE: &str = "tests/negative/manifest";
const IMAGES: [&str; 2] = ["image/kiln.yaml", "image/lab.yaml"];

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(here(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares with the golden file, or writes it.
fn check_golden(path: &str, found: &str) -> Result<(), String> {
    if std::env::var_os("KILN_GOLDEN").is_some_and(|value| value == "write") {
        let whole = here(path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        std::fs::write(whole, found).unwrap();
    }
    let expected = std::fs::read_to_string(here(path)).unwrap_or_default();
    (expected == found)
        .then_some(())
        .ok_or_else(|| format!("{path}\nexpected:\n{expected}\nfound:\n{found}\n"))
}

/// Parses a manifest of this repository; the files it names are read from its folder.
fn parse(path: &str) -> Result<Parsed, Problems> {
    let folder = here(path).parent().unwrap().to_owned();
    let read = |file: &Path| std::fs::read(folder.join(file)).map_err(|error| error.kind().to_string());
    manifest::parse(Path::new(Path::new(path).file_name().unwrap()), &text(path), &read)
}

#[test]
fn everything_wrong_is_told_in_these_words() {
    let mut names: Vec<String> = std::fs::read_dir(here(NEGATIVE))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() >= 40, "there are {} negative cases", names.len());
    let differences: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let found = match parse(&format!("{NEGATIVE}/{name}.yaml")) {
                Ok(_) => "nothing is wrong\n".to_owned(),
                Err(problems) => format!("{problems}\n"),
            };
            assert_ne!(found, "nothing is wrong\n", "{name}");
            check_golden(&format!("{NEGATIVE}/{name}.txt"), &found).err()
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What image/kiln.yaml says of EC2 in comments is right without their signs, and its parts belong to each other.
#[test]
fn what_is_commented_out_is_right_too() {
    let text = text("image/kiln.yaml").replace("\n  #   ", "\n  ");
    let read =
        |file: &Path| std::fs::read(here("image").join(file)).map_err(|error| error.kind().to_string());
    let parsed =
        manifest::parse(Path::new("kiln.yaml"), &text, &read).unwrap_or_else(|error| panic!("{error}"));
    let manifest = parsed.manifest;
    let added = manifest.components.iter().find(|component| component.name == "aws-cloud-controller-manager");
    assert!(added.is_some());
    assert!(manifest.units.iter().any(|unit| unit.name == "cloud-controller-manager.service"));
}

/// Something in the place of a file: a comment, and where an object is wanted one more line.
pub fn stub(file: &Path) -> String {
    let object = "{apiVersion: v1, kind: Namespace, metadata: {name: stub}}\n";
    let is_addon = file.starts_with("addons");
    format!("# {}\n{}", file.display(), if is_addon { object } else { "" })
}

#[test]
fn the_images_mean_this() {
    for path in IMAGES {
        // Units and addons have tests of their own; here only their names matter.
        let read = |file: &Path| Ok(stub(file).into_bytes());
        let parsed = manifest::parse(Path::new(path), &text(path), &read)
            .unwrap_or_else(|problems| panic!("{problems}"));
        assert!(parsed.warnings.is_empty(), "{:?}", parsed.warnings);
        let json = serde_json::to_string_pretty(&parsed.manifest).unwrap() + "\n";
        let stem = Path::new(path).file_stem().unwrap().to_str().unwrap();
        check_golden(&format!("tests/golden/manifest/{stem}.json"), &json)
            .unwrap_or_else(|words| panic!("{words}"));
    }
}

#[test]
fn the_images_name_files_that_are_there() {
    for path in IMAGES {
        parse(path).unwrap_or_else(|problems| panic!("{problems}"));
    }
}

/// The schema by somebody else's validator, on values by somebody else's YAML parser.
#[test]
fn the_schema_accepts_the_images_and_refuses_slips() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    std::fs::write(&schema, serde_json::to_string_pretty(&manifest::schema()).unwrap()).unwrap();
    let check = r"
import json, sys, yaml, jsonschema
schema = json.load(open(sys.argv[1]))
validator = jsonschema.Draft202012Validator(schema)
validator.check_schema(schema)
for path in sys.argv[2:]:
    for error in sorted(validator.iter_errors(yaml.safe_load(open(path))), key=str):
        print(path.split('/')[-1], '/'.join(map(str, error.path)), error.validator)
";
    let slips = ["unknown_key", "missing_key", "two_sources", "wrong_type"]
        .map(|name| here(&format!("{NEGATIVE}/{name}.yaml")));
    let output = Command::new(std::env::var("KILN_TEST_PYTHON").unwrap_or_else(|_| "python3".into()))
        .args(["-c", check])
        .arg(&schema)
        .args(IMAGES.map(here))
        .args(&slips)
        .output()
        .expect("tests/run makes this Python");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Python with jsonschema and yaml, as tests/run makes it: {words}");
    let found = String::from_utf8(output.stdout).unwrap();
    assert!(!found.contains("kiln.yaml") && !found.contains("lab.yaml"), "{found}");
    for slip in &slips {
        let name = slip.file_name().unwrap().to_str().unwrap();
        assert!(found.contains(name), "the schema accepts {name}: {found}");
    }
}

#[test]
fn the_schema_is_this() {
    let json = serde_json::to_string_pretty(&manifest::schema()).unwrap() + "\n";
    check_golden("tests/golden/manifest/schema.json", &json).unwrap_or_else(|words| panic!("{words}"));
}

/// Bytes that would make a parser work long or deep end soon, in an error.
#[test]
fn hostile_texts_end_soon() {
    let started = std::time::Instant::now();
    let mib = 1 << 20;
    let deep_block: String = (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let keys: String = (0..90_000).map(|key| format!("k{key}: 1\n")).collect();
    let twice: String = (0..90_000).map(|key| format!("k{}: 1\n", key / 2)).collect();
    for text in [
        "[".repeat(mib - 1),
        "{".repeat(mib - 1),
        "{a: ".repeat(mib / 5),
        "- ".repeat(mib / 3),
        "? ".repeat(mib / 3),
        "&a ".repeat(mib / 4),
        "!a ".repeat(mib / 4),
        "a: ".repeat(mib / 4),
        "\"".repeat(mib - 1),
        "#".repeat(mib - 1),
        "-\n".repeat(mib / 3),
        format!("\"{}\": 1\n", "k".repeat(mib / 2)),
        format!("a: {}\n", "x".repeat(mib / 2)),
        "%YAML 9.9\n---\n".to_owned(),
        "\u{feff}kiln: 1\n".to_owned(),
        "a: \0\n".to_owned(),
        "x".repeat(mib + 1),
        String::new(),
        "---\n".repeat(mib / 5),
        deep_block,
        keys,
        twice,
    ] {
        let words = match manifest::parse(Path::new("m.yaml"), &text, &|_: &Path| {
            Err("nothing is read".to_owned())
        }) {
            Ok(_) => panic!("{}... is a manifest", text.chars().take(40).collect::<String>()),
            Err(problems) => problems,
        };
        assert!((1..=102).contains(&words.0.len()));
        let long = words.0.iter().find(|problem| problem.to_string().len() > 2000);
        assert!(long.is_none(), "{long:?}");
    }
    let took = started.elapsed();
    assert!(took.as_secs() < 20, "{took:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A manifest with a few wounds is refused or understood, and never ends in a panic.
    #[test]
    fn a_damaged_manifest_is_no_catastrophe(wounds in proptest::collection::vec((any::<prop::sample::Index>(), WOUNDS), 1..6)) {
        let mut text = text("image/kiln.yaml");
        for (at, wound) in wounds {
            let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
            let place = places[at.index(places.len())];
            let end = text[place..].char_indices().nth(wound.len() % 3).map_or(text.len(), |(len, _)| place + len);
            text.replace_range(place..end, &wound);
        }
        let read = |_: &Path| Ok(Vec::new());
        if let Err(problems) = manifest::parse(Path::new("m.yaml"), &text, &read) {
            prop_assert!(!problems.0.is_empty());
        }
    }
}

/// A few characters of any kind, most often those that mean something in YAML.
const WOUNDS: &str = "([:\\-#&*!|>'\"%@`{}\\[\\], \n\t]|.){0,4}";
