// SPDX-License-Identifier: Apache-2.0
//! From a kubeconfig to a client of the cluster that it describes.

use std::path::Path;

use kiln::cluster::{Access, Client};
use kiln::exit::Exit;
use kiln::host::files;

use crate::cli::Kubeconfig;
use crate::failure::Failure;
use crate::surroundings::Surroundings;

/// A kubeconfig has some kilobytes; one with every cluster of a company, some hundred.
const MAX_BYTES: u64 = 4 << 20;

impl Kubeconfig {
    /// Makes a client and hands it to `work`.
    pub fn with_client<T>(
        &self,
        here: &Surroundings,
        work: impl AsyncFnOnce(Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = Client::new(&self.access(here)?)?.telling(here.teller());
        runtime.block_on(work(client))
    }

    /// Reads how the cluster is reached: through the proxy that the kubeconfig names, or else the environment.
    pub fn access(&self, here: &Surroundings) -> Result<Access, Failure> {
        let text = text(&self.kubeconfig).map_err(|error| Failure::with(Exit::Config, error))?;
        let folder = self.kubeconfig.parent().unwrap_or(Path::new(""));
        let mut access = Access::from_kubeconfig(&text, &|path| self::text(&folder.join(path)))?;
        if access.proxy.is_none() {
            access.proxy = here.proxy()?;
        }
        Ok(access)
    }
}

fn text(path: &Path) -> Result<String, String> {
    let bytes = files::read(path, MAX_BYTES).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })?;
    String::from_utf8(bytes).map_err(|_| format!("{}: it is no text", path.display()))
}
