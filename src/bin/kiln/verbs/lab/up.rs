// SPDX-License-Identifier: Apache-2.0
//! `kiln lab up|add`: until all nodes are Ready, then a table of them and what to try next.

use std::path::Path;
use std::time::Instant;

use kiln::exit::Exit;
use kiln::lab::{self, Backend, Joining, Lab, Order, Segment, Shape};
use kiln::settings::Runtime;
use kiln::stage::Stage;
use serde_json::json;

use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::out::say;
use crate::show::print_json;
use crate::surroundings::Surroundings;

pub(super) fn up(words: &cli::Up, here: &Surroundings) -> Result<Exit, Failure> {
    let start = Instant::now();
    let lab = words.lab.lab(here)?;
    is_there(&words.image)?;
    let network = network(words, here)?;
    let order = Order {
        image: words.image.clone(),
        network,
        nodes: 1 + u64::from(words.workers),
        shape: Shape { fabric: words.network.into(), runtime: words.runtime.into() },
        kiln: std::env::current_exe()?,
    };
    let mut made = lab::make(&lab, &order)?;
    if made.backend() == Backend::Nspawn {
        here.progress.say(PRIVILEGED);
    }
    match lab::form(&mut made, words.workers, &*here.progress) {
        Ok(joined) => {
            made.finish()?;
            show(&lab, &joined, start, here)
        }
        Err(error) if words.keep_on_failure => Err(error.into()),
        Err(error) => {
            drop(made);
            lab::down(&lab)?;
            Err(error.into())
        }
    }
}

/// The first thing that somebody tries may be a lab, before any image was baked.
fn is_there(image: &Path) -> Result<(), Failure> {
    if image.exists() {
        return Ok(());
    }
    let what = format!(
        "there is no image {}; image/bake-lab bakes target/lab/kiln-lab.raw, kiln bake any other",
        image.display()
    );
    Err(Failure::with(Exit::Failed, what))
}

const PRIVILEGED: &str =
    "nodes are privileged containers: what runs in them as root could change this machine";

/// Chooses what runs the nodes: containers, if the image's initrd does what somebody here knows.
fn network(words: &cli::Up, here: &Surroundings) -> Result<Segment, Failure> {
    let foreign = match words.backend {
        Some(_) => None,
        None => lab::foreign(&words.image)?,
    };
    if let Some(layout) = foreign {
        let image = words.image.display();
        here.progress
            .say(&format!("{image}: its layout is that of {layout}; its nodes are virtual machines"));
        return Ok(Segment::Switch);
    }
    Ok(match words.backend {
        Some(cli::Backend::Qemu) => Segment::Switch,
        _ => Segment::Own(lab::bridge()),
    })
}

pub(super) fn add(lab: &Lab, runtime: Option<Runtime>, here: &Surroundings) -> Result<Exit, Failure> {
    let start = Instant::now();
    let made = lab::open(lab, &std::env::current_exe()?)?;
    let joined = lab::add(&made, runtime, &*here.progress)?;
    show(lab, &joined, start, here)
}

fn show(lab: &Lab, joined: &[Joining], start: Instant, here: &Surroundings) -> Result<Exit, Failure> {
    let took = start.elapsed();
    match here.format {
        Format::Json => print_json(&json!({
            "name": lab.name,
            "kubeconfig": lab.kubeconfig(),
            "took_ms": took.as_millis() as u64,
            "nodes": joined.iter().map(described).collect::<Vec<_>>(),
        }))?,
        Format::Text => {
            say!("{:<12} {:<15} {:<18} READY AFTER", "NODE", "ADDRESS", "PODS");
            joined.iter().for_each(print);
            say!("\nlab {} is up after {:.1} s; its kubeconfig is", lab.name, took.as_secs_f64());
            say!("{}", lab.kubeconfig().display());
            print_next(lab);
        }
    }
    Ok(Exit::Done)
}

fn described(joining: &Joining) -> serde_json::Value {
    let record = &joining.node.record;
    json!({ "name": record.name, "address": record.network.address.addr(), "stages": joining.reached })
}

fn print(joining: &Joining) {
    let Some(last) = joining.reached.last() else { return };
    let blocks = match &last.stage {
        Stage::Ready { blocks } => blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        _ => String::new(),
    };
    let (name, address) = (&joining.node.record.name, joining.node.record.network.address.addr());
    say!("{name:<12} {address:<15} {blocks:<18} {:.1} s", last.after_ms as f64 / 1000.0);
}

fn print_next(lab: &Lab) {
    let which = if lab.name.to_string() == "lab" { String::new() } else { format!(" --name {}", lab.name) };
    say!("\nnext:");
    say!("  kubectl --kubeconfig {} get nodes", lab.kubeconfig().display());
    say!("  kiln lab smoke{which}");
    say!("  kiln lab shell worker-1{which}");
    say!("  kiln lab down{which}");
}
