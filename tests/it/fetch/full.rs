// SPDX-License-Identifier: Apache-2.0
//! A disk that is full at every write in turn. The shortage holds for a whole process, so this one is run again for it.

use std::process::Command;
use std::time::Duration;

use kiln::digest::Digest;
use kiln::host::cache::{Alone, Cache};
use kiln::host::download::Downloader;
use kiln::host::{fault, unpack};
use kiln::progress::Silent;

use super::download::{bytes, limits, settings, want};
use super::server::Server;

/// More writes than the work below needs.
const WRITES_MAX: u32 = 60;

fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["a", "b"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &b"abc"[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
#[ignore = "run by the test below"]
fn child() {
    let server = Server::start();
    let (file, tar) = (bytes(200_000), archive());
    let urls = (server.file("file", &file), server.file("tar", &tar));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cache");
    let mut failures = 0;
    for writes in 0..WRITES_MAX {
        let work = || -> Result<(), Box<dyn std::error::Error>> {
            let cache = Cache::open(&root, Duration::ZERO)?;
            let downloader = Downloader::new(&settings(&server.ca(), limits()), cache.clone())?;
            runtime.block_on(downloader.file(&want(&urls.0, &file), &Silent))?;
            let blob = runtime.block_on(downloader.file(&want(&urls.1, &tar), &Silent))?;
            assert_eq!(unpack::unpack(&cache, &blob, "tar")?.files.len(), 2);
            cache.record_put("test", "key", b"{}")?;
            Ok(())
        };
        fault::arm(writes);
        let result = work();
        let was_full = fault::disarm();
        assert_eq!(result.is_err(), was_full, "{writes}: {result:?}");
        if let Err(error) = result {
            let reasons =
                std::iter::successors(Some(&*error), |error| error.source()).map(ToString::to_string);
            let words = reasons.collect::<Vec<_>>().join(": ");
            assert!(words.contains("No space left on device"), "{writes}: {words}");
            failures += 1;
        }
        if root.exists() {
            let verified = Alone::open(&root, Duration::ZERO).unwrap().verify(&Silent).unwrap();
            assert!(verified.bad.is_empty(), "{writes}");
        }
        if !was_full {
            let cache = Cache::open(&root, Duration::ZERO).unwrap();
            assert!(cache.get(&Digest::of(&file)).is_some() && failures > 5, "{failures}");
            return;
        }
        // Every second time from nothing, so that both a fresh and a half-filled cache meet each write.
        if writes % 2 == 0 {
            std::fs::remove_dir_all(&root).ok();
        }
    }
    panic!("{WRITES_MAX} writes were not enough");
}

#[test]
fn a_full_disk_is_told_and_leaves_the_cache_intact() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "fetch::full::child", "--ignored"]);
    let output = child.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
}
