// SPDX-License-Identifier: Apache-2.0
//! The directives that systemd knows, from a data file; so that a typo is noticed before a machine boots.

/// Names by section; two groups count for several sections.
const TABLE: &str = include_str!("directives.txt");

const EXECUTING: [&str; 4] = ["Service", "Socket", "Mount", "Swap"];

/// What is known of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// systemd knows it.
    Yes,
    /// The section exists, the directive doesn't.
    NoKey,
    /// No such section.
    NoSection,
}

/// Looks up `key` in `section`; what begins with `X-` is left to its inventors (systemd.syntax(7)).
pub(super) fn known(section: &str, key: &str) -> Known {
    if section.starts_with("X-") {
        return Known::Yes;
    }
    let Some(own) = names(section) else { return Known::NoSection };
    let executes = EXECUTING.contains(&section);
    let uses = executes || ["Slice", "Scope"].contains(&section);
    let groups = [(executes, "Execution"), (uses, "Resources")];
    let shared = groups.into_iter().filter(|(counts, _)| *counts).filter_map(|(_, group)| names(group));
    let is_known =
        own.split_whitespace().chain(shared.flat_map(str::split_whitespace)).any(|name| name == key);
    if is_known || key.is_empty() || key.starts_with("X-") { Known::Yes } else { Known::NoKey }
}

fn names(section: &str) -> Option<&'static str> {
    let header = format!("\n[{section}]\n");
    let start = TABLE.find(&header)? + header.len();
    let rest = &TABLE[start..];
    Some(rest.find("\n[").map_or(rest, |end| &rest[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_known_by_section() {
        for (section, key) in [
            ("Unit", "After"),
            ("Service", "ExecStart"),
            ("Service", "RestartMode"),
            ("Service", "ProtectSystem"),
            ("Slice", "MemoryMax"),
            ("Install", "UpheldBy"),
            ("Timer", "OnCalendar"),
            ("Service", "X-Mine"),
            ("X-Mine", "Anything"),
        ] {
            assert_eq!(known(section, key), Known::Yes, "{section}.{key}");
        }
        assert_eq!(known("Unit", "ExecStart"), Known::NoKey);
        assert_eq!(known("Slice", "ProtectSystem"), Known::NoKey);
        assert_eq!(known("Servcie", "ExecStart"), Known::NoSection);
    }
}
