// SPDX-License-Identifier: Apache-2.0
//! The base must be for the machine and the platform that the manifest says.

use super::elf::{machine_name, machine_of};
use super::{Findings, Subject};
use crate::manifest::flavour;
use crate::problem::Problem;

/// Judges the base. A platform that is missing is told and not refused: what reads the settings there may be somebody's own.
pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    findings.errors.extend(another_machine(subject));
    findings.errors.extend(another_platform(subject));
    findings.warnings.extend(no_platform(subject));
}

fn problem(subject: &Subject<'_>, key: &str, what: String, fix: String) -> Problem {
    let file = subject.manifest_path.to_owned();
    Problem { file, place: None, key: key.to_owned(), what, fix: Some(fix) }
}

fn another_machine(subject: &Subject<'_>) -> Option<Problem> {
    let wanted = machine_of(subject.manifest.arch);
    let found = subject.base.machine.filter(|machine| *machine != wanted)?;
    let (found, wanted) = (machine_name(found), machine_name(wanted));
    let what = format!("the base is for {found}, but the image is for {wanted}");
    Some(problem(subject, "arch", what, format!("name a base for {wanted}, or write {found}")))
}

fn another_platform(subject: &Subject<'_>) -> Option<Problem> {
    let flavour = &subject.manifest.base.flavour;
    let found = subject.base.platform.as_ref().filter(|found| !flavour::is_named(flavour, found))?;
    let what = format!("the base's OEM partition says that it is for {found}, not {flavour}");
    Some(problem(
        subject,
        "base.flavour",
        what,
        "write the base's flavour, or name a base of this one".into(),
    ))
}

fn no_platform(subject: &Subject<'_>) -> Option<Problem> {
    let flavour = &subject.manifest.base.flavour;
    let is_missing = subject.base.is_for_platforms && subject.base.platform.is_none();
    if !is_missing || flavour == flavour::GENERIC {
        return None;
    }
    let what = format!(
        "the base's OEM partition names no platform, so Ignition will not look for {flavour}'s user-data"
    );
    Some(problem(subject, "base.flavour", what, "name a base of that flavour".into()))
}
