// SPDX-License-Identifier: Apache-2.0
//! Publishing against a local sink: how many blocks are sent, how fast, to how many regions, and what a resume repeats.
//!
//! The image is as large as a finished one (8.5 GB, 1,934 blocks that are not zero), in a file with holes. kiln's side is a
//! process of its own; the sink believes checksums, so that the machine is kiln's.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kiln::blocks::{BLOCK, BlockList};
use kiln::host::disk::{image_digests, open_image};
use kiln::progress::Silent;
use kiln::publish::Subject;

use crate::aws::double::{Double, Fault, Weather};
use crate::aws::stage::{REGIONS, facts, publish, target};
use crate::bases::noise;

const IMAGE_BYTES: u64 = 8_455_716_864;
const BLOCKS: u64 = 1934;
/// What AWS's guidance reckons for one PutSnapshotBlock ("Optimize performance for EBS direct APIs").
const AS_AWS: Duration = Duration::from_millis(100);

/// What one run took.
struct Run {
    seconds: f64,
    puts: usize,
    peak_mb: u64,
}

/// Measures and prints.
pub fn run(rounds: usize) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-publish");
    fs::create_dir_all(&folder).unwrap();
    let image = image(&folder);
    let list = folder.join("blocks.json");
    fs::write(&list, serde_json::to_vec(&hash(&image)).unwrap()).unwrap();
    let (mut floor, mut fast, mut one, mut three) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let started = Instant::now();
        hash(&image);
        let hashed = started.elapsed().as_secs_f64();
        let to_sink = publish_to(&image, 1, Duration::ZERO);
        let (to_one, to_three) = (publish_to(&image, 1, AS_AWS), publish_to(&image, 3, AS_AWS));
        eprintln!(
            "round {round}: hash {hashed:.2} s, sink {:.2} s, as AWS: one {:.2} s, three {:.2} s, peak {} MB",
            to_sink.seconds, to_one.seconds, to_three.seconds, to_three.peak_mb
        );
        assert_eq!(to_sink.puts as u64, BLOCKS, "every block that is not zero, and no other");
        assert_eq!(to_three.puts as u64, 3 * BLOCKS);
        if round > 0 {
            floor.push(hashed);
            fast.push(to_sink);
            one.push(to_one);
            three.push(to_three);
        }
    }
    let mb = (BLOCKS * BLOCK) as f64 / 1e6;
    let paired = |a: &[f64], b: &[f64]| median(a.iter().zip(b).map(|(a, b)| a / b).collect());
    let seconds = |runs: &[Run]| runs.iter().map(|run| run.seconds).collect::<Vec<_>>();
    println!(
        "PUTs for {IMAGE_BYTES} bytes: {BLOCKS}, the blocks that are not zero exactly (of {})",
        IMAGE_BYTES / BLOCK
    );
    println!("to a local sink: {:.0} MB/s", mb / median(seconds(&fast)));
    println!("to a local sink / hashing the image alone on one core: {:.2}", paired(&seconds(&fast), &floor));
    let ratio = paired(&seconds(&three), &seconds(&one));
    println!(
        "three regions / one, a block takes 100 ms: {ratio:.2} (target 1.30: {})",
        verdict(ratio <= 1.3)
    );
    let peak = |runs: &[Run]| runs.iter().map(|run| run.peak_mb).max().unwrap();
    println!("peak memory: one region {} MB, three {} MB", peak(&one), peak(&three));
    let share = resumed(&image);
    println!("resume after a kill at 50 % sends {share:.1} % (target 52: {})", verdict(share <= 52.0));
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the image, made where missing: blocks of noise, spread over the disk.
fn image(folder: &Path) -> PathBuf {
    let path = folder.join("node.raw");
    if !path.exists() {
        let half = folder.join("half");
        let file = File::create(&half).unwrap();
        file.set_len(IMAGE_BYTES).unwrap();
        let blocks = noise(7, (BLOCKS * BLOCK) as usize);
        for number in 0..BLOCKS {
            let at = number * (IMAGE_BYTES / BLOCK / BLOCKS) * BLOCK;
            file.write_all_at(&blocks[(number * BLOCK) as usize..][..BLOCK as usize], at).unwrap();
        }
        fs::rename(half, &path).unwrap();
    }
    path
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
    let started = Instant::now();
    let mut child = command(image, &double, regions).spawn().unwrap();
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

/// kiln's side: publishes the image, whose list is known as after a bake.
pub fn child(words: &[String]) {
    let path = PathBuf::from(&words[0]);
    let list = fs::read(path.with_file_name("blocks.json")).unwrap();
    let facts = facts(serde_json::from_slice(&list).unwrap());
    let subject = Subject { image: open_image(&path).unwrap(), path, facts, base: None };
    let target = target(&subject, &REGIONS[..words[2].parse().unwrap()], "");
    publish(&words[1], &subject, &target).unwrap_or_else(|error| panic!("{error}"));
}
