// SPDX-License-Identifier: Apache-2.0
//! `kiln launch --terminate`: says what goes, asks, and takes it away.

use std::time::Duration;

use kiln::cluster::Client;
use kiln::exit::Exit;
use kiln::launch::farewell::Meant;
use kiln::launch::{self, Leaving, plan};

use super::cluster;
use super::instances::region;
use crate::asked::is_confirmed;
use crate::cli::{self, Format, Kubeconfig};
use crate::failure::Failure;
use crate::show::print_json;
use crate::surroundings::Surroundings;

/// `kiln launch --terminate ...`
pub fn terminate(words: &cli::Launch, here: &Surroundings) -> Result<Exit, Failure> {
    let described = cluster(&words.cluster)?;
    let group = words.group.then(|| plan::group_name(&described));
    let meant = Meant { role: words.role.map(word), ids: words.instances.clone(), group };
    let client = words.kubeconfig.clone().map(|kubeconfig| {
        let access = Kubeconfig { kubeconfig }.access(here)?;
        Ok::<_, Failure>(Client::new(&access)?.telling(here.teller()))
    });
    let client = client.transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let region = runtime.block_on(region(&described, here))?;
    let share = plan::share_path(&described);
    let desk = Leaving {
        region: &region,
        client: client.as_ref(),
        progress: &*here.progress,
        limit: Duration::from_secs(words.timeout),
        drains: !words.no_drain,
        share: &share,
    };
    let going = runtime.block_on(launch::look_back(&described.name, &meant, &desk))?;
    match here.format {
        Format::Json => print_json(&going)?,
        Format::Text => crate::out::put(format_args!("{going}")),
    }
    if words.dry_run || going.is_empty() {
        return Ok(Exit::Done);
    }
    if client.is_none() && !going.is_whole {
        let reason = "--kubeconfig FILE is needed: pods leave before a machine goes, and its Node after it";
        return Err(Failure::with(Exit::Usage, reason));
    }
    if !words.yes && !is_confirmed("terminate all this?")? {
        return Err(Failure::with(Exit::Failed, "nothing was terminated"));
    }
    runtime.block_on(launch::terminate(&going, &desk))?;
    Ok(Exit::Done)
}

fn word(role: cli::Role) -> &'static str {
    match role {
        cli::Role::ControlPlane => "control-plane",
        cli::Role::Worker => "worker",
    }
}
