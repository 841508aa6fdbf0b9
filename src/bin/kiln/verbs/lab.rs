// SPDX-License-Identifier: Apache-2.0
//! `kiln lab ...`: a cluster on this machine from the image that was baked.

mod look;
mod up;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use kiln::exit::Exit;
use kiln::lab::{self, Ended, Lab, LabError, Node};

use crate::cli;
use crate::failure::Failure;
use crate::out::{say, tell};
use crate::surroundings::Surroundings;

/// Longest boot of a node whose machine is busy with others.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// Longest polite end of a node and its next start.
const REBOOT_LIMIT: Duration = Duration::from_secs(180);

/// `kiln lab ...`
pub fn lab(words: &cli::Lab, here: &Surroundings) -> Result<Exit, Failure> {
    match words {
        cli::Lab::Up(words) => up::up(words, here),
        cli::Lab::List => look::list(here),
        cli::Lab::Status(which) => look::status(&which.lab(here)?, here),
        cli::Lab::Logs(which) => logs(&which.node(here)?),
        cli::Lab::Shell(which) => shell(&which.node(here)?),
        cli::Lab::Exec { node, command } => exec(&node.node(here)?, command),
        cli::Lab::Kill(which) => done(which.node(here)?.kill()),
        cli::Lab::Start(which) => start(&which.node(here)?),
        cli::Lab::Reboot(which) => done(which.node(here)?.reboot(REBOOT_LIMIT)),
        cli::Lab::Add { lab, runtime } => up::add(&lab.lab(here)?, runtime.map(Into::into), here),
        cli::Lab::Forward { lab, target, port } => forward(&lab.lab(here)?, target, *port),
        cli::Lab::Load { lab, archive } => done(lab::load(&lab.lab(here)?, archive, &*here.progress)),
        cli::Lab::Smoke(which) => look::smoke(&which.lab(here)?, here),
        cli::Lab::Down(which) => done(lab::down(&which.lab(here)?)),
        cli::Lab::Keep { folder } => keep(folder),
        cli::Lab::Order { folder, limit, command } => order(folder, *limit, command),
        cli::Lab::Switch { record } => done(lab::switch(record)),
        cli::Lab::Carry { folder } => done(lab::carry(folder)),
    }
}

impl cli::WhichLab {
    fn lab(&self, here: &Surroundings) -> Result<Lab, Failure> {
        Ok(Lab { name: self.name.clone(), places: here.labs()? })
    }
}

impl cli::WhichNode {
    fn node(&self, here: &Surroundings) -> Result<Node, Failure> {
        Ok(Node::of(&self.lab.lab(here)?, &self.node)?)
    }
}

fn done(result: Result<(), LabError>) -> Result<Exit, Failure> {
    result?;
    Ok(Exit::Done)
}

fn logs(node: &Node) -> Result<Exit, Failure> {
    crate::out::put(format_args!("{}", node.console()?));
    Ok(Exit::Done)
}

fn shell(node: &Node) -> Result<Exit, Failure> {
    Err(node.inside(["bash", "--login"], Duration::MAX)?.become_it().into())
}

fn exec(node: &Node, command: &[String]) -> Result<Exit, Failure> {
    Err(node.inside(command, Duration::MAX)?.become_it().into())
}

fn start(node: &Node) -> Result<Exit, Failure> {
    node.power_on(&std::env::current_exe()?)?;
    node.wait_started(BOOT_LIMIT)?;
    Ok(Exit::Done)
}

fn forward(lab: &Lab, target: &str, port: u16) -> Result<Exit, Failure> {
    let target = address(lab, target)?;
    done(lab::forward(lab, target, port, |address| say!("{address} leads to {target}")))
}

/// Reads ADDRESS:PORT or NODE:PORT.
fn address(lab: &Lab, text: &str) -> Result<SocketAddr, Failure> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wrong = || Failure::with(Exit::Usage, format!("{text:?} is neither NODE:PORT nor ADDRESS:PORT"));
    let (node, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (node, port) = (node.parse().map_err(|_| wrong())?, port.parse().map_err(|_| wrong())?);
    Ok(SocketAddr::new(Node::of(lab, &node)?.record.network.address.addr(), port))
}

/// Ends with the exit code of the program, whatever that is.
fn order(folder: &Path, limit: Option<u64>, command: &[String]) -> Result<Exit, Failure> {
    let status = lab::order(folder, command, limit.map(Duration::from_secs))?;
    std::process::exit(status);
}

fn keep(folder: &Path) -> Result<Exit, Failure> {
    match lab::keep(folder)? {
        Ended::Off => Ok(Exit::Done),
        Ended::Failed { program, code } => {
            tell!("kiln: {program} ended with {code}");
            Ok(Exit::Failed)
        }
    }
}
