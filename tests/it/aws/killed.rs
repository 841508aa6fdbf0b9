// SPDX-License-Identifier: Apache-2.0
//! A publication to three regions that is killed at every call and stopped at every line of its journal: the next run makes
//! of it what an undisturbed one makes, and sends nothing twice that was written down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use kiln::digest::Digest;
use kiln::host::fault;
use kiln::publish::journal::{Journal, Piece, Upload};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::double::{Double, Fault, Weather, content};
use super::stage::{
    EVERYTHING, REGIONS, left, publish, small, small_base, subject, target, unpublish, with_base,
};

/// More lines than a journal of these tests has.
const LINES_MAX: u32 = 100;

fn publish_in(folder: &Path, url: &str) -> Result<(), String> {
    let subject = with_base(subject(folder, small()), small_base());
    // One region builds on the base, which has to be made there as well.
    let target = target(&subject, &REGIONS, &format!("{EVERYTHING}base: make\n"));
    publish(url, &subject, &target).map(drop).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    })
}

#[test]
#[ignore = "run by the tests below"]
fn child() {
    let variable = |name: &str| std::env::var(name).ok();
    if let Some(writes) = variable("KILN_AWS_WRITES") {
        fault::arm(writes.parse().unwrap());
    }
    let folder = PathBuf::from(variable("KILN_AWS_FOLDER").unwrap());
    if let Err(words) = publish_in(&folder, &variable("KILN_AWS_URL").unwrap()) {
        eprintln!("publish failed: {words}");
        std::process::exit(1);
    }
}

fn start(folder: &Path, double: &Double, writes: Option<u32>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "aws::killed::child", "--ignored", "--nocapture", "-q"]);
    command.env("KILN_AWS_FOLDER", folder).env("KILN_AWS_URL", double.url());
    if let Some(writes) = writes {
        command.env("KILN_AWS_WRITES", writes.to_string());
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a publication that is killed at call `number`, before or after it has happened; returns whether it came to that.
fn killed_at(number: usize, is_after: bool, folder: &Path, double: &Double) -> bool {
    let pid = Arc::new(AtomicI32::new(0));
    let whom = pid.clone();
    double.set_faults(move |call| {
        // Whatever comes from a process that is being killed has come too late.
        if call.number < number {
            return Fault::None;
        }
        while whom.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        // Once: later the process may be gone, and its number another's.
        if call.number == number {
            let _ = kill(Pid::from_raw(whom.load(Ordering::SeqCst)), Signal::SIGKILL);
        }
        if is_after && call.number == number { Fault::CutAfter } else { Fault::CutBefore }
    });
    let mut child = start(folder, double, None);
    pid.store(child.id() as i32, Ordering::SeqCst);
    let status: ExitStatus = child.wait().unwrap();
    double.no_faults();
    !status.success()
}

/// What the journal says was sent, by region and snapshot.
fn written(folder: &Path, image: &Digest) -> Vec<(String, String, u64)> {
    let path = folder.join(format!("node.{}.aws-journal", &image.to_string()[..12]));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let Some(journal) = Journal::parse(lines, image).unwrap() else { return Vec::new() };
    let mut sent = Vec::new();
    for piece in [Piece::Base, Piece::Image] {
        for region in REGIONS {
            let Some(written) = journal.written(&Upload { region: region.to_owned(), piece }) else {
                continue;
            };
            let Some(snapshot) = &written.snapshot else { continue };
            let blocks = written.sent.pairs().into_iter().flat_map(|(first, last)| first..=last);
            sent.extend(blocks.map(|index| (region.to_owned(), snapshot.clone(), index)));
        }
    }
    sent
}

/// Goes on and expects what an undisturbed run makes.
fn goes_on(what: &str, folder: &Path, double: &Double) {
    let subject = subject(folder, small());
    let puts = double.state().puts.clone();
    let sent = written(folder, &subject.facts.digest);
    publish_in(folder, &double.url()).unwrap_or_else(|words| panic!("{what}: {words}"));
    let mut state = double.state();
    for block in sent {
        assert_eq!(state.puts[&block], puts[&block], "{what}: {block:?} was written down and sent again");
    }
    assert!(state.puts.values().all(|times| *times <= 2), "{what}");
    let expected: BTreeMap<u64, Digest> = subject.facts.blocks.blocks.iter().copied().collect();
    for (name, left) in left(&mut state) {
        // The base's snapshot is no image's, and stays for the next one.
        assert_eq!(left, (1, 1, 1), "{what}: {name}");
    }
    for name in REGIONS {
        let region = state.region(name);
        let image = region.images.values().next().unwrap();
        assert_eq!(content(region, &image.snapshots[0]), expected, "{what}");
        assert_eq!(region.parameters["/kiln/node/one"].pointed_at, "available 123456789012,210987654321");
    }
}

/// Kills at every `step`th call from `first`.
fn kill_everywhere(first: usize, step: usize) -> usize {
    let mut number = first;
    loop {
        for is_after in [false, true] {
            let (folder, double) = (tempfile::tempdir().unwrap(), Double::start(Weather::default()));
            if !killed_at(number, is_after, folder.path(), &double) {
                return number;
            }
            let action = double.state().calls[number - 1].action.clone();
            goes_on(&format!("call {number}, after: {is_after}"), folder.path(), &double);
            // What only reads has no after.
            if ["ec2:Describe", "ec2:Get", "ssm:Get"].iter().any(|read| action.starts_with(read)) {
                break;
            }
        }
        number += step;
    }
}

#[test]
fn killed_at_every_call_it_goes_on() {
    let ends: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=2).map(|first| scope.spawn(move || kill_everywhere(first, 2))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    println!("killed at each of {} calls, before and after", ends.iter().max().unwrap() - 1);
    assert!(ends.iter().all(|end| *end > 80), "{ends:?}");
}

#[test]
fn with_a_full_disk_at_every_line_of_the_journal_and_a_torn_line_it_goes_on() {
    let mut lines = 0;
    for writes in 0..LINES_MAX {
        let (folder, double) = (tempfile::tempdir().unwrap(), Double::start(Weather::default()));
        let output = start(folder.path(), &double, Some(writes)).wait_with_output().unwrap();
        if output.status.success() {
            break;
        }
        lines = writes + 1;
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains("can't write") || words.contains("can't open"), "{words}");
        assert!(words.contains("No space left on device"), "{words}");
        // A journal that could not be opened is not there.
        if let Some(journal) = std::fs::read_dir(folder.path()).unwrap().next() {
            let journal = journal.unwrap().path();
            let whole = std::fs::read_to_string(&journal).unwrap();
            std::fs::write(&journal, whole + "{\"sent\":{\"upload\":{\"regi").unwrap();
        }
        goes_on(&format!("line {writes}"), folder.path(), &double);
    }
    println!("stopped at each of {lines} additions to the journal");
    assert!(lines > 15, "{lines}");
}

#[test]
fn what_was_broken_off_anywhere_can_be_taken_back_whole() {
    for number in (1..).step_by(7) {
        let (folder, double) = (tempfile::tempdir().unwrap(), Double::start(Weather::default()));
        if !killed_at(number, true, folder.path(), &double) {
            return;
        }
        let subject = subject(folder.path(), small());
        let target = target(&subject, &REGIONS, EVERYTHING);
        unpublish(&double.url(), &subject, &target).unwrap_or_else(|error| panic!("{number}: {error}"));
        let mut state = double.state();
        // A whole snapshot of the base serves other images.
        let is_left = |region: &super::double::RegionState| {
            let is_base = |it: &super::double::ebs::Snapshot| it.tags.contains_key("kiln:base");
            !region.images.is_empty()
                || !region.snapshots.values().all(|it| is_base(it) && it.state == "completed")
        };
        assert!(!state.regions.values().any(is_left), "call {number}");
        assert!(left(&mut state).values().all(|left| left.2 == 0), "call {number}");
    }
}
