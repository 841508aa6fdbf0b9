// SPDX-License-Identifier: Apache-2.0
//! The way out: proxies, and what a person hears while nothing answers.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::double::KEY;

const KILN: &str = env!("CARGO_BIN_EXE_kiln");
const CLUSTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/image/cluster.yaml");
/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:1";

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A kubeconfig of a cluster at this address.
    fn kubeconfig(&self, server: &str) -> PathBuf {
        let path = self.folder.path().join("admin.conf");
        let ca = self.folder.path().join("ca.crt");
        std::fs::write(&ca, crate::launch::user_data::ca()).unwrap();
        let text = format!(
            "current-context: x\ncontexts: [{{name: x, context: {{cluster: x, user: x}}}}]\nusers: [{{name: x, user: {{token: \
             abc}}}}]\nclusters: [{{name: x, cluster: {{server: 'https://{server}', certificate-authority: ca.crt}}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn kiln(&self, words: &[&str]) -> Command {
        let mut kiln = Command::new(KILN);
        kiln.args(words).env_clear().env("HOME", self.folder.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        kiln.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
        kiln.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        kiln
    }
}

/// Ends with its test, whatever it waits for.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the first line that a running program says.
fn first_line(command: &mut Command) -> String {
    let mut running = Ended(command.spawn().unwrap());
    let (told, hears) = mpsc::channel();
    let mut said = BufReader::new(running.0.stderr.take().unwrap());
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = said.read_line(&mut line);
        let _ = told.send(line);
    });
    hears.recv_timeout(Duration::from_secs(60)).unwrap()
}

/// Returns what a proxy is asked for first.
fn asked(proxy: &TcpListener, command: &mut Command) -> String {
    let _running = Ended(command.spawn().unwrap());
    let (mut stream, _): (TcpStream, _) = proxy.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut bytes = [0; 512];
    let count = stream.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..count]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_proxy_leads_to_aws_and_to_clusters() {
    let (ground, proxy) = (Ground::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let at = proxy.local_addr().unwrap();
    let admin = ground.kubeconfig("api.example.org:6443");
    let admin = admin.to_str().unwrap();
    let aws = ["launch", "--terminate", "--dry-run", "--cluster", CLUSTER];
    for name in ["HTTPS_PROXY", "https_proxy"] {
        for address in [format!("http://{at}"), at.to_string()] {
            let mut kiln = ground.kiln(&aws);
            let asked_for = asked(&proxy, kiln.env(name, &address));
            assert_eq!(asked_for, "CONNECT ec2.eu-central-1.amazonaws.com:443 HTTP/1.1");
        }
    }
    for verb in [&["token", "list"][..], &["boots"], &["ipam"]] {
        let mut kiln = ground.kiln(verb);
        let asked_for =
            asked(&proxy, kiln.args(["--kubeconfig", admin]).env("HTTPS_PROXY", format!("http://{at}")));
        assert_eq!(asked_for, "CONNECT api.example.org:6443 HTTP/1.1", "{verb:?}");
    }
    // What is at home, or is excepted, is reached without it.
    proxy.set_nonblocking(true).unwrap();
    for server in [NOBODY, "10.255.255.255:1"] {
        let admin = ground.kubeconfig(server);
        let mut kiln = ground.kiln(&["token", "list", "--kubeconfig", admin.to_str().unwrap()]);
        kiln.env("HTTPS_PROXY", format!("http://{at}")).env("NO_PROXY", "10.0.0.0/8");
        if server == NOBODY {
            assert!(first_line(&mut kiln).contains("Connection refused"));
        } else {
            let _running = Ended(kiln.spawn().unwrap());
            std::thread::sleep(Duration::from_secs(2));
        }
        assert!(proxy.accept().is_err(), "{server}");
    }
    let wrong = ground.kiln(&aws).env("HTTPS_PROXY", "ftp://me:secret@proxy").output().unwrap();
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(said, "kiln: the proxy's address: it is not http://HOST:PORT (HTTPS_PROXY)\n");
    assert_eq!(wrong.status.code(), Some(78));
}

#[test]
fn an_endpoint_that_is_no_address_is_told_at_once() {
    let ground = Ground::new();
    for wrong in ["nonsense", "ftp://ec2.example.org", "https://"] {
        let mut aws = ground.kiln(&["launch", "--terminate", "--dry-run", "--cluster", CLUSTER]);
        let ended = aws.env("AWS_ENDPOINT_URL", wrong).output().unwrap();
        let expected =
            format!("kiln: the endpoint '{wrong}' is not https://HOST or http://HOST (AWS_ENDPOINT_URL)\n");
        assert_eq!(
            (String::from_utf8_lossy(&ended.stderr), ended.status.code()),
            (expected.into(), Some(78))
        );
    }
}

#[test]
fn a_person_hears_what_is_waited_for_whatever_the_verb() {
    let ground = Ground::new();
    let mut aws = ground.kiln(&["launch", "--terminate", "--dry-run", "--cluster", CLUSTER]);
    let line = first_line(aws.env("AWS_ENDPOINT_URL", format!("http://{NOBODY}")));
    assert_eq!(
        line,
        "ec2:DescribeInstances in eu-central-1: can't reach it: Connection refused (os error 111); trying again for 120 s\n"
    );
    let admin = ground.kubeconfig(NOBODY);
    for verb in [&["token", "list"][..], &["token", "create"], &["boots"], &["ipam"]] {
        let line = first_line(ground.kiln(verb).arg("--kubeconfig").arg(&admin));
        assert!(
            line.ends_with("; trying again for 20 s\n") && line.contains("Connection refused"),
            "{verb:?}: {line}"
        );
    }
    // A program that gives credentials, and never ends.
    let config = ground.folder.path().join("config");
    std::fs::write(&config, "[default]\ncredential_process = sleep 300\n").unwrap();
    let mut late = ground.kiln(&["launch", "--terminate", "--dry-run", "--cluster", CLUSTER]);
    late.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("PATH", "/usr/bin:/bin");
    late.env("AWS_CONFIG_FILE", Path::new(&config));
    let line = first_line(&mut late);
    assert!(
        line.contains("credentials do not come: identity resolver timed out after 5s; does the"),
        "{line}"
    );
}
