// SPDX-License-Identifier: Apache-2.0
//! Units as systemd loads them, a file with its drop-ins: what it would refuse to load as a whole.
//!
//! Facts: `service_verify`, `timer_verify`, `path_verify`, `socket_verify` and `mount_verify` of systemd 257
//! (src/core). What a drop-in in the base's /usr adds is not known here.

use std::collections::BTreeMap;

use super::text::Texts;
use super::{Findings, Subject};
use crate::bake::units::{Item, is_unit_name, template_of};
use crate::tree::TreePath;

/// Assignments in the order in which systemd reads them, each with the file it stands in.
struct Loaded<'a>(Vec<(&'a TreePath, &'a Item)>);

/// Why a unit is not loaded: the directive to point at, what is wrong, and what would be right.
type Refusal<'a> = (Option<(&'a TreePath, &'a Item)>, String, &'static str);

/// Judges every unit that the image brings.
pub(super) fn check(subject: &Subject<'_>, texts: &Texts<'_>, findings: &mut Findings) {
    for (name, text) in texts.iter().filter(|(name, _)| is_unit_name(name)) {
        let loaded = Loaded::of(name, texts);
        let errors = loaded.refusals(name).into_iter().map(|(item, what, fix)| {
            let (path, line) = item.map_or((text.path, 0), |(path, item)| (path, item.line));
            subject.unit_problem(path, line, format!("systemd does not load {name}: {what}"), fix)
        });
        findings.errors.extend(errors);
    }
}

impl<'a> Loaded<'a> {
    fn of(name: &str, texts: &'a Texts<'_>) -> Self {
        let kind = name.rsplit('.').next().unwrap_or_default();
        let template = template_of(name).map(|(template, _)| format!("{template}.d"));
        let folders = [Some(format!("{name}.d")), template, Some(format!("{kind}.d"))];
        // systemd.unit(5): drop-ins are read in the order of their file names, whatever folder they lie in; of two with one
        // name the more specific folder's counts.
        let mut drop_ins = BTreeMap::new();
        for folder in folders.iter().flatten() {
            for (name, text) in texts {
                let Some(file) = name.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) else {
                    continue;
                };
                drop_ins.entry(file).or_insert(text);
            }
        }
        let texts = texts.get(name).into_iter().chain(drop_ins.into_values());
        Self(texts.flat_map(|text| text.file.items.iter().map(|item| (text.path, item))).collect())
    }

    /// Returns what a list directive holds; an empty assignment empties what stood before it.
    fn list(&self, section: &str, key: &str) -> Vec<(&'a TreePath, &'a Item)> {
        let mut list: Vec<(&TreePath, &Item)> = Vec::new();
        for found @ (_, item) in self.0.iter().filter(|(_, item)| item.section == section && item.key == key)
        {
            if item.value.is_empty() { list.clear() } else { list.push(*found) }
        }
        list
    }

    fn last(&self, section: &str, key: &str) -> Option<(&'a TreePath, &'a Item)> {
        self.list(section, key).pop()
    }

    fn has_any(&self, section: &str, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.last(section, key).is_some())
    }

    fn refusals(&self, name: &str) -> Vec<Refusal<'a>> {
        let (stem, kind) = name.rsplit_once('.').unwrap_or_default();
        match kind {
            "service" => self.service(),
            "timer" => self.one_of("Timer", &TIMES, "it has no time", "add OnCalendar= or the like"),
            "path" => self.one_of("Path", &PATHS, "it has no path", "add PathExists= or the like"),
            "socket" => self.one_of("Socket", &SOCKETS, "it has no address", "add ListenStream= or the like"),
            "mount" => {
                [self.one_of("Mount", &["What"], "it has no What=", "add What="), self.place("Mount", stem)]
                    .concat()
            }
            "automount" => self.place("Automount", stem),
            "swap" => self.one_of("Swap", &["What"], "it has no What=", "add What="),
            _ => Vec::new(),
        }
    }

    fn one_of(&self, section: &str, keys: &[&str], what: &str, fix: &'static str) -> Vec<Refusal<'a>> {
        if self.has_any(section, keys) { Vec::new() } else { vec![(None, what.to_owned(), fix)] }
    }

    fn service(&self) -> Vec<Refusal<'a>> {
        let starts = self.list("Service", "ExecStart");
        let does_other = self.has_any("Service", &["ExecStop"]) && self.remains();
        if starts.is_empty() && !does_other && !self.has_any("Unit", &["SuccessAction"]) {
            let fix = "add one, or SuccessAction=, or ExecStop= with RemainAfterExit=yes";
            return vec![(None, "it has no ExecStart=".into(), fix)];
        }
        let kind = self.last("Service", "Type");
        match kind.map_or("", |(_, item)| &item.value) {
            "oneshot" => self.restart().into_iter().collect(),
            // systemd.service(5): "oneshot" is the default of services without ExecStart=.
            "" if starts.is_empty() => self.restart().into_iter().collect(),
            kind => self.lasting(kind, &starts),
        }
    }

    fn remains(&self) -> bool {
        let yes = ["1", "yes", "y", "true", "t", "on"];
        self.last("Service", "RemainAfterExit").is_some_and(|(_, item)| yes.contains(&item.value.as_str()))
    }

    fn lasting(&self, kind: &str, starts: &[(&'a TreePath, &'a Item)]) -> Vec<Refusal<'a>> {
        let mut refusals: Vec<Refusal<'_>> = Vec::new();
        if starts.is_empty() {
            refusals.push((None, "it has no ExecStart=".into(), "add one, or Type=oneshot"));
        }
        if let Some(second) = starts.get(1) {
            let what = "it has more than one ExecStart=".into();
            refusals.push((
                Some(*second),
                what,
                "keep one, clear the list by ExecStart= before it, or add Type=oneshot",
            ));
        }
        if kind == "dbus" && !self.has_any("Service", &["BusName"]) {
            refusals.push((None, "Type=dbus needs BusName=".into(), "add it"));
        }
        refusals
    }

    fn restart(&self) -> Option<Refusal<'a>> {
        let restart = self.last("Service", "Restart")?;
        let value = &restart.1.value;
        let is_endless = ["always", "on-success"].contains(&value.as_str());
        let what = format!("Restart={value} does not go with Type=oneshot");
        is_endless.then_some((Some(restart), what, "use Restart=on-failure, or another Type="))
    }

    /// A mount's name is its place.
    fn place(&self, section: &str, stem: &str) -> Vec<Refusal<'a>> {
        let place = self.last(section, "Where");
        let is_other = |path: &str| !path.contains('%') && path.trim_end_matches('/') != place_of(stem);
        let wrong = place.filter(|(_, item)| is_other(&item.value));
        let what = format!("Where= is not {}, the path that its name stands for", place_of(stem));
        wrong
            .map(|place| (Some(place), what, "rename the unit (systemd-escape --path) or correct Where="))
            .into_iter()
            .collect()
    }
}

const TIMES: [&str; 8] = [
    "OnActiveSec",
    "OnBootSec",
    "OnCalendar",
    "OnClockChange",
    "OnStartupSec",
    "OnTimezoneChange",
    "OnUnitActiveSec",
    "OnUnitInactiveSec",
];

const PATHS: [&str; 5] = ["DirectoryNotEmpty", "PathChanged", "PathExists", "PathExistsGlob", "PathModified"];

const SOCKETS: [&str; 8] = [
    "ListenDatagram",
    "ListenFIFO",
    "ListenMessageQueue",
    "ListenNetlink",
    "ListenSequentialPacket",
    "ListenSpecial",
    "ListenStream",
    "ListenUSBFunction",
];

/// Returns the path that a unit's name stands for (systemd.unit(5), "String Escaping for Inclusion in Unit Names"),
/// without a slash at its end.
fn place_of(stem: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = stem.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, next) = match escaped(rest) {
            Some(escaped) => escaped,
            None if *first == b'-' => (b'/', tail),
            None => (*first, tail),
        };
        bytes.push(byte);
        rest = next;
    }
    let path = format!("/{}", String::from_utf8_lossy(&bytes));
    path.trim_end_matches('/').to_owned()
}

/// Reads `\xNN`, and returns the byte and what follows it.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let (hex, rest) = text.strip_prefix(b"\\x")?.split_at_checked(2)?;
    Some((u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn a_name_stands_for_a_path() {
        let names = [
            ("var-lib-etcd", "/var/lib/etcd"),
            ("mnt-my\\x2ddata", "/mnt/my-data"),
            ("-", ""),
            ("a\\xzz", "/a\\xzz"),
        ];
        names.into_iter().for_each(|(stem, path)| assert_eq!(place_of(stem), path));
    }
}
