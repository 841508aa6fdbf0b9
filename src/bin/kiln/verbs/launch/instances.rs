// SPDX-License-Identifier: Apache-2.0
//! `kiln launch`: until all nodes are Ready, then a table of them.

use std::time::{Duration, Instant};

use kiln::cloud::{Cloud, Limits, Region};
use kiln::cluster::Client;
use kiln::exit::Exit;
use kiln::launch::plan::Order;
use kiln::launch::{self, Cluster, Desk, Launch, Launched};
use kiln::settings::Role;
use kiln::stage::Stage;
use serde_json::json;

use super::terminate::terminate;
use super::{ca, cluster};
use crate::cli::{self, Format, Kubeconfig};
use crate::failure::Failure;
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
        return Err(Failure::with(Exit::Usage, "only workers are launched by now"));
    }
    let access = Kubeconfig { kubeconfig: kubeconfig.clone() }.access()?;
    let ca = ca(&described, &words.cluster)?.unwrap_or_else(|| access.ca.clone());
    let order = Order {
        file: &words.cluster,
        cluster: &described,
        role: Role::Worker,
        count: words.count,
        form: words.provisioner.into(),
        ca: Some(&ca),
    };
    let client = Client::new(&access)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if words.dry_run {
        let plan = runtime.block_on(async { launch::rehearse(&order, &region(&described).await).await })?;
        match here.format {
            Format::Json => print_json(&plan.described())?,
            Format::Text => print!("{plan}"),
        }
        return Ok(Exit::Done);
    }
    let launched = runtime.block_on(async {
        let region = region(&described).await;
        let limit = Duration::from_secs(words.timeout);
        launch::launch(&order, &Desk { region: &region, client: &client, progress: &*here.progress, limit })
            .await
    })?;
    show(&launched, start, here)
}

pub(super) async fn region(cluster: &Cluster) -> Region {
    Cloud::open(Some(&cluster.region), Limits::default()).await.region(&cluster.region)
}

fn show(launched: &Launched, start: Instant, here: &Surroundings) -> Result<Exit, Failure> {
    let took_ms = start.elapsed().as_millis() as u64;
    match here.format {
        Format::Json => print_json(&json!({
            "cluster": launched.cluster, "region": launched.region, "role": launched.role,
            "launch": launched.launch, "took_ms": took_ms, "nodes": launched.nodes,
        }))?,
        Format::Text => {
            println!("{:<20} {:<25} {:<18} READY AFTER", "NODE", "SUBNET", "PODS");
            launched.nodes.iter().for_each(print);
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
    println!("{:<20} {:<25} {blocks:<18} {seconds:.1} s", node.instance, node.subnet);
}
