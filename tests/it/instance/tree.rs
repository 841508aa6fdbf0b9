// SPDX-License-Identifier: Apache-2.0
//! The tree of an instance, on which the real program runs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::double::Double;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_kiln-firstboot");

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Both of its streams.
    pub said: String,
}

impl Ended {
    pub fn of(command: &mut Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        Self { code: output.status.code(), said: said.concat() }
    }

    pub fn is(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.said);
        self
    }

    pub fn says(self, words: &str) -> Self {
        assert!(self.said.contains(words), "{words:?} is not in:\n{}", self.said);
        self
    }
}

/// A machine's files.
pub struct Tree {
    folder: tempfile::TempDir,
}

/// What a worker's image and provisioner say, but for its cloud.
const LAYER: &str = "\
version: 1
image: double
cluster:
  pods: [10.244.0.0/16]
  services: [10.96.0.0/16]
  hosts: [10.99.0.0/24]
  nodes_max: 250
  surge: 6
  pods_max: 110
";

impl Tree {
    /// A machine that is told its cluster and this of its cloud (YAML).
    pub fn new(cloud: &str) -> Self {
        let tree = Self { folder: tempfile::Builder::new().prefix("kiln-instance-").tempdir().unwrap() };
        tree.put("etc/kiln/settings.d/10-image.yaml", &format!("{LAYER}{cloud}"));
        tree.put("etc/hostname", "given-by-dhcp\n");
        tree
    }

    /// One that writes routes into the double's VPC.
    pub fn routed(double: &Double, metadata: &str, subnets: &[&str]) -> Self {
        let tree = Self::new("network: {fabric: none, routes: vpc}\n");
        let cloud = serde_json::json!({ "cloud": {
            "platform": "aws", "metadata": metadata, "endpoint": double.endpoint, "ca": double.ca, "subnets": subnets,
        }});
        tree.put("etc/kiln/settings.d/20-cloud.yaml", &cloud.to_string());
        tree
    }

    pub fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    pub fn report(&self) -> Value {
        serde_json::from_str(&self.text("run/kiln/report.json")).unwrap()
    }

    /// Returns the program on this tree, to be run by `command` (in a network, say).
    pub fn on(&self, mut command: Command, words: &[&str]) -> Command {
        command.arg("--root").arg(self.folder.path()).args(words);
        command
    }

    /// Runs the program here.
    pub fn run(&self, words: &[&str]) -> Ended {
        Ended::of(&mut self.on(Command::new(PROGRAM), words))
    }
}
