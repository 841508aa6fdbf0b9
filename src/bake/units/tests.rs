// SPDX-License-Identifier: Apache-2.0
//! The syntax, by examples of systemd.syntax(7).

use super::*;

fn item(section: &str, key: &str, value: &str, line: u32) -> Item {
    Item { section: section.into(), key: key.into(), value: value.into(), line }
}

#[test]
fn continuations_are_joined_around_comments() {
    let text = "[Section C]\nKeyThree=value 3\\\n# this line is ignored\n; this line is ignored too\n       value 3 continued\n";
    let (file, errors) = parse(text);
    assert_eq!(errors, []);
    let key = item("Section C", "KeyThree", "value 3 value 3 continued", 2);
    assert_eq!(file.items, [item("Section C", "", "", 1), key]);
}

#[test]
fn everything_wrong_is_told_with_its_line() {
    let (_, errors) = parse("A=b\n[Unit\n[Unit]\nWants\n=x\nWants=a");
    let told: Vec<(u32, &str)> = errors.iter().map(|error| (error.line, error.what)).collect();
    let expected = [
        (1, "assignment stands before the first [Section]"),
        (2, "section header lacks its ']'"),
        (4, "neither a [Section] nor a Key=value"),
        (5, "nothing stands before the '='"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_empty_assignment_empties_a_list() {
    let (file, _) = parse("[Unit]\nWants=a b\nWants=\nWants=c\n");
    assert_eq!(file.words("Unit", "Wants"), ["c"]);
}

#[test]
fn names_are_told_apart() {
    for name in ["a.service", "a@.timer", "a@b\\x2d.service", "systemd-x.slice"] {
        assert!(is_unit_name(name), "{name}");
    }
    for name in ["a", ".service", "@b.service", "a b.service", "a/b.service", "a.conf", &"x".repeat(300)] {
        assert!(!is_unit_name(name), "{name}");
    }
    assert!(is_drop_in_name("docker.service.d/10-kiln.conf") && is_drop_in_name("service.d/a.conf"));
    assert!(!is_drop_in_name("docker.d/a.conf") && !is_drop_in_name("docker.service.d/.conf"));
    assert_eq!(template_of("a@b.c.service"), Some(("a@.service".into(), "b.c")));
}
