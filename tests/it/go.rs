// SPDX-License-Identifier: Apache-2.0
//! Programs built from Go modules, with the real Go: tiny modules that need nothing but its standard library.

mod full;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kiln::host::cache::Cache;
use kiln::host::go::{Builder, Built, GoError, Order};
use kiln::manifest::{Arch, Go};
use kiln::progress::Progress;
use tempfile::TempDir;

const GO_MOD: &str = "module example.org/tiny\n\ngo 1.24\n";

/// Remembers what it is told, a line each.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn hear(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn count(&self, line: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|heard| heard.contains(line)).count()
    }
}

impl Progress for Heard {
    fn begin(&self, _id: &str, what: &str, _total: Option<u64>) {
        self.hear(format!("begin {what}"));
    }

    fn advance(&self, _id: &str, _amount: u64) {}

    fn end(&self, id: &str, note: &str) {
        self.hear(format!("end {id}: {note}"));
    }

    fn say(&self, text: &str) {
        self.hear(format!("say {text}"));
    }
}

/// A module in a folder of its own.
struct Module {
    folder: TempDir,
    go: Go,
}

impl Module {
    fn new(files: &[(&str, &str)]) -> Self {
        // A path as people have them.
        let folder = tempfile::Builder::new().prefix("-gö mod").tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("m").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let packages = vec!["example.org/tiny".to_owned()];
        let go =
            Go { folder: "m".into(), packages, cgo: false, tags: Vec::new(), ldflags: "-s -w".to_owned() };
        Self { folder, go }
    }

    /// A program whose text, and so whose key, nothing else has.
    fn unique() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let main = format!("package main\n\nfunc main() {{ println(\"{} {now:?}\") }}\n", std::process::id());
        Self::new(&[("go.mod", GO_MOD), ("main.go", &main)])
    }

    fn build_in(
        &self,
        cache: &Path,
        environment: &[(OsString, OsString)],
        heard: &Heard,
    ) -> Result<Built, GoError> {
        let cache = Cache::open(cache, Duration::from_secs(10)).unwrap();
        let builder = Builder { cache: &cache, environment, is_offline: true, progress: heard };
        let order = Order { component: "tiny", root: self.folder.path(), go: &self.go, arch: Arch::Amd64 };
        builder.build(&order)
    }

    fn build(&self, heard: &Heard) -> Result<Built, GoError> {
        self.build_in(&shared(), &environment(), heard)
    }

    fn refused(&self) -> String {
        with_causes(&self.build(&Heard::default()).unwrap_err())
    }
}

/// One cache for all tests and all runs, as compiling Go's runtime takes seconds.
fn shared() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache")
}

fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

fn environment_with(changes: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let mut variables = environment();
    variables.retain(|(name, _)| changes.iter().all(|(changed, _)| name != changed));
    variables.extend(changes.iter().map(|(name, value)| (name.into(), value.into())));
    variables
}

fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn blob(cache: &Path, built: &Built) -> PathBuf {
    let cache = Cache::open(cache, Duration::from_secs(10)).unwrap();
    cache.get(&built.files["tiny"].sha256).unwrap().path
}

#[test]
fn a_module_becomes_a_program_and_is_built_once() {
    let (module, heard) = (Module::unique(), Heard::default());
    let built = module.build(&heard).unwrap();
    let program = module.folder.path().join("tiny");
    fs::copy(blob(&shared(), &built), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Command::new(&program).status().unwrap().success());
    assert_eq!(built.files["tiny"].size, program.metadata().unwrap().len());
    let names: Vec<&str> = built.from.keys().map(String::as_str).collect();
    assert_eq!(names, ["flags", "go", "go.mod", "packages"]);
    let flags = "-trimpath -buildvcs=false -ldflags=-s -w GOOS=linux GOARCH=amd64 GOAMD64=v1 CGO_ENABLED=0";
    assert_eq!(built.from["flags"], flags);

    assert_eq!(module.build(&heard).unwrap(), built);
    assert_eq!(heard.count("begin compiling tiny with Go"), 1);
    assert_eq!(heard.count("end tiny: unchanged"), 1);
    assert_eq!(heard.count("say "), 0, "{:?}", heard.0);
}

#[test]
fn a_result_that_is_gone_is_built_again() {
    let (module, heard) = (Module::unique(), Heard::default());
    let built = module.build(&heard).unwrap();
    fs::remove_file(blob(&shared(), &built)).unwrap();
    assert_eq!(module.build(&heard).unwrap(), built);
    assert_eq!(heard.count("begin compiling"), 2);
}

#[test]
fn two_kilns_build_the_same_once() {
    let (module, heard) = (Module::unique(), Heard::default());
    let (a, b) = std::thread::scope(|scope| {
        let a = scope.spawn(|| module.build(&heard).unwrap());
        let b = scope.spawn(|| module.build(&heard).unwrap());
        (a.join().unwrap(), b.join().unwrap())
    });
    assert_eq!(a, b);
    assert_eq!(heard.count("begin compiling"), 1);
}

/// Other folder, other cache, and a machine that is set up in another way.
#[test]
fn the_same_source_gives_the_same_bytes_anywhere() {
    let module =
        Module::new(&[("go.mod", GO_MOD), ("main.go", "package main\n\nfunc main() { println(1) }\n")]);
    let again =
        Module::new(&[("go.mod", GO_MOD), ("main.go", "package main\n\nfunc main() { println(1) }\n")]);
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let temporary = again.folder.path().to_str().unwrap();
    let odd = environment_with(&[
        ("GOFLAGS", "-gcflags=-N"),
        ("GOAMD64", "v3"),
        ("GOGC", "50"),
        ("HOME", temporary),
        ("TMPDIR", temporary),
        ("TZ", "Asia/Kathmandu"),
        ("LC_ALL", "tr_TR.UTF-8"),
    ]);
    let first = module.build_in(here.path(), &environment(), &Heard::default()).unwrap();
    let second = again.build_in(there.path(), &odd, &Heard::default()).unwrap();
    assert_eq!(first, second);
}

#[test]
fn a_compile_error_is_shown_once_with_its_place() {
    let main = "package main\n\nfunc main() { undefinedHere() }\n";
    let heard = Heard::default();
    let module = Module::new(&[("go.mod", GO_MOD), ("main.go", main)]);
    let error = with_causes(&module.build(&heard).unwrap_err());
    let expected = "can't compile tiny (example.org/tiny):\n# example.org/tiny\n./main.go:3:15: undefined: undefinedHere";
    assert_eq!(error, expected);
    assert_eq!(heard.count("undefinedHere"), 0);
}

#[test]
fn compilers_have_no_network() {
    let main =
        "package main\n\n// int one(void) { return 1; }\nimport \"C\"\n\nfunc main() { println(C.one()) }\n";
    let mut module = Module::new(&[("go.mod", GO_MOD), ("main.go", main)]);
    module.go.cgo = true;
    // A C compiler that writes down in which network namespace it runs.
    let (tools, real) = (module.folder.path().join("bin"), which("cc"));
    let seen = module.folder.path().join("seen");
    fs::create_dir(&tools).unwrap();
    let script = format!(
        "#!/bin/sh\nreadlink /proc/self/ns/net >>'{}'\nexec '{}' \"$@\"\n",
        seen.display(),
        real.display()
    );
    fs::write(tools.join("cc"), script).unwrap();
    fs::set_permissions(tools.join("cc"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    // A cache of its own: what is in Go's cache is not compiled, and the compiler sees nothing.
    let cache = tempfile::tempdir().unwrap();
    let built =
        module.build_in(cache.path(), &environment_with(&[("PATH", &path)]), &Heard::default()).unwrap();
    assert!(built.from.contains_key("cc") && built.from["libc"].contains("GLIBC"), "{:?}", built.from);
    let seen = fs::read_to_string(seen).unwrap();
    let here = fs::read_link("/proc/self/ns/net").unwrap();
    // The look at the compiler's version comes first and is no part of the build.
    let outside = seen.lines().filter(|line| Path::new(line) == here).count();
    assert!(outside == 1 && seen.lines().count() > 1, "{here:?}:\n{seen}");
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("this test needs {program}"))
}

const IMPORTS: &str = "package main\n\nimport _ \"example.org/none\"\n\nfunc main() {}\n";
const REQUIRES: &str = "module example.org/tiny\n\ngo 1.24\n\nrequire example.org/none v1.0.0\n";

#[test]
fn a_module_that_is_not_there_fails_at_once() {
    let sum = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let sums = format!("example.org/none v1.0.0 h1:{sum}\nexample.org/none v1.0.0/go.mod h1:{sum}\n");
    let start = Instant::now();
    let module = Module::new(&[("go.mod", REQUIRES), ("go.sum", &sums), ("main.go", IMPORTS)]);
    let error = module.refused();
    assert!(error.starts_with("can't get the Go modules of tiny ("), "{error}");
    assert!(error.contains("\nmain.go:3:8: module lookup disabled by GOPROXY=off"), "{error}");
    assert!(error.ends_with("\nrun once without --offline to fetch it"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn a_missing_go_sum_entry_names_what_to_run() {
    let module = Module::new(&[("go.mod", REQUIRES), ("main.go", IMPORTS)]);
    let error = module.refused();
    assert!(error.contains("missing go.sum entry"), "{error}");
    let fix = format!(
        "\nrun `go mod tidy` in {} and look at what it changed",
        module.folder.path().join("m").display()
    );
    assert!(error.ends_with(&fix), "{error}");
    assert!(!module.folder.path().join("m/go.sum").exists());
}

#[test]
fn without_go_it_says_which_is_needed() {
    let empty = tempfile::tempdir().unwrap();
    let environment = environment_with(&[("PATH", empty.path().to_str().unwrap())]);
    let error = Module::unique().build_in(&shared(), &environment, &Heard::default()).unwrap_err();
    let expected = "building tiny needs `go`, which is in no folder of PATH; install Go 1.24 or newer";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_old_go_is_told_from_a_new_one() {
    let module =
        Module::new(&[("go.mod", "module example.org/tiny\n\ngo 1.999.3\n"), ("main.go", "package main\n")]);
    let error = module.refused();
    assert!(error.starts_with("building tiny needs Go 1.999.3 or newer, and /"), "{error}");
    assert!(error.ends_with("; install a newer Go and put it first in PATH"), "{error}");
}

#[test]
fn folders_that_would_depend_on_more_than_their_files_are_refused() {
    let module =
        Module::new(&[("go.mod", "module example.org/tiny\n\ngo 1.24\n\nreplace a.org/b => ../b\n")]);
    assert!(
        module
            .refused()
            .ends_with("by a folder outside (`replace a.org/b => ../b`); move that folder inside")
    );
    let module = Module::unique();
    symlink("/etc/passwd", module.folder.path().join("m/link.go")).unwrap();
    assert!(module.refused().ends_with("'link.go' is neither a file nor a folder; remove it"));
    fs::remove_file(module.folder.path().join("m/go.mod")).unwrap();
    assert!(module.refused().ends_with("m/go.mod: No such file or directory (os error 2)"));
}

#[test]
fn packages_that_are_no_single_program_are_refused() {
    let mut module = Module::new(&[("go.mod", GO_MOD), ("main.go", "package tiny\n")]);
    assert!(module.refused().contains("example.org/tiny is the library 'tiny', not a program"));
    for (packages, expected) in [
        (vec!["./..."], "'./...' is not the import path of one program"),
        (vec!["-exec=x"], "'-exec=x' is not the import path of one program"),
        (vec!["a.org/x/cmd/y", "b.org/y/v2"], "a.org/x/cmd/y and b.org/y/v2 both make a program 'y'"),
        (vec![], "no packages are named"),
    ] {
        module.go.packages = packages.into_iter().map(str::to_owned).collect();
        let error = module.refused();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn cgo_is_refused_for_another_architecture() {
    let mut module = Module::unique();
    module.go.cgo = true;
    let cache = Cache::open(&shared(), Duration::from_secs(10)).unwrap();
    let builder =
        Builder { cache: &cache, environment: &environment(), is_offline: true, progress: &Heard::default() };
    let other = if cfg!(target_arch = "x86_64") { Arch::Arm64 } else { Arch::Amd64 };
    let order = Order { component: "tiny", root: module.folder.path(), go: &module.go, arch: other };
    let error = builder.build(&order).unwrap_err().to_string();
    assert!(
        error.ends_with("with cgo it can only be built on a machine of the image's architecture"),
        "{error}"
    );
}

#[test]
fn a_c_library_that_moves_is_compiled_in_anew() {
    let main = "package main\n\n// #cgo pkg-config: kilntiny\nimport \"C\"\n\nfunc main() { println(int(C.TINY)) }\n";
    let mut module = Module::new(&[("go.mod", GO_MOD), ("main.go", main)]);
    module.go.cgo = true;
    let tools = tempfile::tempdir().unwrap();
    let place = |version: &str| {
        let text = format!("Name: tiny\nDescription: tiny\nVersion: {version}\nCflags: -DTINY=7\n");
        fs::write(tools.path().join("kilntiny.pc"), text).unwrap();
    };
    // The real one, which looks in one folder more: nothing but PATH reaches compilers.
    let (script, real) = (tools.path().join("pkg-config"), which("pkg-config"));
    let text =
        format!("#!/bin/sh\nPKG_CONFIG_PATH={} exec {} \"$@\"\n", tools.path().display(), real.display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let environment = environment_with(&[("PATH", &path)]);
    let build = |heard: &Heard| module.build_in(&shared(), &environment, heard).unwrap();
    let unchanged = |heard: &Heard| heard.count("end tiny: unchanged");

    place("1.0");
    assert_eq!(build(&Heard::default()).from["pkg-config kilntiny"], "1.0");
    let heard = Heard::default();
    build(&heard);
    assert_eq!(unchanged(&heard), 1);
    place("1.1");
    let heard = Heard::default();
    assert_eq!((build(&heard).from["pkg-config kilntiny"].as_str(), unchanged(&heard)), ("1.1", 0));
}
