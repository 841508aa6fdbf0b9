// SPDX-License-Identifier: Apache-2.0
use super::*;

#[test]
fn files_and_links_hang_from_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    assert_eq!(root.text("/a/b/c", 10).unwrap(), None);
    root.replace("/a/b/c", b"x", 0o600).unwrap();
    assert_eq!(root.text("/a/b/c", 10).unwrap().as_deref(), Some("x"));
    assert_eq!((root.mode("/a").unwrap(), root.mode("/a/b").unwrap()), (Some(0o755), Some(0o700)));
    root.replace("/open/d", b"y", 0o644).unwrap();
    assert_eq!((root.mode("/open").unwrap(), root.mode("/open/d").unwrap()), (Some(0o755), Some(0o644)));
    for target in ["c", "d"] {
        root.replace_link("/a/b/current", target).unwrap();
        assert_eq!(root.link("/a/b/current").unwrap().unwrap().to_str(), Some(target));
    }
    assert_eq!(root.link("/a/b/c").unwrap(), None, "a file is no link");
    assert_eq!(root.list("/a/b").unwrap(), ["c", "current"]);
    root.remove("/a/b/c").unwrap();
    root.remove("/a/b/c").unwrap();
    root.remove("/nowhere/c").unwrap();
    assert_eq!(root.read("/a/b/c", 10).unwrap(), None);
}

#[test]
fn a_batch_is_seen_at_once_and_settled_later() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path()).batched();
    let waiting = || root.names.as_ref().unwrap().waiting();
    root.replace("/a/b", b"x", 0o644).unwrap();
    assert_eq!(root.text("/a/b", 10).unwrap().as_deref(), Some("x"));
    assert_eq!(waiting(), [folder.path().to_owned(), folder.path().join("a")]);
    root.settle().unwrap();
    assert!(waiting().is_empty());
    // What is written is safe before anything is taken away.
    root.replace_link("/a/link", "b").unwrap();
    root.replace("/c/d", b"x", 0o644).unwrap();
    root.remove("/a/b").unwrap();
    assert_eq!(waiting(), [folder.path().join("a")]);
    root.remove("/nowhere/c").unwrap();
    root.settle().unwrap();
    assert!(waiting().is_empty());
}

#[test]
fn what_is_of_this_boot_alone_and_what_grows_have_their_names_at_once() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    root.replace_passing("/run/report", b"1", 0o644).unwrap();
    root.replace_passing("/run/report", b"2", 0o644).unwrap();
    assert_eq!(root.list("/run").unwrap(), ["report"]);
    assert_eq!(root.text("/run/report", 10).unwrap().as_deref(), Some("2"));
    for line in ["a\n", "b\n"] {
        root.append("/log").unwrap().write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(root.text("/log", 10).unwrap().as_deref(), Some("a\nb\n"));
    assert_eq!(root.mode("/log").unwrap(), Some(0o600));
}
