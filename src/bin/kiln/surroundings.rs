// SPDX-License-Identifier: Apache-2.0
//! What the program takes from its environment: the cache's place, proxies, an extra CA, the processors, itself.

use std::path::PathBuf;

use kiln::exit::Exit;
use kiln::progress::Progress;

use crate::cli::Format;
use crate::failure::Failure;
use crate::show;

/// Everything that comes from outside the command line, read once.
pub struct Surroundings {
    pub format: Format,
    pub progress: Box<dyn Progress>,
    pub cache_folder: PathBuf,
    pub processors: usize,
    /// kiln-firstboot of the same build: it lies beside the running program.
    pub firstboot: PathBuf,
}

impl Surroundings {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn look(format: Format) -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // XDG Base Directory Specification: $XDG_CACHE_HOME, or ~/.cache; a relative path is to be ignored.
        let xdg = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let cache = xdg.or_else(|| variable("HOME").map(|home| home.join(".cache")));
        let cache = cache.ok_or_else(|| Failure::with(Exit::Config, "neither XDG_CACHE_HOME nor HOME is set; set one"))?;
        let program = std::env::current_exe()?;
        Ok(Self {
            format,
            progress: show::progress(format),
            cache_folder: cache.join("kiln"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            firstboot: program.with_file_name("kiln-firstboot"),
        })
    }
}
