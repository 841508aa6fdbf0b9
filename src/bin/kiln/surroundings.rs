// SPDX-License-Identifier: Apache-2.0
//! What the program takes from its environment: the cache's place, proxies, extra CAs, the processors, itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiln::audit::Screen;
use kiln::bake::Desk;
#[cfg(feature = "aws")]
use kiln::cloud::Cloud;
use kiln::cluster::Proxy;
use kiln::exit::Exit;
use kiln::host::cache::Cache;
use kiln::host::download::{Downloader, Limits, Settings};
use kiln::host::resources;
use kiln::lab::Places;
use kiln::mark;
use kiln::progress::{Progress, Teller};
use kiln::vm;
use terminal_size::terminal_size_of;

use crate::cli::{Format, Inputs};
use crate::failure::Failure;
use crate::show;

/// Everything that comes from outside the command line, read once.
pub struct Surroundings {
    pub format: Format,
    pub progress: Box<dyn Progress>,
    environment: Vec<(OsString, OsString)>,
    processors: usize,
    /// kiln-firstboot of the same build.
    firstboot: PathBuf,
}

/// Longest wait for a kiln that cleans the cache up.
pub const CACHE_LIMIT: Duration = Duration::from_secs(60);

/// The width of a terminal where nothing says otherwise.
const COLUMNS: usize = 80;

impl Surroundings {
    pub fn look(format: Format) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        Ok(Self {
            format,
            progress: show::progress(format),
            environment: std::env::vars_os().collect(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            firstboot: firstboot(&program),
        })
    }

    /// Returns a variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    }

    fn text<const N: usize>(&self, names: [&str; N]) -> Option<String> {
        names.iter().find_map(|name| self.variable(name)).map(|value| value.to_string_lossy().into_owned())
    }

    /// Returns kiln's folder below the XDG cache folder.
    pub fn cache_folder(&self) -> Result<PathBuf, Failure> {
        // XDG Base Directory Specification: $XDG_CACHE_HOME, or ~/.cache; a relative path is to be ignored.
        let xdg = self.variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = xdg.or_else(|| self.variable("HOME").map(|home| PathBuf::from(home).join(".cache")));
        let cache = cache
            .ok_or_else(|| Failure::with(Exit::Config, "neither XDG_CACHE_HOME nor HOME is set; set one"))?;
        Ok(cache.join("kiln"))
    }

    /// Returns where virtual machines have their folders: secrets where nothing outlasts the login, if there is such a
    /// place.
    pub fn machines(&self) -> Result<vm::Place, Failure> {
        let work = self.cache_folder()?.join("machines");
        // XDG Base Directory Specification: for its user's eyes only, gone at the end of the login.
        let login = self.variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
        let root = || resources::is_root().then(|| PathBuf::from("/run"));
        let secrets = login.or_else(root).map(|folder| folder.join("kiln-machines"));
        Ok(vm::Place { secrets: secrets.unwrap_or_else(|| work.clone()), work })
    }

    /// Returns where labs lie: root's at fixed places, others' in their own folders.
    pub fn labs(&self) -> Result<Places, Failure> {
        if resources::is_root() {
            return Ok(Places::default());
        }
        let place = self.machines()?;
        let run = match place.secrets == place.work {
            // Without a folder that goes with the login, secrets lie where nobody else reads.
            true => place.work.with_file_name("lab-secrets"),
            false => place.secrets.with_file_name("kiln-lab"),
        };
        Ok(Places { run, disks: place.work.with_file_name("labs") })
    }

    /// Opens cache and network and hands them to `work`.
    pub fn at_desk<T>(
        &self,
        words: &Inputs,
        work: impl FnOnce(&Desk<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let cache = Cache::open(&self.cache_folder()?, CACHE_LIMIT)?;
        let jobs = self.jobs(words.jobs);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let downloads = match words.offline {
            true => None,
            false => Some(Downloader::new(&self.network(jobs), cache.clone())?),
        };
        work(&Desk {
            cache: &cache,
            downloads: downloads.as_ref(),
            runtime: runtime.handle(),
            environment: &self.environment,
            firstboot: &self.firstboot,
            kiln: mark::VERSION,
            jobs,
            progress: &*self.progress,
        })
    }

    /// Returns what a result for people is shown on.
    pub fn screen(&self) -> Screen {
        // locale(7): the first of these that is set decides.
        let names = ["LC_ALL", "LC_CTYPE", "LANG"];
        let locale = names.iter().find_map(|name| self.variable(name));
        let locale = locale.map(|locale| locale.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let terminal = terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
        let columns = self.variable("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        Screen {
            columns: terminal.or(columns).unwrap_or(COLUMNS),
            is_unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// Returns how many things are done at once, if `wanted` does not say.
    pub fn jobs(&self, wanted: Option<u16>) -> usize {
        wanted.map_or(self.processors, usize::from)
    }

    /// Returns the proxy towards HTTPS servers that the environment names. This machine itself is reached without it.
    pub fn proxy(&self) -> Result<Option<Proxy>, Failure> {
        let Some(address) = self.text(["HTTPS_PROXY", "https_proxy"]) else { return Ok(None) };
        let except = self.text(["NO_PROXY", "no_proxy"]).unwrap_or_default();
        Ok(Some(Proxy::parse(&address, Some(&format!("localhost,127.0.0.0/8,::1,{except}")))?))
    }

    /// Returns who tells the person why a request takes long.
    pub fn teller(&self) -> Teller {
        let format = self.format;
        Teller::new(move |text| show::progress(format).say(text))
    }

    /// Opens AWS as the SDK's chain finds it.
    #[cfg(feature = "aws")]
    pub async fn cloud(&self, region: Option<&str>) -> Result<Cloud, Failure> {
        let wrong = |error| Failure::with(Exit::Config, error);
        for name in kiln::cloud::ENDPOINTS {
            let Some(url) = self.text([name]) else { continue };
            kiln::cloud::check_endpoint(name, &url).map_err(wrong)?;
        }
        let opened = Cloud::open(region, kiln::cloud::Limits::default(), self.proxy()?.as_ref()).await;
        Ok(opened.map_err(wrong)?.telling(self.teller()))
    }

    fn network(&self, jobs: usize) -> Settings {
        let files = ["KILN_CA_FILE", "SSL_CERT_FILE"];
        Settings {
            ca_files: files.iter().filter_map(|name| self.variable(name)).map(PathBuf::from).collect(),
            https_proxy: self.text(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: self.text(["NO_PROXY", "no_proxy"]),
            // Servers, not processors, are what downloads wait for.
            jobs: jobs.max(4),
            limits: Limits::default(),
        }
    }
}

/// Returns where kiln-firstboot lies: beside the running program; or, in a checkout, where cargo puts the small one of
/// profile `node`, unless the other was built later.
fn firstboot(program: &Path) -> PathBuf {
    let beside = program.with_file_name("kiln-firstboot");
    let small = program.parent().and_then(Path::parent).map(|target| target.join("node/kiln-firstboot"));
    let age = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    match small {
        Some(small) if age(&small) > age(&beside) => small,
        _ => beside,
    }
}
