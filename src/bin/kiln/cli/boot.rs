// SPDX-License-Identifier: Apache-2.0
//! Words of booting one machine.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use kiln::manifest::size;

use super::cluster::seconds;

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct Boot {
    /// A raw or qcow2 image. It is only read.
    pub image: PathBuf,
    /// Instead of giving you the console, end when it is known how first boot ended and nothing is left to start, or at
    /// --timeout; the exit code says how.
    #[arg(long)]
    pub check: bool,
    /// A layer of settings for the machine, as credential kiln.settings. It is judged with those in the image before
    /// anything boots.
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// The bootstrap token for the machine, as credential kiln.token.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A further system credential (systemd.system-credentials(7)).
    #[arg(long = "credential", value_name = "NAME=FILE", value_parser = credential)]
    pub credentials: Vec<(String, PathBuf)>,
    /// Keep the machine's disk in FILE, a qcow2 that holds what differs from IMAGE; if it is there, boot it again.
    #[arg(long, value_name = "FILE")]
    pub disk: Option<PathBuf>,
    /// Size of the disk; it takes what is written.
    #[arg(long, value_name = "SIZE", default_value = "16GiB", value_parser = bytes)]
    pub disk_size: u64,
    /// Memory of the machine.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = bytes)]
    pub memory: u64,
    /// Its processors [default: 2 by KVM, 1 emulated].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub cpus: Option<u16>,
    /// Their model, as QEMU names it [default: host by KVM, max emulated].
    #[arg(long, value_name = "MODEL")]
    pub cpu: Option<String>,
    /// Use nothing but this [default: KVM if it works, else tcg].
    #[arg(long, value_enum)]
    pub accelerator: Option<Accelerator>,
    /// Link the machine to this tap interface instead of QEMU's user network, in which it gets an address by DHCP and
    /// 10.0.2.2 is this machine's loopback.
    #[arg(long, value_name = "INTERFACE")]
    pub tap: Option<String>,
    /// Give the machine this address, such as 10.0.2.15/24, instead of asking by DHCP.
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub address: Option<IpNet>,
    /// End after so long: 90s, 45m [default: 20m with --check, else never].
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub timeout: Option<u64>,
    /// Also write what the console said into FILE.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

const AFTER: &str = "\
Ctrl-A x ends the machine, Ctrl-C is the machine's own.
With --check: 0 first boot succeeded; 1 it failed, or the machine ended before; 75 it has not succeeded within --timeout
(what it waits for is outside); 78 it says that its settings are wrong, or the image has none.";

/// What runs the machine's processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Accelerator {
    /// This machine's own processors.
    Kvm,
    /// QEMU emulates them.
    Tcg,
}

/// Reads a size with its unit.
fn bytes(text: &str) -> Result<u64, String> {
    let bytes = size::parse(text).filter(|bytes| *bytes > 0 && bytes % (1 << 20) == 0);
    bytes.ok_or_else(|| "give a number of MiB, GiB or TiB, such as 2GiB".to_owned())
}

fn credential(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("give a name and a file, such as ssh.authorized_keys.root=id.pub".to_owned()),
    }
}
