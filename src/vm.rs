// SPDX-License-Identifier: Apache-2.0
//! One virtual machine that boots the image itself: firmware, boot loader, kernel, initrd, all as on a real machine.
//!
//! QEMU runs it, without root, on a disk that holds only what differs from the image: no byte of the image is written.
//! What the machine is told comes as systemd's credentials through SMBIOS, from files that nobody else may read; what it
//! tells goes to a serial port of its own. So the image needs nothing for it but systemd 256 or newer.
//!
//! How QEMU is called, what is asked of the machine and what an answer means is decided here; [`boot`] does it.

mod boot;
mod call;
mod credential;
mod ears;
mod error;
mod firmware;
mod gateway;
mod lacks;
mod look;
mod order;
mod room;
mod told;
mod watch;

pub use boot::{Booted, boot, facts};
pub use call::{Accelerator, Link, Machine, VARIABLES, accelerators};
pub use credential::{Address, Credential, looking, named, networked, ordered};
pub use error::BootError;
pub use firmware::{Firmware, Flash};
pub use gateway::Gateway;
pub use lacks::{Facts, Kvm, Lacks, Need, Ready, ready};
pub use look::{Look, Looks, Unit};
pub use order::{Order, Place, Purpose};
pub use room::Image;
pub use told::{Given, ToldError, told};
pub use watch::{Next, SILENCE_LIMIT, Seen, Verdict, next};
