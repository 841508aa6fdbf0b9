// SPDX-License-Identifier: Apache-2.0
//! A disk that is full at every write of a build in turn. The shortage holds for a whole process, so this one is run
//! again for it; what the Go tools themselves write is their own business.

use std::process::Command;
use std::time::Duration;

use kiln::digest::Digest;
use kiln::host::cache::Cache;
use kiln::host::fault;
use kiln::host::go::{Builder, Order};
use kiln::manifest::Arch;

use super::{Heard, Module, blob, environment, shared, with_causes};

/// More writes than keeping one small program needs.
const WRITES_MAX: u32 = 200;

#[test]
#[ignore = "run by the test below"]
fn child() {
    let (module, variables) = (Module::unique(), environment());
    let cache = Cache::open(&shared(), Duration::from_secs(10)).unwrap();
    let build = |heard: &Heard| {
        let builder = Builder { cache: &cache, environment: &variables, is_offline: true, progress: heard };
        let order =
            Order { component: "tiny", root: module.folder.path(), go: &module.go, arch: Arch::Amd64 };
        builder.build(&order)
    };
    for writes in 0..WRITES_MAX {
        fault::arm(writes);
        let result = build(&Heard::default());
        if !fault::disarm() {
            let built = result.unwrap();
            let kept = std::fs::read(blob(&shared(), &built)).unwrap();
            assert_eq!(Digest::of(&kept), built.files["tiny"].sha256);
            // The very build that succeeded is the first that is recorded.
            let heard = Heard::default();
            assert_eq!((build(&heard).unwrap(), heard.count("end tiny: unchanged")), (built, 1));
            assert!(writes > 5, "{writes}");
            return;
        }
        let words = with_causes(&result.unwrap_err());
        assert!(words.contains("No space left on device"), "{writes}: {words}");
        for key in cache.record_keys("built").unwrap() {
            let record = cache.record_get("built", &key).unwrap().unwrap();
            serde_json::from_slice::<serde_json::Value>(&record).unwrap();
        }
    }
    panic!("{WRITES_MAX} writes were not enough");
}

#[test]
fn a_full_disk_leaves_no_half_result_of_a_build() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", "go::full::child", "--ignored"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
