// SPDX-License-Identifier: Apache-2.0
//! What `systemctl enable` would do, without a systemd: the links that a unit's `[Install]` section asks for.
//!
//! Facts: systemd.unit(5), "[Install] Section Options". Specifiers that only a running machine can fill are refused.

use std::collections::{BTreeMap, BTreeSet};

use super::{UnitFile, is_unit_name, template_of};

/// The folder of an administrator's units.
pub const FOLDER: &str = "/etc/systemd/system";

/// A symbolic link that enables a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Path of the link.
    pub path: String,
    /// What it points to: the unit's file.
    pub target: String,
    /// The unit whose `[Install]` section asks for it.
    pub unit: String,
}

/// Why a unit can't be enabled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// There is nothing to do.
    #[error("can't be enabled: its [Install] section names no unit that would start it")]
    Nothing,
    /// A template without an instance.
    #[error("can't be enabled: it is a template, and its [Install] section has no DefaultInstance=")]
    Template,
    /// A name that is not a unit's, or of another type than an alias must be.
    #[error("{key}={value} can't be followed: '{value}' is not a name of a {wanted}")]
    Name {
        /// The directive.
        key: &'static str,
        /// Its value.
        value: String,
        /// "unit", or the type that an alias must have.
        wanted: String,
    },
    /// A specifier that is not known before the machine runs.
    #[error("{key}={value} can't be followed: '%{specifier}' is not known before a machine runs")]
    Specifier {
        /// The directive.
        key: &'static str,
        /// Its value.
        value: String,
        /// The letter.
        specifier: char,
    },
    /// `Also=` names a unit that the image does not bring.
    #[error("Also={0} can't be followed: the image's manifest has no unit of that name")]
    Also(String),
}

/// Returns the links that enable `name` and what it names in `Also=`, which is looked up in `units`.
///
/// # Errors
/// Everything that can't be followed, with the unit that asks for it.
pub fn links(
    name: &str,
    units: &BTreeMap<&str, UnitFile>,
) -> Result<BTreeSet<Link>, Vec<(String, InstallError)>> {
    let (mut links, mut errors) = (BTreeSet::new(), Vec::new());
    let (mut open, mut seen) = (vec![name.to_owned()], BTreeSet::new());
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let Some(file) = units.get(name.as_str()) else { continue };
        for result in links_of_one(&name, file) {
            match result {
                Ok(link) => drop(links.insert(link)),
                Err(error) => errors.push((name.clone(), error)),
            }
        }
        for also in file.words("Install", "Also") {
            match units.contains_key(also) {
                true => open.push(also.to_owned()),
                false => errors.push((name.clone(), InstallError::Also(also.to_owned()))),
            }
        }
    }
    if errors.is_empty() { Ok(links) } else { Err(errors) }
}

fn links_of_one(name: &str, file: &UnitFile) -> Vec<Result<Link, InstallError>> {
    let started = match started_name(name, file) {
        Ok(started) => started,
        Err(error) => return vec![Err(error)],
    };
    let wants = [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")];
    let mut links: Vec<_> = wants
        .into_iter()
        .flat_map(|(key, folder)| file.words("Install", key).into_iter().map(move |word| (key, folder, word)))
        .map(|(key, folder, word)| {
            let owner = named(key, word, &started, None)?;
            Ok(Link::to(name, &format!("{owner}.{folder}/{started}")))
        })
        .collect();
    let kind = name.rfind('.').map_or("", |dot| &name[dot..]);
    links.extend(file.words("Install", "Alias").into_iter().map(|word| {
        let alias = named("Alias", word, &started, Some(kind))?;
        Ok(Link::to(name, &alias))
    }));
    if links.is_empty() && file.words("Install", "Also").is_empty() {
        links.push(Err(InstallError::Nothing));
    }
    links
}

impl Link {
    fn to(unit: &str, link: &str) -> Self {
        Self { path: format!("{FOLDER}/{link}"), target: format!("{FOLDER}/{unit}"), unit: unit.to_owned() }
    }
}

/// Returns the name that is started: a template's default instance, any other unit itself.
fn started_name(name: &str, file: &UnitFile) -> Result<String, InstallError> {
    match template_of(name) {
        Some((template, "")) => {
            let instance = file.words("Install", "DefaultInstance").pop().ok_or(InstallError::Template)?;
            let instance = expanded("DefaultInstance", instance, name)?;
            Ok(template.replacen('@', &format!("@{instance}"), 1))
        }
        _ => Ok(name.to_owned()),
    }
}

fn named(key: &'static str, word: &str, unit: &str, kind: Option<&str>) -> Result<String, InstallError> {
    let name = expanded(key, word, unit)?;
    if is_unit_name(&name) && kind.is_none_or(|kind| name.ends_with(kind)) {
        return Ok(name);
    }
    let wanted = kind.map_or("unit", |kind| kind.trim_start_matches('.')).to_owned();
    Err(InstallError::Name { key, value: name, wanted })
}

/// Fills in the specifiers that follow from the name alone (systemd.unit(5), "Specifiers").
fn expanded(key: &'static str, word: &str, unit: &str) -> Result<String, InstallError> {
    let stem = unit.rfind('.').map_or(unit, |dot| &unit[..dot]);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let (mut text, mut chars) = (String::new(), word.chars());
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        match chars.next() {
            Some('%') => text.push('%'),
            Some('n') => text.push_str(unit),
            Some('N') => text.push_str(stem),
            Some('p') => text.push_str(prefix),
            Some('i') => text.push_str(instance),
            other => {
                let specifier = other.unwrap_or(' ');
                return Err(InstallError::Specifier { key, value: word.to_owned(), specifier });
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn enabled(name: &str, units: &[(&'static str, &str)]) -> Result<Vec<(String, String)>, Vec<String>> {
        let units = units.iter().map(|(name, text)| (*name, parse(text).0)).collect();
        let short = |text: &str| text.replace("/etc/systemd/system/", "");
        links(name, &units)
            .map(|links| links.iter().map(|link| (short(&link.path), short(&link.target))).collect())
            .map_err(|errors| errors.iter().map(|(unit, error)| format!("{unit}: {error}")).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(path, target)| ((*path).to_owned(), (*target).to_owned())).collect()
    }

    #[test]
    fn every_directive_gives_its_links() {
        let a = "[Install]\nWantedBy=multi-user.target\nRequiredBy=b.service\nUpheldBy=c.target\nAlias=z.service\nAlso=a.timer\n";
        let timer = "[Install]\nWantedBy=timers.target\nAlso=a.service\n";
        let links = enabled("a.service", &[("a.service", a), ("a.timer", timer)]).unwrap();
        let expected = [
            ("b.service.requires/a.service", "a.service"),
            ("c.target.upholds/a.service", "a.service"),
            ("multi-user.target.wants/a.service", "a.service"),
            ("timers.target.wants/a.timer", "a.timer"),
            ("z.service", "a.service"),
        ];
        assert_eq!(links, pairs(&expected));
    }

    #[test]
    fn a_template_is_enabled_as_its_default_instance() {
        let text = "[Install]\nDefaultInstance=tty1\nWantedBy=getty-%i.target\n";
        let links = enabled("g@.service", &[("g@.service", text)]).unwrap();
        assert_eq!(links, pairs(&[("getty-tty1.target.wants/g@tty1.service", "g@.service")]));
    }

    #[test]
    fn what_can_not_be_followed_is_told() {
        let told = |name: &'static str, text: &str| enabled(name, &[(name, text)]).unwrap_err();
        let template = "g@.service: can't be enabled: it is a template, and its [Install] section has no DefaultInstance=";
        assert_eq!(told("g@.service", "[Install]\nWantedBy=a.target"), [template]);
        let nothing = "a.service: can't be enabled: its [Install] section names no unit that would start it";
        assert_eq!(told("a.service", "[Unit]"), [nothing]);
        let text = "[Install]\nWantedBy=a %H.target\nAlias=x.timer\nAlso=gone.socket\n";
        let expected = [
            "a.service: WantedBy=a can't be followed: 'a' is not a name of a unit",
            "a.service: WantedBy=%H.target can't be followed: '%H' is not known before a machine runs",
            "a.service: Alias=x.timer can't be followed: 'x.timer' is not a name of a service",
            "a.service: Also=gone.socket can't be followed: the image's manifest has no unit of that name",
        ];
        assert_eq!(told("a.service", text), expected);
    }
}
