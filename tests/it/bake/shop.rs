// SPDX-License-Identifier: Apache-2.0
//! A folder with a manifest, payload and everything else that a bake needs, and the program to run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::disk::bases::{self, Layout};
use crate::disk::kept::kept;

pub const KILN: &str = env!("CARGO_BIN_EXE_kiln");
pub const FIRSTBOOT: &str = env!("CARGO_BIN_EXE_kiln-firstboot");

/// Returns whether these bytes are this version's kiln-firstboot: cargo's everyday build or the small one.
pub fn is_firstboot(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, kiln::mark::FIRSTBOOT.as_bytes()).is_some()
}

/// What one test works in. The cache is its own unless it takes the one that tests share.
pub struct Shop {
    pub folder: tempfile::TempDir,
    pub cache: PathBuf,
}

/// Returns a base as it is published: compressed, so that a cold cache decodes it. Made once, kept in the target folder.
pub fn published_base(layout: Layout) -> PathBuf {
    let raw = bases::flatcar(layout);
    let packed = raw.with_extension("raw.zst");
    kept(&packed, |half| {
        bases::run(Command::new("zstd").args(["-q", "-f", "-1"]).arg(&raw).arg("-o").arg(half));
    });
    packed
}

/// Returns the cache that tests share, where nothing is tested that a warm cache would hide.
fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

impl Shop {
    /// Makes a folder with a manifest over a base of `layout`.
    pub fn new(layout: Layout) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap(), cache: shared_cache() };
        shop.fill(layout);
        shop
    }

    /// As [`Shop::new`], with an empty cache.
    pub fn with_cold_cache(layout: Layout) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shop = Self { cache: folder.path().join("cache"), folder };
        shop.fill(layout);
        shop
    }

    fn fill(&self, layout: Layout) {
        let path = |name: &str| self.folder.path().join(name);
        fs::create_dir_all(path("image/files")).unwrap();
        fs::copy(FIRSTBOOT, path("image/files/tool")).unwrap();
        fs::write(path("image/files/notes.txt"), "no secret here\n").unwrap();
        // Larger than a block group's worth of one extent's share, with a hole in it.
        let mut big = bases::noise(9, 3 << 20);
        big[1 << 20..2 << 20].fill(0);
        fs::write(path("image/files/big.bin"), big).unwrap();
        let base = published_base(layout);
        fs::write(path("image/node.yaml"), manifest(&base.display().to_string())).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the manifest's text.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.path("image/node.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Returns `kiln` with this shop's cache and nothing of this process's environment but PATH.
    pub fn kiln(&self, words: &[&str]) -> Command {
        let mut kiln = Command::new(KILN);
        kiln.args(words).current_dir(self.folder.path()).env_clear();
        kiln.env("PATH", std::env::var_os("PATH").unwrap()).env("XDG_CACHE_HOME", &self.cache);
        kiln.env("HOME", self.folder.path());
        kiln
    }

    /// Runs `kiln bake` into `out` and expects it to work.
    pub fn bake(&self, out: &str, words: &[&str]) -> String {
        let output = self.kiln(&["bake", "image/node.yaml", "-o", out]).args(words).output().unwrap();
        succeeded(&output)
    }
}

/// Returns what a program printed; panics with both streams if it failed.
pub fn succeeded(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

fn manifest(base: &str) -> String {
    format!(
        r#"kiln: 1
name: node
arch: amd64
base:
  file: "{base}"
  flavour: generic
components:
  kiln-firstboot:
    self: true
  tool:
    file: files/tool
    install:
      tool: /opt/bin/
cluster:
  pods: [10.244.0.0/16]
  services: [10.96.0.0/16]
  hosts: [10.0.2.0/24]
  block: 24
  nodes: 100
units:
  - name: tool.service
    enabled: true
    text: |
      [Unit]
      Description=A tool
      [Service]
      ExecStart=/opt/bin/tool
      [Install]
      WantedBy=multi-user.target
files:
  - path: /etc/notes.txt
    file: files/notes.txt
  - path: /opt/big.bin
    file: files/big.bin
    mode: "0600"
    owner: "1000:70000"
  - path: /opt/link
    link: /opt/bin/tool
sysctls:
  net.ipv4.ip_forward: 1
modules: [overlay]
outputs:
  formats: [raw, qcow2]
"#
    )
}
