// SPDX-License-Identifier: Apache-2.0
//! `kiln boots`.

use kiln::boots::{boots, slowest, svg, text};
use kiln::exit::Exit;
use kiln::host::files;
use serde_json::json;

use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::show::{print_json, print_text};
use crate::surroundings::Surroundings;

/// `kiln boots --kubeconfig FILE [--svg FILE]`
pub fn boots_of(words: &cli::Boots, here: &Surroundings) -> Result<Exit, Failure> {
    let nodes = words
        .cluster
        .with_client(here, async |client| Ok(client.patiently(async || client.nodes().await).await?))?;
    let boots = boots(&nodes);
    if let Some(path) = &words.svg {
        files::replace(path, svg(&boots).as_bytes(), 0o644)?;
    }
    match here.format {
        Format::Json => print_json(&json!({ "boots": boots, "slowest": slowest(&boots) }))?,
        Format::Text => print_text(&text(&boots, here.screen())),
    }
    Ok(Exit::Done)
}
