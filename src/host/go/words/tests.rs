// SPDX-License-Identifier: Apache-2.0
//! Tables for the small decisions.

use super::*;

#[test]
fn programs_are_named_as_go_names_them() {
    let names = [
        ("k8s.io/kubernetes/cmd/kubelet", Some("kubelet")),
        ("go.etcd.io/etcd/server/v3", Some("server")),
        ("example.org/tool/v1", Some("v1")),
        ("example.org/tool/v0", Some("v0")),
        ("./cmd/x", Some("x")),
        ("v2", Some("v2")),
        (".", None),
        ("./...", None),
        ("example.org/x@v1.2.3", None),
        ("-toolexec=/bin/sh", None),
        ("example.org/", None),
        ("", None),
    ];
    for (package, name) in names {
        assert_eq!(program_name(package), name, "{package}");
    }
}

#[test]
fn the_go_line_is_found() {
    assert_eq!(wanted_version("// go 1.1\nmodule x\n\ngo 1.26.6 // why\n"), Some("1.26.6"));
    assert_eq!(wanted_version("module go\n"), None);
}

#[test]
fn versions_are_compared_by_number() {
    for (has, needs, expected) in [
        ("1.26.8", "1.26.6", true),
        ("1.26.6", "1.26.6", true),
        ("1.9", "1.26", false),
        ("1.26.8", "1.27", false),
        ("1.26.10", "1.26.9", true),
        ("1.27rc1", "1.27", true),
        ("1.26", "1.26.0", true),
        ("2.0", "1.99.9", true),
    ] {
        assert_eq!(is_new_enough(has, needs), expected, "{has} for {needs}");
    }
}

#[test]
fn a_replacement_outside_the_folder_is_found() {
    for line in
        ["replace a => ../a", "\ta v1.0.0 => /src/a", "replace a => ./b/../../c", "replace a => \"../a\""]
    {
        assert_eq!(outside(&format!("module x\n{line}\n")), Some(line.trim()));
    }
    assert_eq!(outside("replace a => ./a\nreplace b => example.org/b v1.0.0\n// a => ../a\n"), None);
}
