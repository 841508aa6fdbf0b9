// SPDX-License-Identifier: Apache-2.0
//! The programs are static, and a static glibc has no resolver to speak of: the names are looked up by Rust code, here
//! by way of a name server of the test's own, with nothing but /etc/resolv.conf to tell of it.

use std::net::UdpSocket;
use std::time::Duration;

use kiln::host::cache::Cache;
use kiln::host::download::Downloader;
use kiln::progress::Silent;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::download::{limits, settings, want};
use super::server::Server;

const NAME: &[u8] = b"\x07release\x04kiln\x04test\x00";

/// Answers A queries for release.kiln.test with 127.0.0.1 and all others with "no such name" (RFC 1035 section 4).
fn serve_names(socket: &UdpSocket) {
    let mut query = [0; 512];
    while let Ok((len, from)) = socket.recv_from(&mut query) {
        let question = &query[12..len];
        let is_known = question.to_ascii_lowercase().starts_with(NAME);
        let is_a = question.get(NAME.len()..NAME.len() + 2) == Some(&[0, 1]);
        let end = 12 + question.iter().position(|byte| *byte == 0).unwrap() + 5;
        let mut answer = query[..2].to_vec();
        // A response, recursion available; code 3 is "no such name".
        answer.extend([
            0x81,
            if is_known { 0x80 } else { 0x83 },
            0,
            1,
            0,
            u8::from(is_known && is_a),
            0,
            0,
            0,
            0,
        ]);
        answer.extend(&query[12..end]);
        if is_known && is_a {
            // A pointer to the name in the question, type A, class IN, a minute, four bytes.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
        }
        socket.send_to(&answer, from).unwrap();
    }
}

#[test]
fn a_real_name_is_looked_up() {
    let socket = UdpSocket::bind("127.53.0.1:53").expect("port 53 on a loopback address needs root");
    std::thread::spawn(move || serve_names(&socket));
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let url = server.file("x", b"abc").replace("localhost", "release.kiln.test");
    let resolv = folder.path().join("resolv.conf");
    std::fs::write(&resolv, "nameserver 127.53.0.1\noptions timeout:5\n").unwrap();
    let cache = Cache::open(&folder.path().join("cache"), Duration::ZERO).unwrap();
    // A thread with mounts of its own; the threads that it starts share them.
    let (blob, missing) = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("mount namespaces need root");
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some(&resolv), "/etc/resolv.conf", none, MsFlags::MS_BIND, none).unwrap();
        let downloader = Downloader::new(&settings(&server.ca(), limits()), cache).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let missing = want("https://no.kiln.test/x", b"");
        let blob = runtime.block_on(downloader.file(&want(&url, b"abc"), &Silent));
        (blob, runtime.block_on(downloader.file(&missing, &Silent)))
    })
    .join()
    .unwrap();
    assert_eq!(blob.unwrap().size, 3);
    let words = missing.unwrap_err().to_string();
    assert!(
        words.starts_with("can't fetch https://no.kiln.test/x: can't look up the server's name: "),
        "{words}"
    );
    assert!(words.ends_with("; check the network, HTTPS_PROXY and /etc/resolv.conf"), "{words}");
}
