// SPDX-License-Identifier: Apache-2.0
//! Each file of tests/negative/content is an image that is refused or warned about, with the exact words.
//!
//! Secrets are not committed: `@KEY@`, `@AWS@`, `@GITHUB@` and `@JWT@` in a text are filled in here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use kiln::bake::check::facts::BaseFacts;
use kiln::bake::content::Member;
use kiln::manifest::{Arch, ExtraContent, Install, Text, Unit};
use kiln::problem::Problem;
use serde::Deserialize;

use super::image::{Image, elf, inline, text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    arch: String,
    #[serde(default)]
    components: Vec<CaseComponent>,
    #[serde(default)]
    units: Vec<CaseUnit>,
    #[serde(default)]
    files: Vec<CaseFile>,
    #[serde(default)]
    base: Vec<String>,
    /// What the base says about itself.
    machine: Option<u16>,
    platform: Option<String>,
    #[serde(default)]
    flavour: String,
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseComponent {
    name: String,
    members: BTreeMap<String, CaseProgram>,
    install: BTreeMap<String, String>,
    #[serde(default = "program_mode")]
    mode: u16,
}

/// An ELF file, or a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseProgram {
    #[serde(default = "amd64")]
    machine: u16,
    interpreter: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseUnit {
    name: String,
    text: String,
    from: Option<PathBuf>,
    #[serde(default)]
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    path: String,
    text: Option<String>,
    link: Option<String>,
    #[serde(default = "file_mode")]
    mode: u16,
}

fn amd64() -> u16 {
    62
}

fn file_mode() -> u16 {
    0o644
}

fn program_mode() -> u16 {
    0o755
}

/// A key that is no key of anyone's: a DER SEQUENCE of counted bytes.
fn filled(text: &str) -> String {
    let mut der = vec![0x30, 0x81, 150];
    der.extend(0..150_u8);
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let key = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    text.replace("@KEY@", &key)
        .replace("@AWS@", &format!("AK{}", "IAABCDEFGH23456789"))
        .replace("@GITHUB@", &format!("gh{}{}", "p_", "a1B2".repeat(9)))
        .replace(
            "@JWT@",
            &format!("ey{}.ey{}.{}", "JhbGciOiJSUzI1NiJ9", "Jpc3MiOiJhYmNkZWYifQ", "s".repeat(43)),
        )
}

fn image_of(case: &Case) -> Image {
    let mut image = Image::empty();
    image.manifest.arch = if case.arch == "arm64" { Arch::Arm64 } else { Arch::Amd64 };
    image.base.extend(case.base.iter().cloned());
    image.nature =
        BaseFacts { machine: case.machine, platform: case.platform.clone(), is_for_platforms: true };
    if !case.flavour.is_empty() {
        image.manifest.base.flavour.clone_from(&case.flavour);
    }
    for component in &case.components {
        image.component(&component.name, &[]);
        let member = |(path, program): (&String, &CaseProgram)| Member {
            path: path.clone(),
            mode: 0o755,
            content: inline(match &program.text {
                Some(text) => filled(text).into_bytes(),
                None => elf(program.machine, program.interpreter.as_deref(), path),
            }),
        };
        image.components.last_mut().unwrap().files = component.members.iter().map(member).collect();
        let install = |(member, path): (&String, &String)| Install {
            member: member.clone(),
            path: path.clone(),
            mode: component.mode,
        };
        image.manifest.components.last_mut().unwrap().install =
            component.install.iter().map(install).collect();
    }
    for unit in &case.units {
        let (name, text) = (unit.name.clone(), Text { text: unit.text.clone(), from: unit.from.clone() });
        image.manifest.units.push(Unit { name, text, is_enabled: unit.enabled });
    }
    for file in &case.files {
        let content = match (&file.text, &file.link) {
            (Some(content), _) => ExtraContent::Text(text(&filled(content))),
            (None, Some(target)) => ExtraContent::Link(target.clone()),
            (None, None) => ExtraContent::Folder,
        };
        image.file(&file.path, content, file.mode);
    }
    image
}

fn words(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

/// What is judged is what the image's systemd will say; the host's says the same.
#[test]
fn systemd_refuses_what_it_is_said_not_to_load() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/negative/content/unit_not_loaded.yaml");
    let case: Case = serde_yaml::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let folder = tempfile::Builder::new().prefix("content-units-").tempdir().unwrap();
    for unit in &case.units {
        let path = folder.path().join(&unit.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &unit.text).unwrap();
    }
    for name in case.units.iter().map(|unit| &unit.name).filter(|name| !name.contains('/')) {
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]).arg(folder.path().join(name));
        verify.env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()));
        let output = verify.output().expect("systemd-analyze");
        let text = String::from_utf8_lossy(&output.stderr);
        let is_refused = text.contains(&format!("Unit {name} has a bad unit file setting"));
        let is_told = case.errors.iter().any(|error| error.contains(&format!("does not load {name}:")));
        assert_eq!((name, is_told), (name, is_refused), "{text}");
    }
}

#[test]
fn every_case_is_told_in_the_words_that_stand_in_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/negative/content");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 18, "{paths:?}");
    let mut wrong = Vec::new();
    for path in paths {
        let case: Case = serde_yaml::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(!case.errors.is_empty() || !case.warnings.is_empty(), "{}", path.display());
        let (errors, warnings) = match image_of(&case).outcome() {
            Ok(outcome) => (words(&outcome.findings.errors), words(&outcome.findings.warnings)),
            Err(problems) => (words(&problems.0), Vec::new()),
        };
        if (&errors, &warnings) != (&case.errors, &case.warnings) {
            wrong.push(format!("{}\nerrors: {errors:#?}\nwarnings: {warnings:#?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
