// SPDX-License-Identifier: Apache-2.0
//! `kiln launch`: until all nodes are Ready, then a table of them.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, Instant};

use kiln::cloud::Region;
use kiln::cluster::Client;
use kiln::exit::Exit;
use kiln::launch::plan::Order;
use kiln::launch::{self, Cluster, Desk, Grouped, Launch, Launched, PlaneDesk};
use kiln::settings::Role;
use kiln::stage::Stage;
use serde_json::{Value, json};

use super::terminate::terminate;
use super::{authorities, ca, cluster};
use crate::cli::{self, Format, Kubeconfig};
use crate::failure::Failure;
use crate::out::say;
use crate::show::print_json;
use crate::surroundings::Surroundings;

/// `kiln launch ...`
pub fn launch(words: &cli::Launch, here: &Surroundings) -> Result<Exit, Failure> {
    let start = Instant::now();
    let (Some(role), Some(kubeconfig)) = (words.role, &words.kubeconfig) else {
        return terminate(words, here);
    };
    if words.terminate {
        return terminate(words, here);
    }
    let described = cluster(&words.cluster)?;
    if role == cli::Role::ControlPlane {
        return plane(words, &described, kubeconfig, here);
    }
    let access = Kubeconfig { kubeconfig: kubeconfig.clone() }.access(here)?;
    let ca = match ca(&described, &words.cluster)? {
        Some(ca) => ca,
        None => authorities(kubeconfig, &access.ca)?,
    };
    let order = Order {
        file: &words.cluster,
        cluster: &described,
        role: Role::Worker,
        count: words.count,
        form: words.provisioner.into(),
        ca: Some(&ca),
    };
    let client = Client::new(&access)?.telling(here.teller());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let region = runtime.block_on(region(&described, here))?;
    let max = words.max.unwrap_or(words.count);
    if words.dry_run && words.group {
        let plan = runtime.block_on(launch::rehearse_group(&order, max, &region))?;
        return rehearsed(&plan, plan.described(), here);
    }
    if words.dry_run {
        let plan = runtime.block_on(launch::rehearse(&order, &region))?;
        return rehearsed(&plan, plan.described(), here);
    }
    let limit = Duration::from_secs(words.timeout);
    let desk = Desk { region: &region, client: &client, progress: &*here.progress, limit };
    if words.group {
        return show_group(&runtime.block_on(launch::launch_group(&order, max, &desk))?, start, here);
    }
    show(&runtime.block_on(launch::launch(&order, &desk))?, start, here)
}

fn plane(
    words: &cli::Launch,
    described: &Cluster,
    kubeconfig: &Path,
    here: &Surroundings,
) -> Result<Exit, Failure> {
    let start = Instant::now();
    if words.count != 1 {
        return Err(Failure::with(
            Exit::Usage,
            "a cluster that kiln launches has one control plane; leave out --count",
        ));
    }
    let order = Order {
        file: &words.cluster,
        cluster: described,
        role: Role::ControlPlane,
        count: 1,
        form: words.provisioner.into(),
        ca: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let region = runtime.block_on(region(described, here))?;
    let proxy = here.proxy()?;
    let desk = PlaneDesk {
        region: &region,
        progress: &*here.progress,
        limit: Duration::from_secs(words.timeout),
        kubeconfig,
        operator: &words.operator,
        shares_token: words.group,
        proxy: proxy.as_ref(),
    };
    if words.dry_run {
        let plan = runtime.block_on(launch::rehearse_plane(&order, &desk))?;
        return rehearsed(&plan, plan.described(), here);
    }
    let launched = runtime.block_on(launch::launch_plane(&order, &desk))?;
    show(&launched, start, here)
}

fn rehearsed(plan: &impl Display, described: Value, here: &Surroundings) -> Result<Exit, Failure> {
    match here.format {
        Format::Json => print_json(&described)?,
        Format::Text => crate::out::put(format_args!("{plan}")),
    }
    Ok(Exit::Done)
}

pub(super) async fn region(cluster: &Cluster, here: &Surroundings) -> Result<Region, Failure> {
    Ok(here.cloud(Some(&cluster.region)).await?.region(&cluster.region))
}

fn show(launched: &Launched, start: Instant, here: &Surroundings) -> Result<Exit, Failure> {
    let took_ms = start.elapsed().as_millis() as u64;
    match here.format {
        Format::Json => print_json(&json!({
            "cluster": launched.cluster, "region": launched.region, "role": launched.role,
            "launch": launched.launch, "took_ms": took_ms, "nodes": launched.nodes,
        }))?,
        Format::Text => {
            say!("{:<20} {:<25} {:<18} READY AFTER", "NODE", "SUBNET", "PODS");
            launched.nodes.iter().for_each(print);
        }
    }
    Ok(Exit::Done)
}

fn show_group(grouped: &Grouped, start: Instant, here: &Surroundings) -> Result<Exit, Failure> {
    match here.format {
        Format::Json => print_json(grouped)?,
        Format::Text if grouped.is_rolled => {
            say!("group {} has its size, and replaces what has changed a few at a time", grouped.group);
        }
        Format::Text => {
            show(&grouped.launched, start, here)?;
            say!("group {}", grouped.group);
        }
    }
    Ok(Exit::Done)
}

fn print(node: &Launch) {
    let Some(last) = node.stages.last() else { return };
    let blocks = match &last.stage {
        Stage::Ready { blocks } => blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        _ => String::new(),
    };
    let seconds = last.after_ms as f64 / 1000.0;
    say!("{:<20} {:<25} {blocks:<18} {seconds:.1} s", node.instance, node.subnet);
}
