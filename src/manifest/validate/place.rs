// SPDX-License-Identifier: Apache-2.0
//! Places in the image: paths that are paths, and no two things at one.

use std::collections::BTreeMap;

use crate::addon;
use crate::manifest::{Addon, Component, ExtraContent, ExtraFile, Install, Unit};
use crate::marks::at::At;
use crate::marks::report::Report;

/// Limits of Linux (limits.h): a name, and a path with its closing NUL.
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4095;

/// Reads the name of the outputs.
pub fn output_name(name: String, at: &At<'_>, report: &mut Report) -> Option<String> {
    let is_letter = |b: u8| b.is_ascii_alphanumeric();
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(|b| is_letter(b) || b"-_.".contains(&b))
        && name.bytes().next().is_some_and(is_letter);
    if !is_name {
        let fix = "use 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first".to_owned();
        report.wrong(at, format!("'{name}' is no name for outputs"), fix);
    }
    is_name.then_some(name)
}

/// Checks that `path` is an absolute path in its shortest form.
pub fn is_path(path: &str, at: &At<'_>, report: &mut Report) -> bool {
    let names = || path.split('/').skip(1);
    let (what, fix) = match path {
        _ if !path.starts_with('/') => ("is not an absolute path", "start it with '/'"),
        _ if path.chars().any(char::is_control) => ("holds a control character", "remove it"),
        _ if path.len() > PATH_MAX || names().any(|name| name.len() > NAME_MAX) => {
            ("is too long", "use names of 255 and paths of 4095 bytes at most")
        }
        _ if names().any(|name| name.is_empty() || name == "." || name == "..") => (
            "has a part that is empty, '.' or '..'",
            "write the path in its shortest form, without '/' at its end",
        ),
        _ => return true,
    };
    report.wrong(at, format!("'{}' {what}", path.chars().take(80).collect::<String>()), fix.to_owned());
    false
}

/// Something that is put into the image, and where it stands in the manifest.
pub type Placed<'a, T> = (T, At<'a>);

/// Tells of things that would lie at the same path, or below a file.
pub fn conflicts(
    components: &[Placed<'_, Component>],
    addons: &[Placed<'_, Addon>],
    units: &[Placed<'_, Unit>],
    files: &[Placed<'_, ExtraFile>],
    report: &mut Report,
) {
    let mut taken = Taken::default();
    for (component, at) in components {
        for path in component.install.iter().filter_map(installed_path) {
            taken.take(path, false, at, report);
        }
    }
    for (addon, at) in addons {
        taken.take(addon::path(&addon.name), false, &at.key("name"), report);
    }
    for (unit, at) in units {
        taken.take(format!("/etc/systemd/system/{}", unit.name), false, &at.key("name"), report);
    }
    for (file, at) in files {
        taken.take(file.path.clone(), file.content == ExtraContent::Folder, &at.key("path"), report);
    }
}

/// Returns the path of the one file that is meant, if it is known before the archive is.
fn installed_path(install: &Install) -> Option<String> {
    let Install { member, path, .. } = install;
    let name = member.rsplit('/').next().unwrap_or(member);
    (member != "*").then(|| if path.ends_with('/') { format!("{path}{name}") } else { path.clone() })
}

/// Paths, who took each, and whether it is a folder.
#[derive(Default)]
struct Taken(BTreeMap<String, (String, bool)>);

impl Taken {
    fn take(&mut self, path: String, is_folder: bool, at: &At<'_>, report: &mut Report) {
        if let Some((what, fix)) = self.conflict(&path, is_folder) {
            report.wrong(at, what, fix.to_owned());
        } else {
            self.0.insert(path, (at.path.clone(), is_folder));
        }
    }

    fn conflict(&self, path: &str, is_folder: bool) -> Option<(String, &'static str)> {
        let mut above = path.match_indices('/').skip(1).map(|(end, _)| &path[..end]);
        let blocking = above
            .find_map(|above| self.0.get(above).filter(|(_, is_folder)| !is_folder).map(|by| (above, by)));
        if let Some((above, (by, _))) = blocking {
            return Some((format!("{path} lies below {above}, which is a file ({by})"), "move one of them"));
        }
        if let Some((by, _)) = self.0.get(path) {
            return Some((format!("{path} is there already ({by})"), "keep one of them"));
        }
        let prefix = format!("{path}/");
        let (below, (by, _)) =
            self.0.range(prefix.clone()..).next().filter(|(below, _)| below.starts_with(&prefix))?;
        (!is_folder)
            .then(|| (format!("{path} is no folder, but {below} lies below it ({by})"), "move one of them"))
    }
}
