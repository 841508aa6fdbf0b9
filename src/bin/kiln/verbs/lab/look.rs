// SPDX-License-Identifier: Apache-2.0
//! `kiln lab list|status|smoke`.

use kiln::exit::Exit;
use kiln::lab::{self, Api, Body, Condition, Lab, LabError, NodeState, Workaround};
use kiln::vm::Accelerator;

use crate::cli::Format;
use crate::failure::Failure;
use crate::out::say;
use crate::show::print_json;
use crate::surroundings::Surroundings;

pub(super) fn list(here: &Surroundings) -> Result<Exit, Failure> {
    let places = here.labs()?;
    let mut all = Vec::new();
    for name in lab::labs(&places)? {
        all.push(lab::state(&Lab { name, places: places.clone() })?);
    }
    match here.format {
        Format::Json => print_json(&all)?,
        Format::Text => all.iter().for_each(|condition| say!("{:<24} {}", condition.name, word(condition))),
    }
    Ok(Exit::Done)
}

fn word(condition: &Condition) -> String {
    match &condition.record {
        Some(record) if record.is_whole => {
            let up = condition.nodes.iter().filter(|node| node.system.is_some()).count();
            format!("{up} of {} nodes up", condition.nodes.len())
        }
        _ => format!("half made; remove it with kiln lab down --name {}", condition.name),
    }
}

pub(super) fn status(lab: &Lab, here: &Surroundings) -> Result<Exit, Failure> {
    if !lab::labs(&lab.places)?.contains(&lab.name) {
        return Err(LabError::NoLab(lab.name.clone()).into());
    }
    let mut condition = lab::state(lab)?;
    // A lab whose API server does not answer is shown without what it would say.
    let trouble = lab::ask_stages(lab, &mut condition).err();
    match here.format {
        Format::Json => print_json(&condition)?,
        Format::Text => print(&condition),
    }
    if let Some(trouble) = trouble {
        here.progress.say(&format!("its API server does not tell how far nodes are: {trouble}"));
    }
    Ok(Exit::Done)
}

pub(super) fn smoke(lab: &Lab, here: &Surroundings) -> Result<Exit, Failure> {
    let record = lab::record(lab)?.ok_or_else(|| LabError::NoLab(lab.name.clone()))?;
    let matrix = lab::smoke(&Api::of(lab)?, record.ground.pace(), &*here.progress)?;
    match here.format {
        Format::Json => print_json(&matrix)?,
        Format::Text => say!("{matrix}"),
    }
    Ok(if matrix.is_green() { Exit::Done } else { Exit::Failed })
}

fn print(condition: &Condition) {
    say!("lab {}: {}", condition.name, word(condition));
    say!("{:<12} {:<15} {:<11} {:<32} CONSOLE", "NODE", "ADDRESS", "SYSTEM", "IN THE CLUSTER");
    for NodeState { record, system, stage } in &condition.nodes {
        let (system, address) = (system.as_deref().unwrap_or("down"), record.network.address.addr());
        let stage = stage.as_ref().map_or_else(String::new, ToString::to_string);
        say!("{:<12} {address:<15} {system:<11} {stage:<32} {}", record.name, record.console.display());
    }
    if let Some(kubeconfig) = &condition.kubeconfig {
        say!("kubeconfig   {}", kubeconfig.display());
    }
    match condition.nodes.first().map(|node| &node.record.body) {
        Some(Body::Container(body)) => print_workarounds(&body.workarounds),
        Some(Body::Virtual(body)) => say!("run by QEMU, {}", accelerated(body.common.accelerator)),
        None => {}
    }
}

fn accelerated(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "on this machine's processors (KVM)",
        Accelerator::Tcg => "which emulates their processors",
    }
}

fn print_workarounds(workarounds: &[Workaround]) {
    say!("\nadded to the image in each node:");
    for workaround in workarounds {
        say!("- {}", workaround.because);
        workaround.means.iter().for_each(|means| say!("    {means}"));
    }
}
