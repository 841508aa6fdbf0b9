// SPDX-License-Identifier: Apache-2.0
//! `kiln lab ...`: a cluster on this machine from the image that was baked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use kiln::exit::Exit;
use kiln::lab::{
    self, Condition, Ended, Lab, LabError, Name, Node, NodeOrder, NodeState, Order, Places, Segment,
};

use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::show::print_json;
use crate::surroundings::Surroundings;

/// Longest boot of a node whose machine is busy with others.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// Longest polite end of a node.
const REBOOT_LIMIT: Duration = Duration::from_secs(180);
/// The segment of every lab: QEMU's user network, which the lab's image names as that of its hosts. Labs don't meet, as
/// each has a network namespace of its own.
const SEGMENT: [u8; 3] = [10, 0, 2];
/// The first node's last number; the bridge has 1.
const FIRST_NODE: u8 = 10;
/// Disk of a node: thin, it takes what is written.
const DISK_BYTES: u64 = 16 << 30;

/// `kiln lab ...`
pub fn lab(words: &cli::Lab, here: &Surroundings) -> Result<Exit, Failure> {
    match words {
        cli::Lab::Up(words) => up(words, here),
        cli::Lab::List => list(here),
        cli::Lab::Status(which) => status(&which.lab()?, here),
        cli::Lab::Logs(which) => logs(&which.node()?),
        cli::Lab::Shell(which) => shell(&which.node()?),
        cli::Lab::Exec { node, command } => exec(&node.node()?, command),
        cli::Lab::Kill(which) => done(which.node()?.kill()),
        cli::Lab::Reboot(which) => done(which.node()?.reboot(REBOOT_LIMIT)),
        cli::Lab::Start(which) => start(&which.node()?),
        cli::Lab::Down(which) => done(lab::down(&which.lab()?)),
        cli::Lab::Keep { folder } => keep(folder),
    }
}

impl cli::WhichLab {
    fn lab(&self) -> Result<Lab, Failure> {
        Ok(Lab { name: self.name.clone(), places: Places::default() })
    }
}

impl cli::WhichNode {
    fn node(&self) -> Result<Node, Failure> {
        Ok(Node::of(&self.lab.lab()?, &self.node)?)
    }
}

fn done(result: Result<(), LabError>) -> Result<Exit, Failure> {
    result?;
    Ok(Exit::Done)
}

fn up(words: &cli::Up, here: &Surroundings) -> Result<Exit, Failure> {
    let lab = words.lab.lab()?;
    let names = node_names(words.workers)?;
    let order = Order {
        image: words.image.clone(),
        network: Segment::Own(address(1)?),
        nodes: names.len() as u64,
        kiln: std::env::current_exe()?,
    };
    here.progress.say("nodes are privileged containers: what runs in them as root could change this machine");
    let made = lab::make(&lab, &order)?;
    let booted = boot(&made, &names, here);
    match booted {
        Ok(()) => made.finish()?,
        Err(failure) if words.keep_on_failure => return Err(failure),
        Err(failure) => {
            drop(made);
            lab::down(&lab)?;
            return Err(failure);
        }
    }
    status(&lab, here)
}

fn boot(made: &lab::Made, names: &[Name], here: &Surroundings) -> Result<(), Failure> {
    let mut nodes = Vec::new();
    for (index, name) in (FIRST_NODE..).zip(names) {
        here.progress.begin(&name.to_string(), &format!("{name} boots"), None);
        nodes.push(made.start(&node_order(name, index)?)?);
    }
    for node in nodes {
        let system = node.wait_settled(BOOT_LIMIT)?;
        let firstboot = node.property(Some("kiln-firstboot.service"), "ExecMainStatus")?;
        let note = format!("{system}, kiln-firstboot ended with {firstboot}");
        here.progress.end(&node.record.name.to_string(), &note);
    }
    Ok(())
}

fn node_names(workers: u8) -> Result<Vec<Name>, Failure> {
    let workers = (1..=workers).map(|number| format!("worker-{number}"));
    let names = std::iter::once("control".to_owned()).chain(workers);
    names.map(|name| Name::try_from(name).map_err(|error| Failure::with(Exit::Usage, error))).collect()
}

fn node_order(name: &Name, index: u8) -> Result<NodeOrder, Failure> {
    let address = address(index)?;
    let role = if index == FIRST_NODE { "control-plane" } else { "worker" };
    let settings =
        format!("role: {role}\napi:\n  endpoint: https://{}:6443\n", self::address(FIRST_NODE)?.addr());
    let credentials = BTreeMap::from([("kiln.settings".to_owned(), settings.into_bytes())]);
    Ok(NodeOrder { name: name.clone(), address, gateway: None, disk_bytes: DISK_BYTES, credentials })
}

fn address(last: u8) -> Result<IpNet, Failure> {
    let [a, b, c] = SEGMENT;
    IpNet::new([a, b, c, last].into(), 24).map_err(|error| Failure::with(Exit::Failed, error))
}

fn list(here: &Surroundings) -> Result<Exit, Failure> {
    let places = Places::default();
    let labs = lab::labs(&places)?;
    let mut all = Vec::new();
    for name in labs {
        all.push(lab::state(&Lab { name, places: places.clone() })?);
    }
    match here.format {
        Format::Json => print_json(&all)?,
        Format::Text => {
            all.iter().for_each(|condition| println!("{:<24} {}", condition.name, word(condition)))
        }
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

fn status(lab: &Lab, here: &Surroundings) -> Result<Exit, Failure> {
    if !lab::labs(&lab.places)?.contains(&lab.name) {
        return Err(LabError::NoLab(lab.name.clone()).into());
    }
    let condition = lab::state(lab)?;
    match here.format {
        Format::Json => print_json(&condition)?,
        Format::Text => print(&condition),
    }
    Ok(Exit::Done)
}

fn print(condition: &Condition) {
    println!("lab {}: {}", condition.name, word(condition));
    for NodeState { record, system } in &condition.nodes {
        let system = system.as_deref().unwrap_or("down");
        println!(
            "{:<12} {:<18} {system:<10} {}",
            record.name,
            record.network.address,
            record.console.display()
        );
    }
    let Some(node) = condition.nodes.first() else { return };
    println!("\nadded to the image in each node:");
    for workaround in &node.record.workarounds {
        println!("- {}", workaround.because);
        workaround.means.iter().for_each(|means| println!("    {means}"));
    }
}

fn logs(node: &Node) -> Result<Exit, Failure> {
    print!("{}", node.console()?);
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

fn keep(folder: &Path) -> Result<Exit, Failure> {
    match lab::keep(folder)? {
        Ended::Off => Ok(Exit::Done),
        Ended::Failed(code) => {
            eprintln!("kiln: systemd-nspawn ended with {code}");
            Ok(Exit::Failed)
        }
    }
}
