// SPDX-License-Identifier: Apache-2.0
//! Processes of a lab of virtual machines that are no nodes: the switch that links them, and gateways from this machine's
//! loopback. Each is handed a file by which whoever removes the lab finds it.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::LabError;
use super::ground::Machines;
use super::plan::{Lab, NodeRecord};
use super::shape;
use crate::host::command::{Program, SYSTEM_PATH, Streams};
use crate::host::{files, forward, resources, segment};
use crate::vm::Gateway;

/// Starts the switch.
pub(super) fn begin_switch(lab: &Lab, kiln: &Path) -> Result<(), LabError> {
    let alive = hold(lab, "switch")?.ok_or_else(|| LabError::Busy(lab.name.clone()))?;
    let listener = segment::listen(&lab.switch()).map_err(LabError::Forward)?;
    let streams = Streams {
        input: Some(segment::into_file(listener)),
        // The lock goes on with the switch, who holds it as its output.
        output: Some(alive),
        error: Some(files::append(&lab.disks().join("switch.log"))?),
    };
    let program = Program::new(kiln, Duration::MAX).env("PATH", SYSTEM_PATH).args(["lab", "switch"]);
    program.args([lab.record()]).spawn(streams)?.let_go();
    Ok(())
}

/// Is the switch of the lab that has this record.
///
/// # Errors
/// If the lab is going away, or as the system says.
pub fn switch(record: &Path) -> Result<(), LabError> {
    resources::new_session();
    if !record.exists() {
        return Err(LabError::Going);
    }
    segment::serve(&segment::from_input().map_err(LabError::Forward)?).map_err(LabError::Forward)
}

/// A port for a gateway is drawn so often: another program may have taken it meanwhile.
const PORTS: u32 = 3;
/// QEMU without a machine is there in a fraction of this.
const START_LIMIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Starts the gateway to the API server, which lives as long as the lab, and returns its port.
pub(super) fn begin_access(lab: &Lab, machines: &Machines, target: SocketAddr) -> Result<u16, LabError> {
    let IpAddr::V4(address) = shape::bridge().addr() else { return Err(LabError::NoWay(target)) };
    for _ in 0..PORTS {
        let alive = hold(lab, "access")?.ok_or_else(|| LabError::Busy(lab.name.clone()))?;
        let port = free_port(0)?;
        let gateway = gateway(machines, address, port, target)?;
        let program = Program::new("setsid", Duration::MAX).env("PATH", SYSTEM_PATH);
        let program = program.args([&machines.qemu]).args(gateway.arguments());
        program.spawn(streams(lab, alive)?)?.let_go();
        if is_open(port, &|| Ok(hold(lab, "access")?.is_none()))? {
            return Ok(port);
        }
    }
    Err(LabError::Gateway { log: lab.disks().join("gateways.log") })
}

/// Joins a port of this machine's loopback to an address of the lab until this process or the lab ends.
pub(super) fn forward(
    lab: &Lab,
    machines: &Machines,
    target: SocketAddr,
    port: u16,
    told: impl FnOnce(SocketAddr),
) -> Result<(), LabError> {
    let port = free_port(port)?;
    let (alive, address) = free_place(lab)?;
    let gateway = gateway(machines, address, port, target)?;
    let program = Program::new("setpriv", Duration::MAX).env("PATH", SYSTEM_PATH);
    let program =
        program.args(["--pdeathsig", "TERM", "--"]).args([&machines.qemu]).args(gateway.arguments());
    let mut qemu = program.spawn(streams(lab, alive)?)?.mortal();
    let mut ended = || qemu.ended().map(|ended| ended.is_some()).map_err(LabError::Run);
    if is_open(port, &|| Ok(true))? {
        told(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        while !ended()? {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    Err(LabError::Gateway { log: lab.disks().join("gateways.log") })
}

fn streams(lab: &Lab, alive: File) -> Result<Streams, LabError> {
    let error = files::append(&lab.disks().join("gateways.log"))?;
    Ok(Streams { input: Some(alive), output: None, error: Some(error) })
}

/// Takes the file that a process of this name holds; nothing: one does.
fn hold(lab: &Lab, name: &str) -> Result<Option<File>, LabError> {
    let folder = lab.helper(name);
    files::make_folder(&folder)?;
    Ok(files::lock(&NodeRecord::alive(&folder), Duration::ZERO)?)
}

/// Takes one of the addresses that forwarders may have.
fn free_place(lab: &Lab) -> Result<(File, Ipv4Addr), LabError> {
    for address in shape::gateways() {
        if let Some(alive) = hold(lab, &address.to_string())? {
            return Ok((alive, address));
        }
    }
    Err(LabError::Gateways)
}

fn free_port(wanted: u16) -> Result<u16, LabError> {
    let listener = forward::listen(wanted).map_err(LabError::Forward)?;
    Ok(listener.local_addr().map_err(LabError::Forward)?.port())
}

fn gateway(
    machines: &Machines,
    address: Ipv4Addr,
    port: u16,
    target: SocketAddr,
) -> Result<Gateway, LabError> {
    let SocketAddr::V4(target) = target else { return Err(LabError::NoWay(target)) };
    let segment = shape::segment();
    Ok(Gateway { switch: machines.switch.clone(), segment, address, resolver: shape::RESOLVER, port, target })
}

/// Waits until somebody listens; nobody will, once the gateway has ended.
fn is_open(port: u16, is_alive: &dyn Fn() -> Result<bool, LabError>) -> Result<bool, LabError> {
    let until = Instant::now() + START_LIMIT;
    while Instant::now() < until {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(true);
        }
        if !is_alive()? {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(false)
}
