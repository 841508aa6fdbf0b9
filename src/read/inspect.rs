// SPDX-License-Identifier: Apache-2.0
//! What an image is: partitions, filesystems, operating system, and what kiln put on it. One damaged part does not
//! hide the others; nothing is verified here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

use super::table::{columns, printable, size};
use super::{Error, Facts, Fault, Image, Partition, Place, probe};
use crate::bake::provenance::IMAGE_PATH;

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The disk's size in bytes.
    pub size: u64,
    /// The partitions in the order of their numbers.
    pub partitions: Vec<PartitionReport>,
    /// The operating system on USR-A.
    pub os: Option<Os>,
    /// What kiln says about itself; none: kiln has not baked it.
    pub provenance: Option<Provenance>,
    /// What kiln put on it, by name.
    pub components: Vec<Component>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionReport {
    /// Its number, from 1.
    pub number: u32,
    /// Its label.
    pub label: String,
    /// Its type.
    pub type_guid: Uuid,
    /// What the type is called; empty: unknown.
    pub type_name: &'static str,
    /// Offset of its first byte.
    pub start: u64,
    /// Size in bytes.
    pub size: u64,
    /// The filesystem on it.
    pub filesystem: Option<Facts>,
}

/// The operating system, from its os-release (os-release(5)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Os {
    /// `ID`.
    pub id: String,
    /// `VERSION_ID`.
    pub version: String,
    /// `BUILD_ID`.
    pub build: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

/// What kiln wrote about the bake into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The image's name.
    pub name: String,
    /// Version of the kiln that planned it.
    pub kiln: String,
    /// Digest of the plan.
    pub plan: String,
    /// How many files kiln put on it.
    pub files: usize,
}

/// One input of the bake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its name: `base`, `kubelet`...
    pub name: String,
    /// Its version, where it has one, or else what the manifest asked for.
    pub version: String,
    /// How far it was trusted.
    pub trust: String,
}

/// Partition types (bake-anchors.md 2.1; names of Flatcar's own from its cgpt).
const TYPES: [(Uuid, &str); 7] = [
    (uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), "EFI system"),
    (uuid!("21686148-6449-6e6f-744e-656564454649"), "BIOS boot"),
    (uuid!("5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6"), "flatcar-rootfs"),
    (uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4"), "Linux data"),
    (uuid!("c95dc21a-df0e-4340-8d7b-26cbfa9a03e0"), "flatcar-reserved"),
    (uuid!("3884dd41-8582-4404-b9a8-e9b84f2df50e"), "flatcar-resize"),
    (uuid!("be9067b9-ea49-4f15-b4f6-f36f8c9e1818"), "flatcar-root-raid"),
];

/// Where the operating system says what it is.
const OS_RELEASE: &str = "USR-A:/lib/os-release";
/// Both are far smaller; more is not read into memory.
const TEXT_MAX_BYTES: u64 = 64 << 20;

/// The part of the account that is shown; newer versions may have more.
#[derive(Deserialize)]
struct Account {
    name: String,
    kiln: String,
    plan: String,
    lock: AccountLock,
    files: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct AccountLock {
    inputs: BTreeMap<String, AccountInput>,
}

#[derive(Deserialize)]
struct AccountInput {
    want: String,
    version: Option<String>,
    trust: AccountTrust,
}

#[derive(Deserialize)]
struct AccountTrust {
    level: String,
}

/// Looks at an image.
pub fn inspect(image: &Image) -> Inspection {
    let mut problems = Vec::new();
    let partitions = image.partitions().iter().map(|one| report(image, one, &mut problems)).collect();
    let mut inspection = Inspection {
        size: image.size(),
        partitions,
        os: None,
        provenance: None,
        components: Vec::new(),
        problems,
    };
    match text(image, OS_RELEASE) {
        Ok(found) => inspection.os = found.map(|text| os(&text)),
        Err(error) => inspection.add_problem(&error),
    }
    match text(image, &format!("ROOT:{IMAGE_PATH}")) {
        Ok(found) => inspection.add_account(found.as_deref()),
        Err(error) => inspection.add_problem(&error),
    }
    inspection
}

fn report(image: &Image, partition: &Partition, problems: &mut Vec<String>) -> PartitionReport {
    let Partition { number, label, type_guid, start, size } = partition.clone();
    let filesystem = probe(&image.slice(partition)).unwrap_or_else(|error| {
        problems.push(format!("can't read partition {number}: {error}"));
        None
    });
    let type_name = TYPES.iter().find(|(guid, _)| *guid == type_guid).map_or("", |(_, name)| name);
    PartitionReport { number, label, type_guid, type_name, start, size, filesystem }
}

/// Reads a text; none: there is no such file, or no filesystem that could hold it.
pub(crate) fn text(image: &Image, place: &str) -> Result<Option<String>, Error> {
    match image.read(&Place::parse(place)?, TEXT_MAX_BYTES) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => match error.source {
            Fault::NotFound | Fault::NoPartition(..) | Fault::NoFilesystem(_) => Ok(None),
            _ => Err(error),
        },
    }
}

fn os(text: &str) -> Os {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        // os-release(5): values may be quoted as in a shell.
        lines.next_back().unwrap_or("").trim_matches(['"', '\'']).to_owned()
    };
    Os { id: field("ID"), version: field("VERSION_ID"), build: field("BUILD_ID"), name: field("PRETTY_NAME") }
}

impl Inspection {
    fn add_problem(&mut self, error: &Error) {
        self.problems.push(format!("{error}: {}", error.source));
    }

    fn add_account(&mut self, json: Option<&str>) {
        let Some(json) = json else { return };
        let account: Account = match serde_json::from_str(json) {
            Ok(account) => account,
            Err(error) => return self.problems.push(format!("can't understand {IMAGE_PATH}: {error}")),
        };
        let Account { name, kiln, plan, lock, files } = account;
        self.provenance = Some(Provenance { name, kiln, plan, files: files.len() });
        let component = |(name, input): (String, AccountInput)| Component {
            name,
            version: input.version.unwrap_or(input.want),
            trust: input.trust.level,
        };
        self.components = lock.inputs.into_iter().map(component).collect();
    }

    /// Renders it for people.
    pub fn render(&self) -> String {
        let head = ["NR", "LABEL", "TYPE", "START", "SIZE", "FILESYSTEM", "USED", "FS LABEL", "UUID"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.partitions.iter().map(PartitionReport::cells));
        let mut text = columns(&rows, &[0, 3, 4, 6]);
        let mut lines = vec![vec!["disk".to_owned(), size(self.size)]];
        if let Some(Os { id, version, name, .. }) = &self.os {
            lines.push(vec!["system".to_owned(), printable(format!("{id} {version} ({name})").as_bytes())]);
        }
        if let Some(Provenance { name, kiln, plan, files }) = &self.provenance {
            lines.push(vec!["image".to_owned(), printable(name.as_bytes())]);
            lines.push(vec![
                "baked by".to_owned(),
                printable(format!("kiln {kiln}, {files} files").as_bytes()),
            ]);
            lines.push(vec!["plan".to_owned(), printable(plan.as_bytes())]);
        }
        for Component { name, version, trust } in &self.components {
            lines.push([name, version, trust].map(|cell| printable(cell.as_bytes())).to_vec());
        }
        lines.extend(
            self.problems.iter().map(|problem| vec!["problem".to_owned(), printable(problem.as_bytes())]),
        );
        text.push('\n');
        text.push_str(&columns(&lines, &[]));
        text
    }
}

impl PartitionReport {
    fn cells(&self) -> Vec<String> {
        let known = self.filesystem.as_ref();
        let kind =
            if self.type_name.is_empty() { self.type_guid.to_string() } else { self.type_name.to_owned() };
        vec![
            self.number.to_string(),
            printable(self.label.as_bytes()),
            kind,
            self.start.to_string(),
            size(self.size),
            known.map_or("-", |facts| facts.kind).to_owned(),
            known.and_then(|facts| facts.used).map_or_else(|| "-".to_owned(), size),
            known.map_or_else(String::new, |facts| printable(facts.label.as_bytes())),
            known.map_or_else(String::new, |facts| facts.uuid.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_os_release_is_read_as_the_manual_says() {
        let found = os(
            "NAME=\"Flatcar\"\nID=flatcar\nVERSION_ID=4593.2.5\nPRETTY_NAME=\"Flatcar 4593\"\nID_LIKE=coreos\n",
        );
        let expected = Os {
            id: "flatcar".to_owned(),
            version: "4593.2.5".to_owned(),
            build: String::new(),
            name: "Flatcar 4593".to_owned(),
        };
        assert_eq!(found, expected);
    }
}
