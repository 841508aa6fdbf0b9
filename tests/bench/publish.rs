// SPDX-License-Identifier: Apache-2.0
//! Publishing against a local sink: how many blocks are sent, how fast, to how many regions, and what a resume repeats.
//!
//! The image is as large as a finished one (8.5 GB, 1,934 blocks that are not zero), in a file with holes. kiln's side is a
//! process of its own; the sink believes checksums, so that the machine is kiln's. coldsnap, which is built where it is
//! missing, sends the same file to the same sink, every block as it does by default and those alone that are not zero.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kiln::blocks::{BLOCK, BlockList};
use kiln::host::disk::{image_digests, open_image};
use kiln::progress::Silent;
use kiln::publish::{Pristine, Subject};

use crate::aws::coldsnap;
use crate::aws::double::{Double, Fault, Weather};
use crate::aws::stage::{REGIONS, facts, publish, target};
use crate::bases::noise;

const IMAGE_BYTES: u64 = 8_455_716_864;
const BLOCKS: u64 = 1934;
/// Those that the pristine base has as well, of which a bake changes some: partition table, ROOT.
const OF_BASE: u64 = 1182;
const CHANGED: u64 = 12;
/// What AWS's guidance reckons for one PutSnapshotBlock ("Optimize performance for EBS direct APIs").
const AS_AWS: Duration = Duration::from_millis(100);

/// What one run took.
struct Run {
    seconds: f64,
    puts: usize,
    peak_mb: u64,
}

/// What the runs of all rounds took.
#[derive(Default)]
struct Runs {
    hashing: Vec<f64>,
    sink: Vec<Run>,
    one: Vec<Run>,
    three: Vec<Run>,
    coldsnap: Vec<Run>,
    coldsnap_all: Vec<Run>,
}

/// Measures and prints.
pub fn run(rounds: usize) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-publish");
    fs::create_dir_all(&folder).unwrap();
    let image = image(&folder, "node.raw", 0..BLOCKS, 7);
    list(&image);
    coldsnap::program();
    let mut runs = Runs::default();
    // The first round warms up.
    turn(&image, &mut Runs::default());
    for _ in 0..rounds {
        turn(&image, &mut runs);
    }
    print(&runs);
    on_its_base(&folder, &image);
    let share = resumed(&image);
    println!("resume after a kill at 50 % sends {share:.1} % (target 52: {})", verdict(share <= 52.0));
}

fn turn(image: &Path, runs: &mut Runs) {
    let started = Instant::now();
    hash(image);
    runs.hashing.push(started.elapsed().as_secs_f64());
    let rival = coldsnap_to(image, &["--omit-zero-blocks"]);
    let sink = publish_to(image, 1, Duration::ZERO);
    let rival_all = coldsnap_to(image, &[]);
    let (one, three) = (publish_to(image, 1, AS_AWS), publish_to(image, 3, AS_AWS));
    let lines =
        [("sink", &sink), ("coldsnap", &rival), ("all", &rival_all), ("one", &one), ("three", &three)];
    for (name, run) in lines {
        eprintln!("{name}: {:.2} s, {} PUTs, {} MB", run.seconds, run.puts, run.peak_mb);
    }
    assert_eq!(sink.puts as u64, BLOCKS, "every block that is not zero, and no other");
    assert_eq!(three.puts as u64, 3 * BLOCKS);
    runs.sink.push(sink);
    runs.coldsnap.push(rival);
    runs.coldsnap_all.push(rival_all);
    runs.one.push(one);
    runs.three.push(three);
}

fn print(runs: &Runs) {
    let seconds = |runs: &[Run]| runs.iter().map(|run| run.seconds).collect::<Vec<_>>();
    let puts = |runs: &[Run]| runs[0].puts;
    let peak = |runs: &[Run]| runs.iter().map(|run| run.peak_mb).max().unwrap();
    let ratio = |a: &[f64], b: &[f64]| median(a.iter().zip(b).map(|(a, b)| a / b).collect());
    let (all, omitting) = (puts(&runs.coldsnap_all), puts(&runs.coldsnap));
    println!(
        "PUTs for {IMAGE_BYTES} bytes: {BLOCKS}, the blocks that are not zero; coldsnap {all}, {omitting} with --omit-zero-blocks"
    );
    let mb = (BLOCKS * BLOCK) as f64 / 1e6;
    println!("to a local sink: {:.0} MB/s", mb / median(seconds(&runs.sink)));
    println!(
        "the same / hashing the image alone on one core: {:.2}",
        ratio(&seconds(&runs.sink), &runs.hashing)
    );
    let to_rival = ratio(&seconds(&runs.sink), &seconds(&runs.coldsnap));
    println!(
        "the same / coldsnap --omit-zero-blocks: {to_rival:.2} (target 1.00: {}), / coldsnap: {:.2}",
        verdict(to_rival <= 1.0),
        ratio(&seconds(&runs.sink), &seconds(&runs.coldsnap_all))
    );
    let (own, rivals) = (peak(&runs.sink), peak(&runs.coldsnap));
    println!("peak memory: {own} MB, coldsnap {rivals} MB (target half: {})", verdict(2 * own <= rivals));
    let to_three = ratio(&seconds(&runs.three), &seconds(&runs.one));
    println!(
        "three regions / one, a block takes 100 ms: {to_three:.2} (target 1.30: {})",
        verdict(to_three <= 1.3)
    );
    println!("peak memory: one region {} MB, three {} MB", peak(&runs.one), peak(&runs.three));
}

/// Publishes an image on a snapshot of its base which the account has already, and prints how much was sent.
fn on_its_base(folder: &Path, node: &Path) {
    let base = image(folder, "base.raw", 0..OF_BASE, 7);
    let former = image(folder, "former.raw", 0..OF_BASE + 1, 7);
    // The finished image holds the base's blocks but for these, which it has written.
    let changed = image(folder, "changed.raw", 0..BLOCKS, 7);
    let file = File::options().write(true).open(&changed).unwrap();
    for number in 0..CHANGED {
        file.write_all_at(&noise(8 + number, BLOCK as usize), number * STRIDE).unwrap();
    }
    [&base, &former, &changed].into_iter().for_each(|path| list(path));
    forget(node);
    let double = sink(Duration::ZERO);
    let publish = |image: &Path| assert!(command(image, &double, 1).arg(&base).status().unwrap().success());
    publish(&former);
    double.forget_calls();
    publish(&changed);
    let (sent, differ) = (double.count("ebs:PutSnapshotBlock"), (BLOCKS - OF_BASE + CHANGED) as f64);
    let share = sent as f64 / differ;
    println!(
        "PUTs on a snapshot of the base: {sent}, {share:.2} of the blocks that differ (target 1.05: {})",
        verdict(share <= 1.05)
    );
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How far from one block to the next that is not zero, in bytes.
const STRIDE: u64 = IMAGE_BYTES / BLOCK / BLOCKS * BLOCK;

/// Returns an image, made where missing: blocks of noise, spread over the disk.
fn image(folder: &Path, name: &str, numbers: Range<u64>, seed: u64) -> PathBuf {
    let path = folder.join(name);
    if !path.exists() {
        let half = folder.join("half");
        let file = File::create(&half).unwrap();
        file.set_len(IMAGE_BYTES).unwrap();
        let blocks = noise(seed, (BLOCKS * BLOCK) as usize);
        for number in numbers {
            let block = &blocks[(number * BLOCK) as usize..][..BLOCK as usize];
            file.write_all_at(block, number * STRIDE).unwrap();
        }
        fs::rename(half, &path).unwrap();
    }
    path
}

fn list_path(image: &Path) -> PathBuf {
    image.with_extension("blocks")
}

/// Writes down the image's blocks, as a bake does.
fn list(image: &Path) {
    fs::write(list_path(image), serde_json::to_vec(&hash(image)).unwrap()).unwrap();
}

fn hash(image: &Path) -> BlockList {
    image_digests(&*open_image(image).unwrap(), 1, &Silent).unwrap()
}

fn sink(delay: Duration) -> Double {
    let double = Double::start(Weather { forgets_bytes: true, believes: true, ..Weather::default() });
    if delay > Duration::ZERO {
        double.set_faults(move |call| match call.action.as_str() {
            "ebs:PutSnapshotBlock" => Fault::Late(delay),
            _ => Fault::None,
        });
    }
    double
}

fn command(image: &Path, double: &Double, regions: usize) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["publish-child", image.to_str().unwrap(), &double.url(), &regions.to_string()]);
    child.stdout(Stdio::null());
    child
}

fn publish_to(image: &Path, regions: usize, delay: Duration) -> Run {
    forget(image);
    let double = sink(delay);
    let command = command(image, &double, regions);
    measured(command, &double)
}

fn coldsnap_to(image: &Path, more: &[&str]) -> Run {
    let double = sink(Duration::ZERO);
    let mut command = coldsnap::coldsnap(&double.url(), &["upload", "--no-progress"]);
    command.args(more).arg(image).stdout(Stdio::null());
    measured(command, &double)
}

fn measured(mut command: Command, double: &Double) -> Run {
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut peak_kb = 0;
    while child.try_wait().unwrap().is_none() {
        peak_kb = peak_kb.max(crate::program::high_water_kb(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = started.elapsed().as_secs_f64();
    assert!(child.wait().unwrap().success());
    Run { seconds, puts: double.count("ebs:PutSnapshotBlock"), peak_mb: peak_kb / 1000 }
}

/// Kills a publication when half of its blocks have arrived, resumes it, and returns how much that sends, in percent.
fn resumed(image: &Path) -> f64 {
    forget(image);
    let double = sink(Duration::ZERO);
    let mut child = command(image, &double, 1).spawn().unwrap();
    while (double.count("ebs:PutSnapshotBlock") as u64) < BLOCKS / 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before half");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = double.count("ebs:PutSnapshotBlock");
    double.forget_calls();
    assert!(command(image, &double, 1).status().unwrap().success());
    let sent = double.count("ebs:PutSnapshotBlock");
    eprintln!("killed after {before} blocks, resumed with {sent}");
    sent as f64 * 100.0 / BLOCKS as f64
}

/// Removes the journal of the last run.
fn forget(image: &Path) {
    for entry in fs::read_dir(image.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "aws-journal") {
            fs::remove_file(path).unwrap();
        }
    }
}

/// kiln's side: publishes the image, whose list is known as after a bake, on its base if one is named.
pub fn child(words: &[String]) {
    let path = PathBuf::from(&words[0]);
    let blocks =
        |path: &Path| -> BlockList { serde_json::from_slice(&fs::read(list_path(path)).unwrap()).unwrap() };
    let facts = facts(blocks(&path));
    let mut subject = Subject { image: open_image(&path).unwrap(), path, facts, base: None };
    let base = words.get(3).map(Path::new);
    subject.base = base.map(|path| Pristine { blocks: blocks(path), image: open_image(path).unwrap() });
    let more = if base.is_some() { "base: make\n" } else { "" };
    let target = target(&subject, &REGIONS[..words[2].parse().unwrap()], more);
    publish(&words[1], &subject, &target).unwrap_or_else(|error| panic!("{error}"));
}
