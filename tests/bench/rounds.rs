// SPDX-License-Identifier: Apache-2.0
//! Turns, medians and the table.

use std::collections::BTreeMap;

/// A case's name and what it does, for the table.
pub type Case = (&'static str, &'static str);

/// Two cases to compare and the most that the first may take of the second.
pub type Ratio = (&'static str, &'static str, f64);

/// The calibration may differ this much from its median before the run is called disturbed.
const DRIFT: f64 = 0.10;

/// What a case took in each round, in seconds, and the most memory that it reported, in kB.
pub type Times = BTreeMap<&'static str, Vec<(f64, u64)>>;

/// Runs every case once to warm up, then in turns.
pub fn take_turns(cases: &[Case], rounds: usize, time: impl Fn(&str) -> (f64, u64)) -> Times {
    let mut times = Times::new();
    for round in 0..=rounds {
        let mut order: Vec<&'static str> = cases.iter().map(|(name, _)| *name).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for name in order {
            let taken = time(name);
            eprintln!("round {round}: {name} {:.3} s", taken.0);
            if round > 0 {
                times.entry(name).or_default().push(taken);
            }
        }
    }
    times
}

/// Prints medians and paired ratios, and whether the machine was quiet.
pub fn print(times: &Times, cases: &[Case], ratios: &[Ratio]) {
    println!("{:<16} {:>8} {:>8} {:>8} {:>9}  what", "case", "median s", "min", "max", "peak MB");
    for (name, what) in cases {
        let seconds: Vec<f64> = times[name].iter().map(|(seconds, _)| *seconds).collect();
        let peak = times[name].iter().map(|(_, peak)| *peak).max().unwrap_or(0);
        let (min, max) = seconds.iter().fold((f64::MAX, 0.0_f64), |(min, max), s| (min.min(*s), max.max(*s)));
        let peak = if peak == 0 { "-".into() } else { format!("{}", peak / 1000) };
        println!("{name:<16} {:>8.3} {min:>8.3} {max:>8.3} {peak:>9}  {what}", median(seconds));
    }
    for (one, other, target) in ratios {
        let paired = times[one].iter().zip(&times[other]).map(|((one, _), (other, _))| one / other);
        let ratio = median(paired.collect());
        let verdict = if ratio <= *target { "met" } else { "MISSED" };
        println!("{one} / {other}: {ratio:.2} (target {target:.2}: {verdict})");
    }
    let calibration: Vec<f64> = times["calibration"].iter().map(|(seconds, _)| *seconds).collect();
    let middle = median(calibration.clone());
    let drift = calibration.iter().map(|s| (s / middle - 1.0).abs()).fold(0.0, f64::max);
    let verdict = if drift <= DRIFT { "quiet" } else { "NOT QUIET: these numbers can't be quoted" };
    println!("calibration drifted by {:.0}%: {verdict}", drift * 100.0);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}
