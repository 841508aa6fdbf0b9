// SPDX-License-Identifier: Apache-2.0
//! `kiln ipam`.

use kiln::audit::look::look;
use kiln::audit::text;
use kiln::exit::Exit;

use crate::cli::{Format, Kubeconfig};
use crate::failure::Failure;
use crate::show::{print_json, print_text};
use crate::surroundings::Surroundings;

/// `kiln ipam --kubeconfig FILE`
pub fn ipam(cluster: &Kubeconfig, here: &Surroundings) -> Result<Exit, Failure> {
    let audit = cluster.with_client(here, async |client| Ok(look(&client).await?))?;
    match here.format {
        Format::Json => print_json(&audit.described())?,
        Format::Text => print_text(&text(&audit, here.screen())),
    }
    Ok(if audit.problems.is_empty() { Exit::Done } else { Exit::Failed })
}
