// SPDX-License-Identifier: Apache-2.0
//! `kiln bake` and `kiln plan`.

use anstyle::Style;
use kiln::bake::{self, Baked, Order, Output, State};
use kiln::exit::Exit;
use kiln::lock::TrustLevel;
use kiln::pin::{Mode, Move};
use kiln::problem::Problem;

use crate::cli::{self, Format, Inputs};
use crate::colour::{GOOD, TITLE, WARNING};
use crate::failure::Failure;
use crate::out::say;
use crate::show::{bytes, print_json};
use crate::surroundings::Surroundings;

/// `kiln bake MANIFEST`
pub fn bake(words: &cli::Bake, here: &Surroundings) -> Result<Exit, Failure> {
    let started = std::time::Instant::now();
    let order = Order {
        manifest: &words.manifest,
        folder: &words.folder,
        is_forced: words.force,
        with_sha256: words.digest,
    };
    let baked = here.at_desk(&words.inputs, |desk| Ok(bake::bake(&order, &mode(&words.inputs), desk)?))?;
    match here.format {
        Format::Json => print_json(&baked)?,
        Format::Text => summary(&baked, started.elapsed().as_secs_f64()),
    }
    Ok(Exit::Done)
}

/// `kiln plan MANIFEST`
pub fn plan(words: &cli::Plan, here: &Surroundings) -> Result<Exit, Failure> {
    let order =
        Order { manifest: &words.manifest, folder: &words.folder, is_forced: false, with_sha256: false };
    let prepared = here.at_desk(&words.inputs, |desk| Ok(bake::plan(&order, &mode(&words.inputs), desk)?))?;
    let actions = prepared.plan.actions();
    match here.format {
        Format::Json => print_json(&serde_json::json!({
            "plan": prepared.plan.digest, "actions": actions, "warnings": prepared.warnings, "moves": prepared.moves,
        }))?,
        Format::Text => {
            say!("plan {}", prepared.plan.digest);
            actions.iter().for_each(|action| say!("{action}"));
            print_warnings(&prepared.warnings);
        }
    }
    Ok(Exit::Done)
}

pub fn mode(words: &Inputs) -> Mode {
    if words.locked { Mode::Locked } else { Mode::Make }
}

fn summary(baked: &Baked, took_s: f64) {
    print_moves(&baked.moves);
    print_warnings(&baked.warnings);
    say!("{TITLE}inputs:{TITLE:#}");
    for (name, input) in &baked.description.inputs {
        let version = input.version.as_deref().unwrap_or("");
        let style = if input.trust == TrustLevel::FirstUse { WARNING } else { Style::new() };
        say!("  {name:<24} {version:<12} {style}{:<12}{style:#} {}", input.trust, input.because);
    }
    say!("{TITLE}outputs:{TITLE:#}");
    baked.outputs.iter().for_each(print_output);
    let description = &baked.description;
    say!("  {}", baked.description_path.display());
    say!(
        "{TITLE}image{TITLE:#}  {}  ({} disk, {} blocks in use)",
        description.image,
        bytes(description.size),
        description.blocks.blocks.len()
    );
    say!("{TITLE}plan{TITLE:#}   {}", description.plan);
    say!("outside ROOT and the partition table every byte is the base's; took {took_s:.1} s");
    if let Some(first) = baked.outputs.first() {
        say!("next: kiln inspect {0}, or kiln ls {0} /opt/bin", first.path.display());
    }
}

fn print_output(output: &Output) {
    let state = match output.state {
        State::Written => "written",
        State::UpToDate => "up to date",
    };
    let sizes = format!("{} ({} on disk)", bytes(output.size), bytes(output.disk_bytes));
    say!("  {}  {sizes}  {GOOD}{state}{GOOD:#}", output.path.display());
    if let Some(sha256) = output.sha256 {
        say!("    sha256 {sha256}");
    }
}

/// Prints what is odd and not wrong.
pub fn print_warnings(warnings: &[Problem]) {
    warnings.iter().for_each(|warning| say!("{WARNING}warning:{WARNING:#} {warning}"));
}

/// Says how the lock has moved; nothing if it has not.
pub fn print_moves(moves: &[Move]) {
    if !moves.is_empty() {
        say!("the lock has changed:");
    }
    moves.iter().for_each(|each| say!("  {each}"));
}
