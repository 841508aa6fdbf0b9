// SPDX-License-Identifier: Apache-2.0
//! `kiln boot`: one virtual machine from an image.

use std::time::Duration;

use kiln::exit::Exit;
use kiln::vm::{self, Address, Booted, Given, Link, Order, Purpose, Verdict};

use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::out::say;
use crate::show::print_json;
use crate::surroundings::Surroundings;

/// An emulated boot takes two minutes of a processor; this is for machines that do other things as well.
const CHECK_LIMIT: Duration = Duration::from_secs(20 * 60);

/// `kiln boot IMAGE`
pub fn boot(words: &cli::Boot, here: &Surroundings) -> Result<Exit, Failure> {
    let given = Given {
        settings: words.settings.as_deref(),
        token: words.token_file.as_deref(),
        others: &words.credentials,
        address: words.address.map(|address| Address { address, gateway: None }),
    };
    let order = Order {
        image: words.image.clone(),
        disk: words.disk.clone(),
        disk_bytes: words.disk_size,
        memory_bytes: words.memory,
        cpus: words.cpus,
        cpu: words.cpu.clone(),
        accelerator: words.accelerator.map(Into::into),
        link: words.tap.clone().map_or(Link::User, Link::Tap),
        credentials: vm::told(&words.image, &given, &*here.progress)?,
        purpose: if words.check { Purpose::Check } else { Purpose::Person },
        limit: words.timeout.map(Duration::from_secs).or(words.check.then_some(CHECK_LIMIT)),
        log: words.log.clone(),
        place: here.machines()?,
    };
    end(&vm::boot(&order, &*here.progress)?, words.check, here.format)
}

impl From<cli::Accelerator> for vm::Accelerator {
    fn from(word: cli::Accelerator) -> Self {
        match word {
            cli::Accelerator::Kvm => Self::Kvm,
            cli::Accelerator::Tcg => Self::Tcg,
        }
    }
}

fn end(booted: &Booted, is_check: bool, format: Format) -> Result<Exit, Failure> {
    if format == Format::Json {
        print_json(booted)?;
    }
    match &booted.verdict {
        // Whoever has the console ends the machine.
        Verdict::Ended { has_failed: false } if !is_check => Ok(Exit::Done),
        verdict if format == Format::Json => Ok(verdict.exit()),
        Verdict::Late { limit_s, .. } if !is_check => {
            let reason = format!("the machine was ended after {limit_s} s, as --timeout says");
            Err(Failure::with(Exit::TryAgain, reason))
        }
        Verdict::Succeeded => {
            print(booted);
            Ok(Exit::Done)
        }
        Verdict::Ended { has_failed: true } => {
            Err(Failure::with(Exit::Failed, format!("QEMU failed:\n{}", booted.qemu)))
        }
        verdict => {
            print(booted);
            let said = booted.said.iter().map(|line| format!("\n  {line}")).collect::<String>();
            Err(Failure::with(verdict.exit(), format!("{verdict}{said}")))
        }
    }
}

fn print(booted: &Booted) {
    let Some(look) = &booted.look else { return };
    let failed = look.failed.join(", ");
    say!("system  {}, systemd {}", look.system, look.systemd);
    say!("failed  {}", if failed.is_empty() { "no unit" } else { &failed });
    for (name, unit) in look.units.iter().filter(|(_, unit)| unit.began_us > 0) {
        let took = unit.ended_us.saturating_sub(unit.began_us) as f64 / 1e6;
        say!("{name}  {} ({}), {took:.1} s, {} restarts", unit.active, unit.sub, unit.restarts);
    }
    say!("{}; took {:.1} s", booted.verdict, booted.took_ms as f64 / 1e3);
}
