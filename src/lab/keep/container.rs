// SPDX-License-Identifier: Apache-2.0
//! The keeper of a container: it stands in for firmware, boot loader and initrd, starts systemd-nspawn, and starts it again
//! when the node reboots. Its mounts and loop devices are seen by nobody else and end
//! with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::body::Container;
use super::super::error::LabError;
use super::super::layout::{Layout, Span};
use super::super::nspawn::{self, Call};
use super::super::plan::NodeRecord;
use super::super::up::read_image;
use super::{CREDENTIAL_MAX, Ended};
use crate::base::Base;
use crate::disk::{Extent, Source};
use crate::host::cgroups;
use crate::host::command::{CommandError, Program, Running, SYSTEM_PATH, Streams};
use crate::host::disk::{Blobs, DiskReader, Sources, write_raw};
use crate::host::files::{self, Existing, Pending};
use crate::host::{loops, mounts, netns};
use crate::progress::Silent;

/// nspawn's exit code when the node has rebooted and a service manager is to start it again (--keep-unit).
const REBOOTED: i32 = 133;
/// Longest check or growth of a filesystem that holds little.
const DISK_LIMIT: Duration = Duration::from_secs(300);
/// Files in the keeper's /run: secrets and units, no more.
const RUN_MAX_BYTES: u64 = 16 << 20;
pub(super) fn keep(node: &NodeRecord, body: &Container) -> Result<Ended, LabError> {
    cgroups::join(&body.cgroup, std::process::id())?;
    // Whoever removes the lab takes its record away first and then ends all in the group: one of both sees this process.
    if !node.lab.exists() {
        return Err(LabError::Going);
    }
    make_disk(node)?;
    let call = nspawn::call(node, body);
    let secrets = secrets(node)?;
    // Before /run is covered.
    netns::enter(&body.link.namespace)?;
    mounts::leave()?;
    mounts::tmpfs(Path::new(nspawn::RUN), RUN_MAX_BYTES, "0755")?;
    put_files(&call, &secrets)?;
    mount_root(node, body, Path::new(nspawn::ROOT))?;
    run(node, body, &call)
}

/// Copies the image, with its table and ROOT's partition made for the larger disk.
fn make_disk(node: &NodeRecord) -> Result<(), LabError> {
    if node.disk.exists() {
        return Ok(());
    }
    let (base, image) = read_image(&node.image)?;
    let grown = base.grow(node.disk_bytes)?;
    let disk = base.assemble(&grown, vec![old_root(&base)]);
    let pending = Pending::new(&node.disk, 0o600)?;
    let sources = Sources::new(Some(image), Box::new(NoBlobs));
    write_raw(&DiskReader::new(Arc::new(disk), Arc::new(sources)), &pending, &Silent)?;
    pending.commit(Existing::Keep)?;
    Ok(())
}

fn old_root(base: &Base) -> Extent {
    let root = base.root();
    let source = Source::Base { offset: root.start_bytes() };
    Extent { offset: 0, len: root.size_bytes(), source }
}

/// A copy of an image has no source but the image.
struct NoBlobs;

impl Blobs for NoBlobs {
    fn open(&self, _: &crate::digest::Digest) -> std::io::Result<std::fs::File> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Mounts ROOT, checked as the initrd does at every boot, and grown, which the image's extend-filesystems.service can't do
/// in a container. Growing what is not mounted needs no capability that the machine may lack.
fn mount_grown(node: &NodeRecord, root: Span, target: &Path, kind: &str) -> Result<(), LabError> {
    // resize2fs cuts a plain file off, so it gets a device. One of a keeper that was killed just here is still there.
    for stale in loops::of_files_in(&node.disk)? {
        loops::let_go(&stale)?;
    }
    let device = loops::attach(part(node, root))?;
    let mounted = grow(&device).and_then(|()| Ok(mounts::device(&device, target, kind)?));
    loops::let_go(&device)?;
    mounted
}

fn grow(device: &Path) -> Result<(), LabError> {
    // -f: resize2fs takes no filesystem that was mounted since its last full check, such as one after a power cut.
    match tool("e2fsck").args(["-f", "-p"]).args([device]).run(&|_| ()) {
        // e2fsck(8): 1, errors were corrected.
        Err(CommandError::Failed { status, .. }) if status.code() == Some(1) => {}
        other => drop(other?),
    }
    tool("resize2fs").args([device]).run(&|_| ())?;
    Ok(())
}

fn part(node: &NodeRecord, span: Span) -> mounts::Part<'_> {
    mounts::Part { file: &node.disk, offset: span.offset, len: span.len }
}

fn tool(name: &str) -> Program {
    Program::new(name, DISK_LIMIT).env("PATH", SYSTEM_PATH)
}

fn secrets(node: &NodeRecord) -> Result<Vec<(PathBuf, Vec<u8>)>, LabError> {
    let read = |(name, path): (&String, &PathBuf)| {
        Ok((nspawn::credential(name), files::read(path, CREDENTIAL_MAX)?))
    };
    node.credentials.iter().map(read).collect()
}

fn put_files(call: &Call, secrets: &[(PathBuf, Vec<u8>)]) -> Result<(), LabError> {
    let texts = call.files.iter().map(|file| (&file.path, file.content.as_bytes(), file.mode));
    let secrets = secrets.iter().map(|(path, content)| (path, &content[..], 0o600));
    for (path, content, mode) in texts.chain(secrets) {
        files::make_folder(files::folder_of(path))?;
        files::replace(path, content, mode)?;
    }
    Ok(())
}

/// What the initrd does: `image/lab/dracut/mount-root.sh`.
fn mount_root(node: &NodeRecord, body: &Container, root: &Path) -> Result<(), LabError> {
    let layout = Layout::described();
    files::make_folder(root)?;
    mount_grown(node, body.spans.root, root, layout.root_type)?;
    for folder in &layout.folders {
        files::make_folder(&root.join(folder))?;
    }
    for link in &layout.links {
        files::link(&format!("usr/{link}"), &root.join(link))?;
    }
    // nspawn would make it for its group to read as well (systemd, src/shared/base-filesystem.c); a machine's own has not.
    let home = root.join("root");
    if !home.exists() {
        files::make_private_folder(&home)?;
    }
    mounts::part(part(node, body.spans.usr), &root.join("usr"), layout.usr_type)?;
    let [lower, upper, work] =
        [layout.etc_lower, layout.etc_upper, layout.etc_work].map(|folder| root.join(folder));
    mounts::overlay(&root.join("etc"), &lower, &upper, &work)?;
    Ok(())
}

fn run(node: &NodeRecord, body: &Container, call: &Call) -> Result<Ended, LabError> {
    loop {
        let mut running = start(node, body, call)?;
        let status = running.wait().map_err(|source| LabError::Wait { program: "systemd-nspawn", source })?;
        match status.code() {
            Some(0) => return Ok(Ended::Off),
            Some(REBOOTED) => {}
            code => return Ok(Ended::Failed { program: "systemd-nspawn", code: code.unwrap_or(-1) }),
        }
    }
}

fn start(node: &NodeRecord, body: &Container, call: &Call) -> Result<Running, LabError> {
    // A machine that has just ended may still have its link, which the kernel takes away when it finds the time; nspawn
    // gives up where the name is taken. Mostly there is none.
    let _ = tool("ip").args(["link", "delete", "dev"]).args([nspawn::link(body)]).run(&|_| ());
    let mut program = Program::new("systemd-nspawn", Duration::MAX).args(&call.arguments);
    for (name, value) in call.environment {
        program = program.env(name, value);
    }
    let streams = Streams {
        output: Some(files::append(&node.console)?),
        error: Some(files::append(&node.console)?),
        ..Streams::default()
    };
    Ok(program.spawn(streams)?)
}
