// SPDX-License-Identifier: Apache-2.0
//! Enables the manifest's units: reads their `[Install]` sections and places the links that follow.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Placer;
use crate::bake::origin::Origin;
use crate::bake::units::install::{InstallError, Link, links};
use crate::bake::units::{UnitFile, is_drop_in_name, parse};
use crate::manifest::{Manifest, Unit};
use crate::problem::Problem;
use crate::tree::{Kind, Node};

/// Places the links of all enabled units, each once; what can't be enabled becomes a problem of the unit's file.
pub(super) fn enable(placer: &mut Placer, manifest: &Manifest) {
    let files: BTreeMap<&str, UnitFile> =
        manifest.units.iter().map(|unit| (unit.name.as_str(), parse(&unit.text.text).0)).collect();
    let mut wanted = BTreeSet::new();
    // A drop-in counts with the unit it changes.
    for unit in manifest.units.iter().filter(|unit| unit.is_enabled && !is_drop_in_name(&unit.name)) {
        match links(&unit.name, &files) {
            Ok(links) => wanted.extend(links),
            Err(errors) => errors.iter().for_each(|(name, error)| {
                let problem = problem(placer, manifest, name, error);
                placer.problem_in(problem);
            }),
        }
    }
    for Link { path, target, unit } in wanted {
        placer.put(&path, Node::of(Kind::Symlink(target.into_bytes()), 0o777), Origin::Install { unit });
    }
}

fn problem(placer: &Placer, manifest: &Manifest, name: &str, error: &InstallError) -> Problem {
    let from = |unit: &Unit| unit.text.from.clone();
    let file = manifest.units.iter().find(|unit| unit.name == name).and_then(from);
    let fix = match error {
        InstallError::Nothing => "add WantedBy=multi-user.target to it, or set enabled: false",
        InstallError::Template => "add DefaultInstance= to it, or set enabled: false",
        InstallError::Also(_) => "add the unit to the manifest",
        InstallError::Name { .. } | InstallError::Specifier { .. } => "write the name out",
    };
    Problem {
        file: file.unwrap_or_else(|| placer.manifest_path().to_owned()),
        place: None,
        key: name.to_owned(),
        what: error.to_string(),
        fix: Some(fix.to_owned()),
    }
}
