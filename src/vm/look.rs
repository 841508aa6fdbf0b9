// SPDX-License-Identifier: Apache-2.0
//! What a machine told of itself: looks, as its units print them (systemctl(1), show). The machine may be hostile or
//! broken: what is no look is no answer.

use std::collections::BTreeMap;

use serde::Serialize;

use super::credential::{BEGIN, END};

/// How a machine was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Look {
    /// The version of its systemd.
    pub systemd: String,
    /// What that says of the whole system: "starting", "running", "degraded" ...
    pub system: String,
    /// Units that failed.
    pub failed: Vec<String>,
    /// First boot's units by name.
    pub units: BTreeMap<String, Unit>,
}

/// How a unit was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Unit {
    /// Whether there is such a unit: "loaded", "not-found" ...
    pub load: String,
    /// "inactive", "activating", "active", "failed" ...
    pub active: String,
    /// The same in finer words: "exited", "auto-restart" ...
    pub sub: String,
    /// How it ended: "success", "exit-code", "timeout" ...
    pub result: String,
    /// Whether its conditions held when it was to start.
    pub is_wanted: bool,
    /// The exit code of its program.
    pub exit: i32,
    /// How often it was started again.
    pub restarts: u32,
    /// When its program began, in microseconds of the machine's own clock; 0: never.
    pub began_us: u64,
    /// When it ended; 0: not yet.
    pub ended_us: u64,
}

/// Everything that a machine has told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looks {
    /// The last whole look.
    pub last: Option<Look>,
    /// The exit code of the last try of first boot that failed.
    pub last_failure: Option<i32>,
    current: Option<Current>,
}

/// A look that is being told. Units follow one another, each with its properties in any order, after an empty line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Current {
    look: Look,
    id: String,
    unit: Unit,
}

impl Looks {
    /// Takes one more line.
    pub fn line(&mut self, line: &str) {
        match line.trim() {
            BEGIN => self.current = Some(Current::default()),
            END => self.end(),
            line => {
                if let Some(current) = &mut self.current {
                    current.line(line);
                }
            }
        }
    }

    fn end(&mut self) {
        let Some(mut current) = self.current.take() else { return };
        current.end_unit();
        let look = current.look;
        let failed = look.units.values().find(|unit| unit.exit != 0 && unit.ended_us != 0);
        self.last_failure = failed.map(|unit| unit.exit).or(self.last_failure);
        self.last = Some(look);
    }
}

impl Current {
    fn line(&mut self, line: &str) {
        match line.split_once('=') {
            None if line.is_empty() => self.end_unit(),
            Some((key, value)) if !key.contains(' ') => self.property(key, value),
            _ => self.look.failed.extend(line.split_whitespace().next().map(str::to_owned)),
        }
    }

    fn property(&mut self, key: &str, value: &str) {
        match key {
            "Version" => value.clone_into(&mut self.look.systemd),
            "SystemState" => value.clone_into(&mut self.look.system),
            "Id" => value.clone_into(&mut self.id),
            _ => self.unit.property(key, value),
        }
    }

    fn end_unit(&mut self) {
        let (id, unit) = (std::mem::take(&mut self.id), std::mem::take(&mut self.unit));
        if !id.is_empty() {
            self.look.units.insert(id, unit);
        }
    }
}

impl Unit {
    fn property(&mut self, key: &str, value: &str) {
        match key {
            "LoadState" => value.clone_into(&mut self.load),
            "ActiveState" => value.clone_into(&mut self.active),
            "SubState" => value.clone_into(&mut self.sub),
            "Result" => value.clone_into(&mut self.result),
            "ConditionResult" => self.is_wanted = value == "yes",
            "ExecMainStatus" => self.exit = value.parse().unwrap_or(0),
            "NRestarts" => self.restarts = value.parse().unwrap_or(0),
            "ExecMainStartTimestampMonotonic" => self.began_us = value.parse().unwrap_or(0),
            "ExecMainExitTimestampMonotonic" => self.ended_us = value.parse().unwrap_or(0),
            _ => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A look as systemd 257 prints it.
    pub fn look(system: &str, first_boot: &str) -> Looks {
        let mut looks = Looks::default();
        let text = format!(
            "{BEGIN}\nVersion=257.9-1~deb13u1\nSystemState={system}\n\
            a.service loaded failed failed A thing = b\n\
            Result=success\nExecMainStatus=0\nId=kiln-firstboot.service\nLoadState=loaded\n{first_boot}\n\n\
            ExecMainStatus=0\nId=kiln-control-plane.service\nLoadState=loaded\nActiveState=inactive\n\
            SubState=dead\nConditionResult=no\n{END}\n"
        );
        text.lines().for_each(|line| looks.line(line));
        looks
    }

    #[test]
    fn the_last_whole_look_counts() {
        let first = "ActiveState=activating\nSubState=auto-restart\nExecMainStatus=75\nNRestarts=3\n\
            ExecMainExitTimestampMonotonic=7";
        let mut looks = look("starting", first);
        assert_eq!(looks.last_failure, Some(75));
        for line in [BEGIN, "SystemState=running", "Id=kiln-firstboot.service", "ExecMainStatus=1"] {
            looks.line(line);
        }
        let last = looks.last.unwrap();
        assert_eq!((&last.system[..], &last.failed[..]), ("starting", &["a.service".to_owned()][..]));
        let unit = &last.units["kiln-firstboot.service"];
        assert_eq!((&unit.sub[..], unit.restarts, unit.ended_us), ("auto-restart", 3, 7));
    }

    #[test]
    fn noise_is_no_look() {
        let mut looks = Looks::default();
        for line in ["", "x", "=", "Id=", END, "SystemState=running", BEGIN, "\u{fffd}"] {
            looks.line(line);
        }
        assert_eq!(looks.last, None);
    }
}
