// SPDX-License-Identifier: Apache-2.0
//! coldsnap, AWS's own uploader, on both ends: it reads from the double what kiln has published, and what it uploads is what
//! kiln verifies. It is a second large build of the SDK, so these tests run when they are asked for.

mod program;

use std::path::Path;
use std::process::Command;

use self::program::{REGION, coldsnap};
use super::double::{self, Double, Weather};
use super::program::{TARGET, kiln};
use crate::bake::shop::{Shop, succeeded};
use crate::disk::bases::Layout;

fn baked(double: &Double) -> (Shop, impl Fn(&[&str]) -> String) {
    let shop = Shop::new(Layout::Former);
    shop.edit("flavour: generic", "flavour: ami");
    shop.edit("formats: [raw, qcow2]", "formats: [raw]");
    shop.bake("out", &[]);
    let folder = shop.path("");
    let url = double.url();
    let run = move |words: &[&str]| {
        let mut coldsnap = coldsnap(&url, words);
        succeeded(&coldsnap.current_dir(&folder).output().unwrap())
    };
    (shop, run)
}

fn is_same(one: &Path, other: &Path) {
    // A volume is whole GiB; what follows the image is zeros.
    let bytes = std::fs::metadata(one).unwrap().len();
    let cmp = Command::new("cmp").args(["-n", &bytes.to_string()]).args([one, other]).output().unwrap();
    assert!(cmp.status.success(), "{}", String::from_utf8_lossy(&cmp.stdout));
}

#[test]
#[ignore = "compiles coldsnap: some ten minutes the first time"]
fn coldsnap_downloads_what_was_published_and_kiln_verifies_what_it_uploads() {
    let double = Double::start(Weather::default());
    let (shop, coldsnap) = baked(&double);
    // On a snapshot of the base, so that blocks come from both.
    std::fs::write(shop.path("aws.yaml"), TARGET.replace("eu-central-1, us-east-1", REGION)).unwrap();
    succeeded(&kiln(&shop, &double, &["publish", "out/node.raw", "--target", "aws.yaml"]).output().unwrap());
    let snapshot = {
        let mut state = double.state();
        let image = state.region(REGION).images.values().next().unwrap();
        image.snapshots[0].clone()
    };
    coldsnap(&["download", "--no-progress", &snapshot, "downloaded"]);
    is_same(&shop.path("out/node.raw"), &shop.path("downloaded"));

    for more in [&[][..], &["--omit-zero-blocks"]] {
        let words = [&["upload", "--no-progress"], more, &["out/node.raw"]].concat();
        let uploaded = coldsnap(&words);
        let uploaded = uploaded.trim();
        let words = ["verify", uploaded, "--folder", "image", "--region", REGION];
        let out = succeeded(&kiln(&shop, &double, &words).output().unwrap());
        assert!(out.starts_with(&format!("{uploaded} in {REGION}: every byte is what kiln")), "{out}");
    }
}
