// SPDX-License-Identifier: Apache-2.0
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kiln::host::cache::{Alone, Cache, EntryKind};
use kiln::host::download::Downloader;
use kiln::progress::Silent;

use super::download::{bytes, limits, settings, want};
use super::server::{Serve, Server};

/// Of what is downloaded: 4 MiB in pieces of 64 KiB.
const SIZE: usize = 4 << 20;

/// Downloads in another process: this test program, run again for the test below.
#[test]
#[ignore = "run by the test that kills it"]
fn child() {
    let Some(url) = std::env::var_os("KILN_TEST_URL") else { return };
    let path = |name| PathBuf::from(std::env::var_os(name).unwrap());
    let cache = Cache::open(&path("KILN_TEST_CACHE"), Duration::from_secs(10)).unwrap();
    let downloader = Downloader::new(&settings(&path("KILN_TEST_CA"), limits()), cache).unwrap();
    let want = want(url.to_str().unwrap(), &bytes(SIZE));
    tokio::runtime::Runtime::new().unwrap().block_on(downloader.file(&want, &Silent)).unwrap();
}

#[test]
fn a_killed_download_goes_on_and_the_cache_is_intact() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (content, root) = (bytes(SIZE), folder.path().join("cache"));
    server.put("x", Serve::Slow(content.clone(), Duration::from_millis(20)));
    let partial_size = || {
        let entries = std::fs::read_dir(root.join("partial")).ok()?;
        entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).max()
    };
    let mut last = 0;
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "fetch::killed::child", "--ignored", "--nocapture"]);
        child
            .env("KILN_TEST_URL", server.url("x"))
            .env("KILN_TEST_CACHE", &root)
            .env("KILN_TEST_CA", server.ca());
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while partial_size().is_none_or(|size| size < last + 200_000) {
            assert!(
                Instant::now() < end && child.try_wait().unwrap().is_none(),
                "the child must be downloading"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        // SIGKILL: nothing in the child gets to tidy up.
        child.kill().unwrap();
        child.wait().unwrap();
        last = partial_size().unwrap();
    }
    let verified = Alone::open(&root, Duration::from_secs(5)).unwrap().verify(&Silent).unwrap();
    assert_eq!((verified.files, verified.bad.len()), (0, 0));
    server.file("x", &content);
    let cache = Cache::open(&root, Duration::from_secs(5)).unwrap();
    let downloader = Downloader::new(&settings(&server.ca(), limits()), cache.clone()).unwrap();
    let want = want(&server.url("x"), &content);
    let blob = tokio::runtime::Runtime::new().unwrap().block_on(downloader.file(&want, &Silent)).unwrap();
    assert_eq!(std::fs::read(&blob.path).unwrap(), content);
    let starts: Vec<_> = server.seen().into_iter().map(|seen| seen.from).collect();
    assert_eq!((starts.len(), starts[0]), (4, None));
    assert!(starts[1..].windows(2).all(|pair| pair[0] < pair[1]), "each went on further: {starts:?}");
    assert_eq!(starts[3], Some(last as usize));
    let entries = cache.list().unwrap();
    let left = entries.iter().filter(|entry| !matches!(entry.kind, EntryKind::Record { .. }));
    assert_eq!(left.count(), 1, "nothing is left over");
}
