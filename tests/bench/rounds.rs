// SPDX-License-Identifier: Apache-2.0
//! Turns, medians and the table.

use std::collections::BTreeMap;

/// A case's name and what it does, for the table.
pub type Case = (&'static str, &'static str);

/// Two cases to compare and the most that the first may take of the second.
pub type Ratio = (&'static str, &'static str, f64);

/// The calibration may differ this much from its median before the run is called disturbed.
const DRIFT: f64 = 0.10;

/// What one run of a case took.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// From start to synced output.
    pub seconds: f64,
    /// CPU time of its processes: what remains comparable on a busy machine.
    pub cpu_s: f64,
    /// The most memory it had, in kB; 0 where it did not say.
    pub peak_kb: u64,
}

/// What each case took in each round.
pub type Times = BTreeMap<&'static str, Vec<Taken>>;

/// Runs every case once to warm up, then in turns.
pub fn take_turns(cases: &[Case], rounds: usize, time: impl Fn(&str) -> Taken) -> Times {
    let mut times = Times::new();
    for round in 0..=rounds {
        let mut order: Vec<&'static str> = cases.iter().map(|(name, _)| *name).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for name in order {
            let taken = time(name);
            eprintln!("round {round}: {name} {:.3} s", taken.seconds);
            if round > 0 {
                times.entry(name).or_default().push(taken);
            }
        }
    }
    times
}

/// Prints medians and paired ratios, and whether the machine was quiet.
pub fn print(times: &Times, cases: &[Case], ratios: &[Ratio]) {
    println!(
        "{:<22} {:>8} {:>6} {:>6} {:>6} {:>8}  what",
        "case", "median s", "min", "max", "cpu s", "peak MB"
    );
    for (name, what) in cases {
        let of = |value: fn(&Taken) -> f64| times[name].iter().map(value).collect::<Vec<_>>();
        let seconds = of(|taken| taken.seconds);
        let (min, max) = seconds.iter().fold((f64::MAX, 0.0_f64), |(min, max), s| (min.min(*s), max.max(*s)));
        let (middle, cpu) = (median(seconds), median(of(|taken| taken.cpu_s)));
        let peak = times[name].iter().map(|taken| taken.peak_kb / 1000).max().unwrap_or(0);
        println!("{name:<22} {middle:>8.3} {min:>6.3} {max:>6.3} {cpu:>6.3} {peak:>8}  {what}");
    }
    for (one, other, target) in ratios {
        let paired = |value: fn(&Taken) -> f64| {
            let pairs = times[one].iter().zip(&times[other]);
            median(pairs.map(|(one, other)| value(one) / value(other)).collect())
        };
        let (ratio, cpu) = (paired(|taken| taken.seconds), paired(|taken| taken.cpu_s));
        let cpu = if cpu.is_finite() { format!(", cpu {cpu:.2}") } else { String::new() };
        let verdict = if ratio <= *target { "met" } else { "MISSED" };
        println!("{one} / {other}: {ratio:.2} (target {target:.2}: {verdict}){cpu}");
    }
    let calibration: Vec<f64> = times["calibration"].iter().map(|taken| taken.seconds).collect();
    let middle = median(calibration.clone());
    let drift = calibration.iter().map(|s| (s / middle - 1.0).abs()).fold(0.0, f64::max);
    let verdict = if drift <= DRIFT { "quiet" } else { "NOT QUIET: these numbers can't be quoted" };
    println!("calibration drifted by {:.0}%: {verdict}", drift * 100.0);
}

/// Returns the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}
