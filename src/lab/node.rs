// SPDX-License-Identifier: Apache-2.0
//! One node from start to end, by way of its keeper: begun, waited for, asked, stopped, killed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::LabError;
use super::layout::Layout;
use super::plan::{Lab, Link, Name, Network, NodeRecord};
use super::workaround::Workaround;
use crate::base::Base;
use crate::host::command::{Program, SYSTEM_PATH, Streams};
use crate::host::{cgroups, files, resources};

/// What a node is made from.
#[derive(Debug, Clone)]
pub struct NodeOrder {
    /// Its name, which is its host name too.
    pub name: Name,
    /// Its address with the prefix of the segment.
    pub address: IpNet,
    /// Its way out of the segment.
    pub gateway: Option<IpAddr>,
    /// Size of its disk in bytes; smaller than the image: the image's.
    pub disk_bytes: u64,
    /// System credentials: `kiln.settings`, `kiln.token`, and whatever a test adds. They lie on tmpfs only.
    pub credentials: BTreeMap<String, Vec<u8>>,
}

/// A node that has been begun.
#[derive(Debug, Clone)]
pub struct Node {
    /// What its keeper knows.
    pub record: NodeRecord,
    lab: Name,
    folder: PathBuf,
}

/// The longest record.
const RECORD_MAX: u64 = 1 << 20;
/// How often what is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest answer to a question that systemd answers at once.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);
/// Longest end of the processes of a node that are killed.
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// Decides everything about a node's machine.
pub(super) fn plan(
    lab: &Lab,
    order: &NodeOrder,
    base: &Base,
    image: &Path,
    link: Link,
    workarounds: Vec<Workaround>,
) -> Result<NodeRecord, LabError> {
    let disk_bytes = order.disk_bytes.max(base.table.size_bytes());
    let grown = Base { layout: base.layout, table: base.grow(disk_bytes)? };
    let folder = lab.node(&order.name);
    let files = order.credentials.keys().map(|name| (name.clone(), folder.join("credentials").join(name)));
    let NodeOrder { name, address, gateway, .. } = order.clone();
    Ok(NodeRecord {
        machine: format!("{}-{name}", lab.name),
        lab: lab.record(),
        image: image.to_owned(),
        disk: lab.disks().join(format!("{name}.raw")),
        disk_bytes,
        spans: Layout::described().spans(&grown, image)?,
        console: lab.disks().join(format!("{name}.log")),
        cgroup: format!("{}/{name}", lab.cgroup()),
        network: Network { link, address, gateway },
        credentials: files.collect(),
        workarounds,
        name,
    })
}

/// Records a node and starts its keeper.
pub(super) fn begin(lab: &Lab, record: NodeRecord, order: &NodeOrder, kiln: &Path) -> Result<Node, LabError> {
    let folder = lab.node(&record.name);
    files::make_folder(&folder.join("credentials"))?;
    for (name, content) in &order.credentials {
        files::replace(&record.credentials[name], content, 0o600)?;
    }
    write_json(&NodeRecord::path(&folder), &record)?;
    let node = Node { record, lab: lab.name.clone(), folder };
    node.power_on(kiln)?;
    Ok(node)
}

impl Node {
    /// Returns a node of a lab.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn of(lab: &Lab, name: &Name) -> Result<Self, LabError> {
        let folder = lab.node(name);
        if !NodeRecord::path(&folder).exists() {
            return Err(LabError::NoNode { lab: lab.name.clone(), node: name.clone() });
        }
        Ok(Self { record: read_record(&folder)?, lab: lab.name.clone(), folder })
    }

    /// Returns all nodes of a lab by name.
    ///
    /// # Errors
    /// If a record can't be read.
    pub fn all(lab: &Lab) -> Result<Vec<Self>, LabError> {
        let folder = lab.state().join("nodes");
        let names = if folder.exists() { files::list(&folder)? } else { Vec::new() };
        let names = names.into_iter().filter_map(|name| Name::try_from(name.into_string().ok()?).ok());
        // A folder without a record is that of a node that was not begun.
        let begun = names.filter(|name| NodeRecord::path(&lab.node(name)).exists());
        begun.map(|name| Self::of(lab, &name)).collect()
    }

    /// Starts the node again, on its own disk, after it has ended.
    ///
    /// # Errors
    /// If it runs, or as the machine says.
    pub fn power_on(&self, kiln: &Path) -> Result<(), LabError> {
        cgroups::make(&self.record.cgroup)?;
        let alive = files::lock(&NodeRecord::alive(&self.folder), Duration::ZERO)?;
        let alive = alive.ok_or_else(|| LabError::Busy(self.lab.clone()))?;
        let streams = Streams {
            // The lock goes on with the keeper, who holds it as its input.
            input: Some(alive),
            error: Some(files::append(&self.record.keeper_log())?),
            ..Streams::default()
        };
        let keeper = Program::new(kiln, Duration::MAX).env("PATH", SYSTEM_PATH).args(["lab", "keep"]);
        keeper.args([&self.folder]).spawn(streams)?.let_go();
        Ok(())
    }

    /// Returns whether its keeper lives.
    ///
    /// # Errors
    /// As the system says.
    pub fn is_kept(&self) -> Result<bool, LabError> {
        Ok(files::lock(&NodeRecord::alive(&self.folder), Duration::ZERO)?.is_none())
    }

    /// Returns the process that is 1 inside the node; nothing: it has not come so far, or has ended.
    ///
    /// # Errors
    /// As the system says.
    pub fn leader(&self) -> Result<Option<i32>, LabError> {
        let processes = cgroups::processes(&self.record.cgroup)?;
        // Pods have namespaces inside that of the node: three numbers.
        let is_leader = |process: &i32| matches!(resources::numbers(*process)[..], [_, 1]);
        Ok(processes.into_iter().find(is_leader))
    }

    /// Returns a program that runs `words` inside the node.
    ///
    /// # Errors
    /// If the node does not run.
    pub fn inside(
        &self,
        words: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>,
        limit: Duration,
    ) -> Result<Program, LabError> {
        let leader = self.leader()?.ok_or_else(|| self.not_running())?.to_string();
        Ok(Program::new("nsenter", limit)
            .env("PATH", format!("{SYSTEM_PATH}:/opt/bin"))
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8")
            .args(["--target", &leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"])
            .args(words))
    }

    /// Runs a program inside the node and returns what it printed.
    ///
    /// # Errors
    /// If the node does not run, or the program can't be started, fails or takes longer than `limit`.
    pub fn exec<W: AsRef<std::ffi::OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
        limit: Duration,
    ) -> Result<String, LabError> {
        let output = self.inside(words, limit)?.run(&|_| ())?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Returns what systemd says of the whole system: "starting", "running", "degraded" ...
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn system(&self) -> Result<String, LabError> {
        self.property(None, "SystemState")
    }

    /// Returns a property of a unit, or of the manager (systemctl(1), show).
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn property(&self, unit: Option<&str>, name: &str) -> Result<String, LabError> {
        let property = format!("--property={name}");
        let words = ["systemctl", "show", "--value", &property].into_iter().chain(unit);
        Ok(self.exec(words, QUESTION_LIMIT)?.trim_end().to_owned())
    }

    /// Returns the journal of this boot, or of one unit in it.
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn journal(&self, unit: Option<&str>) -> Result<String, LabError> {
        let unit = unit.map(|unit| format!("--unit={unit}"));
        let words = ["journalctl", "--boot", "--no-pager", "--quiet"].map(str::to_owned);
        self.exec(words.into_iter().chain(unit), QUESTION_LIMIT)
    }

    /// Returns what a unit said last in this boot.
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn said(&self, unit: &str) -> Result<String, LabError> {
        let words =
            ["journalctl", "--boot", "--no-pager", "--quiet", "--output=cat", "--lines=10", "--unit", unit];
        Ok(self.exec(words, QUESTION_LIMIT)?.trim_end().to_owned())
    }

    /// Returns what the console said in all boots.
    ///
    /// # Errors
    /// As the system says.
    pub fn console(&self) -> Result<String, LabError> {
        let bytes = files::read(&self.record.console, u64::MAX >> 1)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until the node's systemd answers.
    ///
    /// # Errors
    /// If the node ends before, or `limit` is over.
    pub fn wait_started(&self, limit: Duration) -> Result<(), LabError> {
        self.wait("started its systemd", limit, || Ok(self.system().is_ok().then_some(())))
    }

    /// Waits until all units that belong to the boot have started or failed; returns what systemd says of the system.
    ///
    /// # Errors
    /// If the node ends before, or `limit` is over.
    pub fn wait_settled(&self, limit: Duration) -> Result<String, LabError> {
        self.wait("settled", limit, || {
            let is_settled = |system: &String| !["initializing", "starting"].contains(&&system[..]);
            Ok(self.system().ok().filter(is_settled))
        })
    }

    /// Powers the node off as its own systemd does; one that takes longer than `limit` is killed.
    ///
    /// # Errors
    /// As the system says.
    pub fn stop(&self, limit: Duration) -> Result<(), LabError> {
        // The answer may be cut off by what was asked for.
        let _ = self.exec(["systemctl", "poweroff"], QUESTION_LIMIT);
        let until = Instant::now() + limit;
        while self.is_kept()? && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
        self.kill()
    }

    /// Ends the node as a power cut does: every process at once.
    ///
    /// # Errors
    /// As the system says.
    pub fn kill(&self) -> Result<(), LabError> {
        if !cgroups::end(&self.record.cgroup, KILL_LIMIT)? {
            return Err(LabError::Stuck(self.record.cgroup.clone()));
        }
        Ok(())
    }

    /// Reboots the node and waits until its systemd answers again.
    ///
    /// # Errors
    /// If it does not run or does not come back within `limit`.
    pub fn reboot(&self, limit: Duration) -> Result<(), LabError> {
        let before = self.leader()?.ok_or_else(|| self.not_running())?;
        let _ = self.exec(["systemctl", "reboot"], QUESTION_LIMIT);
        self.wait("rebooted", limit, || {
            let is_other = self.leader()?.is_some_and(|leader| leader != before);
            Ok((is_other && self.system().is_ok()).then_some(()))
        })
    }

    /// Waits for what `look` finds.
    ///
    /// # Errors
    /// If the node ends before, or `limit` is over.
    pub(super) fn wait<T>(
        &self,
        what: &'static str,
        limit: Duration,
        look: impl Fn() -> Result<Option<T>, LabError>,
    ) -> Result<T, LabError> {
        let until = Instant::now() + limit;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if !self.is_kept()? {
                return Err(self.not_running());
            }
            if Instant::now() > until {
                let (node, console) = (self.record.name.clone(), self.record.console.clone());
                return Err(LabError::Late { node, what, limit_s: limit.as_secs(), console });
            }
            std::thread::sleep(PAUSE);
        }
    }

    pub(super) fn not_running(&self) -> LabError {
        let said = files::read(&self.record.keeper_log(), RECORD_MAX).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim_end().to_owned();
        let said = if said.is_empty() { said } else { format!("; its keeper said:\n{said}") };
        LabError::NotRunning { node: self.record.name.clone(), console: self.record.console.clone(), said }
    }
}

/// Reads the record in a node's folder.
pub(super) fn read_record(folder: &Path) -> Result<NodeRecord, LabError> {
    read_json(&NodeRecord::path(folder))
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, LabError> {
    let text = files::read(path, RECORD_MAX)?;
    serde_json::from_slice(&text).map_err(|source| LabError::Record { path: path.to_owned(), source })
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), LabError> {
    let text = serde_json::to_vec_pretty(value);
    let text = text.map_err(|source| LabError::Record { path: path.to_owned(), source })?;
    Ok(files::replace(path, &text, 0o600)?)
}
