// SPDX-License-Identifier: Apache-2.0
//! `kiln nodes` and `kiln routes`.

use kiln::cloud::Region;
use kiln::cluster::Client;
use kiln::exit::Exit;
use kiln::fleet::prune::{self, Pruned};
use kiln::fleet::{Doomed, Wanted, look};
use serde_json::json;

use super::launch::cluster;
use crate::asked::is_confirmed;
use crate::cli::{self, Format, WhichFleet};
use crate::failure::Failure;
use crate::show::{print_json, print_text};
use crate::surroundings::Surroundings;

/// `kiln nodes --kubeconfig FILE`
pub fn nodes(words: &cli::Nodes, here: &Surroundings) -> Result<Exit, Failure> {
    let fleet = with_both(&words.which, here, async |wanted, region, client| {
        Ok(look::nodes(&wanted, &region, &client).await?)
    })?;
    match here.format {
        Format::Json => print_json(&fleet)?,
        Format::Text => print_text(&fleet.to_string()),
    }
    Ok(if fleet.problems.is_empty() { Exit::Done } else { Exit::Failed })
}

/// `kiln routes --kubeconfig FILE [--prune]`
pub fn routes(words: &cli::Routes, here: &Surroundings) -> Result<Exit, Failure> {
    let format = here.format;
    with_both(&words.which, here, async |wanted, region, client| {
        let (routes, seen) = look::vpc_routes(&wanted, &region, &client).await?;
        if !words.prune {
            match format {
                Format::Json => print_json(&routes)?,
                Format::Text => print_text(&routes.to_string()),
            }
            return Ok(if routes.is_sound() { Exit::Done } else { Exit::Failed });
        }
        let plan = prune::plan(&wanted, &seen, &routes)?;
        confirm(&plan, words.yes, format)?;
        let pruned = prune::prune(&plan, &wanted, &seen, &region, &client).await?;
        match format {
            Format::Json => print_json(&json!({ "planned": plan, "pruned": pruned }))?,
            Format::Text => print_text(&told(&pruned)),
        }
        Ok(Exit::Done)
    })
}

/// Shows what would go, and asks.
fn confirm(plan: &[Doomed], is_meant: bool, format: Format) -> Result<(), Failure> {
    let mut lines: String = plan.iter().map(|doomed| format!("delete {doomed}\n")).collect();
    if plan.is_empty() {
        lines += "nothing is to be removed\n";
    }
    match format {
        Format::Text => print_text(&lines),
        // Programs get one document; who is asked sees what about.
        Format::Json => crate::out::put_err(format_args!("{lines}")),
    }
    let is_meant = is_meant || plan.is_empty() || is_confirmed("delete these routes?")?;
    if is_meant { Ok(()) } else { Err(Failure::with(Exit::Failed, "nothing was removed")) }
}

fn told(pruned: &Pruned) -> String {
    let removed =
        pruned.removed.iter().map(|doomed| format!("deleted {} from {}\n", doomed.destination, doomed.table));
    let kept = pruned.kept.iter().map(|doomed| {
        format!("kept {} in {}: it has changed since, or is claimed now\n", doomed.destination, doomed.table)
    });
    removed.chain(kept).collect()
}

/// Reads the description, opens AWS and the API, and hands them to `work`.
fn with_both<T>(
    which: &WhichFleet,
    here: &Surroundings,
    work: impl AsyncFnOnce(Wanted, Region, Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let described = cluster(&which.cluster)?;
    which.api.with_client(here, async |client| {
        let cloud = here.cloud(Some(&described.region)).await?;
        work(Wanted::from(&described), cloud.region(&described.region), client).await
    })
}
