// SPDX-License-Identifier: Apache-2.0
//! Units: syntax, directives that systemd doesn't know, programs and targets that are not there.
//!
//! A second opinion to `systemd-analyze verify`, which a machine that bakes may not have. The vendor's own units may
//! come from extensions that are not looked into, so what lies in /usr and is missed there is only a warning.

use super::directives::{Known, known};
use super::loaded;
use super::text::{Text, Texts, is_unit_file, name_of, text_of};
use super::{Findings, Subject, resolved};
use crate::bake::units::{Item, UnitFile, install, parse, template_of};
use crate::problem::Problem;
use crate::tree::{Content, Kind, Node, TreePath};

/// Judges all units and links to units.
pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let mut texts = Texts::new();
    for tree in subject.trees {
        for (path, id) in tree.paths() {
            let Some(name) = name_of(path) else { continue };
            let node = tree.node(id);
            match &node.kind {
                Kind::Symlink(target) => {
                    check_link(subject, findings, path, &String::from_utf8_lossy(target))
                }
                Kind::File(content) if is_unit_file(path) => {
                    let file = check_file(subject, findings, path, content);
                    texts.extend(file.map(|file| (name, Text { path, file })));
                }
                Kind::Folder if name.contains('.') => check_owner(subject, findings, path, &name),
                Kind::File(_) | Kind::Folder => {}
            }
        }
    }
    loaded::check(subject, &texts, findings);
}

/// A link must lead to a unit, as systemctl made it lead.
fn check_link(subject: &Subject<'_>, findings: &mut Findings, path: &TreePath, target: &str) {
    let target = resolved(&path.to_string(), target);
    if !subject.exists(&target) {
        let what = format!("is a link to {target}, which neither the image nor its base has");
        let problem = subject.problem(path, what, "add the unit to the manifest, or don't enable it");
        file_under(findings, &target, problem);
    }
}

/// `multi-user.target.wants` means something only where there is a multi-user.target.
fn check_owner(subject: &Subject<'_>, findings: &mut Findings, path: &TreePath, name: &str) {
    let kinds = [".wants", ".requires", ".upholds"];
    let Some(owner) = kinds.iter().find_map(|kind| name.strip_suffix(kind)) else { return };
    if !has_unit(subject, owner) {
        let what = format!("is read for {owner}, which neither the image nor its base has");
        findings.warnings.push(subject.problem(path, what, "correct the name in [Install]"));
    }
}

fn has_unit(subject: &Subject<'_>, name: &str) -> bool {
    let folders = [install::FOLDER, "/usr/lib/systemd/system", "/usr/local/lib/systemd/system"];
    let names = [Some(name.to_owned()), template_of(name).map(|(template, _)| template)];
    let paths =
        folders.iter().flat_map(|folder| names.iter().flatten().map(move |name| format!("{folder}/{name}")));
    paths.into_iter().any(|path| subject.exists(&path))
}

/// Returns what it says, unless that is told to be wrong.
fn check_file(
    subject: &Subject<'_>,
    findings: &mut Findings,
    path: &TreePath,
    content: &Content,
) -> Option<UnitFile> {
    let at = |line: u32, what: String, fix: &str| subject.unit_problem(path, line, what, fix);
    let text = match text_of(subject, content) {
        Ok(text) => text,
        Err((what, fix)) => {
            findings.errors.push(at(0, what.to_owned(), fix));
            return None;
        }
    };
    let (file, errors) = parse(text);
    let fix = "write [Section] and Key=value lines";
    findings.errors.extend(errors.iter().map(|error| at(error.line, error.what.to_owned(), fix)));
    check_directives(&file, findings, &at);
    check_programs(subject, &file, findings, &at);
    // systemd.unit(5): an empty file masks its unit.
    (errors.is_empty() && !text.is_empty()).then_some(file)
}

type At<'a> = dyn Fn(u32, String, &str) -> Problem + 'a;

fn check_directives(file: &UnitFile, findings: &mut Findings, at: &At<'_>) {
    let mut unknown_section = None;
    for Item { section, key, line, .. } in &file.items {
        match known(section, key) {
            Known::Yes => {}
            // Told once, at its header.
            Known::NoSection if unknown_section == Some(section) => {}
            Known::NoSection => {
                unknown_section = Some(section);
                let what = format!("systemd knows no section [{section}] and ignores it");
                findings.warnings.push(at(*line, what, "correct it, or begin its name with X-"));
            }
            Known::NoKey => {
                let what = format!("systemd knows no {key}= in [{section}] and ignores it");
                findings.warnings.push(at(*line, what, "correct it, or begin its name with X-"));
            }
        }
    }
}

fn check_programs(subject: &Subject<'_>, file: &UnitFile, findings: &mut Findings, at: &At<'_>) {
    for item in file.items.iter().filter(|item| item.key.starts_with("Exec") && item.key != "ExecSearchPath")
    {
        let (flags, program) = program_of(&item.value);
        // What a specifier or the search path gives is not known here.
        if !program.starts_with('/') || program.contains('%') {
            continue;
        }
        if let Some(what) = why_not(subject, program) {
            let problem =
                at(item.line, format!("{}={program} {what}", item.key), "install it, or correct the path");
            // A '-' says that failing is fine.
            let path = if flags.contains('-') { "/usr" } else { program };
            file_under(findings, path, problem);
        }
    }
}

/// Splits a command into its special prefixes (systemd.service(5), "Command lines") and the program.
fn program_of(command: &str) -> (&str, &str) {
    let start = command.find(|char| !"@-:+!|".contains(char)).unwrap_or(command.len());
    let (flags, rest) = command.split_at(start);
    let word = rest.split_ascii_whitespace().next().unwrap_or_default();
    (flags, word.trim_matches(['"', '\'']))
}

fn why_not(subject: &Subject<'_>, program: &str) -> Option<&'static str> {
    if !subject.exists(program) {
        return Some("names a program that neither the image nor its base has");
    }
    let path = TreePath::parse(program).ok()?;
    let node = subject.trees.iter().find_map(|tree| tree.get(&path))?;
    let Node { kind: Kind::File(_), mode, .. } = node else { return None };
    (mode & 0o111 == 0).then_some("names a file that is not executable")
}

/// What is missed in /usr may come with an extension of the vendor's.
fn file_under(findings: &mut Findings, path: &str, problem: Problem) {
    let is_vendors = super::in_usr(path).starts_with("/usr");
    if is_vendors { findings.warnings.push(problem) } else { findings.errors.push(problem) }
}
