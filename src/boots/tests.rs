use proptest::prelude::*;

use super::*;
use crate::audit::Screen;
use crate::cluster::Meta;

const SCREEN: Screen = Screen { columns: 80, is_unicode: false };

fn node(name: &str, annotation: Option<&str>) -> Node {
    let annotations = annotation.map(|line| (REPORT.to_owned(), line.to_owned())).into_iter().collect();
    Node {
        meta: Meta { name: name.to_owned(), annotations, ..Meta::default() },
        pod_cidrs: Vec::new(),
        provider_id: String::new(),
        taints: Vec::new(),
        hardware_ids: Vec::new(),
        addresses: Vec::new(),
        is_ready: true,
    }
}

fn report(took_ms: u64, steps: &[(&str, u64, u64)]) -> Report {
    let step = |(step, at_ms, took_ms): &(&str, u64, u64)| Done {
        step: (*step).to_owned(),
        at_ms: *at_ms,
        took_ms: *took_ms,
        tries: 1,
        ..Done::default()
    };
    let steps = steps.iter().map(step).collect();
    Report { version: 1, took_ms, requests: 7, steps, ..Report::default() }
}

fn told(report: &Report) -> Told {
    boots(&[node("w", Some(&report.line()))]).remove(0).told
}

#[test]
fn timelines_are_on_one_scale_and_slow_steps_are_named() {
    let quick = report(400, &[("csr-create", 0, 95), ("csr-await", 95, 205), ("file", 390, 10)]);
    let slow = report(800, &[("csr-create", 0, 200), ("csr-await", 300, 500)]);
    let nodes = [node("w2", Some(&slow.line())), node("w1", Some(&quick.line())), node("hand-made", None)];
    let boots = boots(&nodes);
    let expected = "\
w1    400 ms    7 requests CCCCCCWWWWWWWWWWWWWW.....f
w2    800 ms    7 requests CCCCCCCCCCCCC......WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW

a sign is 15.4 ms: C csr-create, W csr-await, f file

slowest steps      nodes    median       95 %      most  tries  slowest node
csr-await              2    500 ms     500 ms    500 ms      2  w2
csr-create             2    200 ms     200 ms    200 ms      2  w2
file                   1     10 ms      10 ms     10 ms      1  w1

hand-made: no report
";
    assert_eq!(text(&boots, SCREEN), expected);
}

#[test]
fn a_report_that_contradicts_itself_is_broken() {
    for (line, why) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        (r#"{"version":1}"#, "missing field `kiln` at line 1 column 13"),
        (&report(5, &[("key", 4, 9)]).line(), "its step key ends after the run"),
        (&report(5, &[("key", u64::MAX, 1)]).line(), "its step key ends after the run"),
        (&report(u64::MAX, &[]).line(), "it took 18446744073709551615 ms, longer than any run may"),
        (&Report { version: 2, ..report(5, &[]) }.line(), "its version is 2, and this kiln reads 1"),
        (&"x".repeat(300_000), "it is longer than 262144 bytes"),
    ] {
        let told = boots(&[node("w", Some(line))]).remove(0).told;
        assert_eq!(told, Told::Broken(why.to_owned()));
    }
}

/// Node names are the server's; all else in a report is the node's own.
#[test]
fn what_a_node_writes_is_shown_as_text_only() {
    let evil = "</text><script>alert(1)</script>\u{1b}[2J\u{202e}\"'&\u{7}\u{ffff}";
    let mut report = report(5, &[(evil, 0, 5)]);
    report.steps[0].trouble = Some(evil.to_owned());
    report.reason = Some(evil.to_owned());
    report.blocks = vec![evil.to_owned()];
    let boots = boots(&[node("w", Some(&report.line())), node("x", Some(evil))]);
    let shown = [text(&boots, SCREEN), svg(&boots), serde_json::to_string(&boots).unwrap()];
    for shown in &shown {
        assert!(!shown.chars().any(|char| char.is_control() && char != '\n'), "{shown:?}");
        assert!(!shown.contains('\u{202e}'), "{shown:?}");
    }
    assert!(!shown[1].contains("<script"), "{}", shown[1]);
    assert!(shown[1].contains("&lt;script&gt;"));
}

proptest! {
    #[test]
    fn no_annotation_breaks_the_reader(line in ".{0,200}", columns in 0_usize..200) {
        let boots = boots(&[node("w", Some(&line))]);
        let screen = Screen { columns, is_unicode: true };
        prop_assert!(!text(&boots, screen).is_empty());
        prop_assert!(svg(&boots).ends_with("</svg>\n"));
    }

    #[test]
    fn any_sound_report_is_shown(steps in proptest::collection::vec((0_u64..9_000, 0_u64..900), 0..40), more in 0_u64..99) {
        let took = steps.iter().map(|(at, took)| at + took).max().unwrap_or(0) + more;
        let steps: Vec<(&str, u64, u64)> = steps.iter().map(|(at, took)| ("file", *at, *took)).collect();
        let report = report(took, &steps);
        prop_assert!(matches!(told(&report), Told::Report(_)));
        let shown = text(&boots(&[node("w", Some(&report.line()))]), SCREEN);
        prop_assert!(shown.lines().next().unwrap().chars().count() <= 80, "{}", shown);
    }
}
