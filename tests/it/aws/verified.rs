// SPDX-License-Identifier: Apache-2.0
//! `kiln verify ami-...`: what was published is read back block by block, and every byte that is another one is named.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Arc;

use kiln::blocks::BLOCK;
use kiln::cloud::policy::{Who, rights};
use kiln::digest::Digest;

use super::double::{Double, Fault, KEY, Weather, ebs};
use super::others::Moto;
use super::program::{TARGET, kiln, words};
use crate::bake::shop::{Shop, succeeded};
use crate::compare::first_block;
use crate::disk::bases::Layout;

const REGION: &str = "us-east-1";

/// An image that was baked for AWS and published in one region.
struct Published {
    shop: Shop,
    double: Double,
    image: String,
    snapshot: String,
}

fn baked() -> Shop {
    let shop = Shop::new(Layout::Former);
    shop.edit("flavour: generic", "flavour: ami");
    shop.edit("formats: [raw, qcow2]", "formats: [raw]");
    shop.bake("out", &[]);
    shop
}

impl Published {
    fn new(base: &str) -> Self {
        let shop = baked();
        let target = TARGET.replace("eu-central-1, us-east-1", REGION).replace("base: make", base);
        std::fs::write(shop.path("aws.yaml"), target).unwrap();
        let double = Double::start(Weather { page: Some(100), ..Weather::default() });
        succeeded(
            &kiln(&shop, &double, &["publish", "out/node.raw", "--target", "aws.yaml"]).output().unwrap(),
        );
        let (image, snapshot) = {
            let mut state = double.state();
            let (id, image) = state.region(REGION).images.iter().next().unwrap();
            (id.clone(), image.snapshots[0].clone())
        };
        double.forget_calls();
        Self { shop, double, image, snapshot }
    }

    fn verify(&self, what: &str, more: &[&str]) -> Output {
        let mut kiln =
            kiln(&self.shop, &self.double, &["verify", what, "--folder", "image", "--region", REGION]);
        kiln.args(more).output().unwrap()
    }

    /// How often each block was asked for since the calls were forgotten.
    fn gets(&self) -> BTreeMap<String, usize> {
        let mut gets = BTreeMap::new();
        for call in self.double.state().calls.iter().filter(|call| call.action == "ebs:GetSnapshotBlock") {
            *gets.entry(call.about.clone()).or_default() += 1;
        }
        gets
    }

    /// Turns over the byte at this offset of the snapshot, and its checksum with it.
    fn flip(&self, offset: u64) {
        let mut state = self.double.state();
        let snapshots = &mut state.region(REGION).snapshots;
        let index = offset / BLOCK;
        let parent = snapshots[&self.snapshot].parent.clone();
        let is_own = snapshots[&self.snapshot].blocks.contains_key(&index);
        let holder = if is_own { self.snapshot.clone() } else { parent.unwrap() };
        let block = snapshots.get_mut(&holder).unwrap().blocks.get_mut(&index).unwrap();
        let mut bytes = block.bytes.as_ref().unwrap().to_vec();
        let at = (offset % BLOCK) as usize;
        bytes[at] = !bytes[at];
        *block = ebs::Block { digest: Digest::of(&bytes), bytes: Some(Arc::from(bytes)) };
    }
}

#[test]
fn a_published_image_is_read_back_once_and_a_changed_byte_is_named() {
    let published = Published::new("base: ignore");
    let Published { shop, double, image, snapshot } = &published;
    let out = succeeded(&published.verify(image, &[]));
    let version = kiln::mark::VERSION;
    let name = format!("{image} ({snapshot} in {REGION})");
    assert!(out.starts_with(&format!("{name}: every byte is what kiln {version} bakes as node\n")), "{out}");
    let gets = published.gets();
    let blocks = double.state().region(REGION).snapshots[snapshot].blocks.len();
    assert_eq!(gets.len(), blocks, "every block is compared");
    assert!(gets.values().all(|times| *times == 1), "and fetched once: {gets:?}");
    assert!(double.count("ebs:ListSnapshotBlocks") == blocks.div_ceil(100), "page by page");
    let allowed: Vec<&str> = rights(Who::Auditor).map(|right| right.action).collect();
    assert!(double.actions().iter().all(|action| allowed.contains(&&**action)), "{:?}", double.actions());
    for right in rights(Who::Auditor).filter(|right| right.reason.starts_with("kiln verify")) {
        assert!(double.actions().contains(right.call), "nobody has called {}", right.call);
    }
    println!("{blocks} blocks, each fetched once");

    let file = first_block(&shop.path("out/node.raw"), "/opt/big.bin") + 5000;
    published.flip(file);
    let changed = published.verify(image, &[]);
    let out = String::from_utf8(changed.stdout).unwrap();
    assert_eq!(changed.status.code(), Some(1));
    assert!(
        out.starts_with(&format!(
            "{name} is not what kiln {version} bakes as node: 1 blocks of 512 KiB differ\n"
        )),
        "{out}"
    );
    let line = format!("  ROOT:/opt/big.bin, from byte 5000 on: 1 byte, at offset {file} of the disk\n");
    assert!(out.contains(&line), "{out}");
    published.flip(file);

    // First byte of USR-A in the former layout; and the snapshot by its own id.
    let usr = 270_336 * 512 + 70_000;
    published.flip(usr);
    let changed = published.verify(snapshot, &["--format", "json"]);
    assert_eq!(changed.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&changed.stdout).unwrap();
    assert_eq!((&told["blocks"], &told["is_same"]), (&1.into(), &false.into()), "{told}");
    let found = &told["differences"][0];
    assert_eq!((&found["label"], &found["partition_offset"]), (&"USR-A".into(), &70_000.into()), "{told}");
    published.flip(usr);

    // The last sector is the backup of the partition table's header; behind it nothing may be.
    let size = Layout::Former.size();
    let mut bytes = vec![0; BLOCK as usize];
    bytes[1000] = 1;
    let block = ebs::Block { digest: Digest::of(&bytes), bytes: Some(Arc::from(bytes)) };
    double.state().region(REGION).snapshots.get_mut(snapshot).unwrap().blocks.insert(size / BLOCK, block);
    let longer = published.verify(image, &[]);
    assert_eq!(longer.status.code(), Some(78));
    let (is, wanted) = (size / 512 - 1, size / 512 + 1);
    let line = format!("it says that the other copy is in sector {is}, not in {wanted}");
    assert!(words(&longer).contains(&line), "{}", words(&longer));
}

#[test]
fn a_snapshot_on_a_parent_is_read_with_its_parents_blocks_and_trouble_passes() {
    let published = Published::new("base: make");
    let calls = std::sync::atomic::AtomicUsize::new(0);
    published.double.set_faults(move |call| {
        if call.action != "ebs:GetSnapshotBlock" {
            return Fault::None;
        }
        let reason = Some("ACCOUNT_THROTTLED");
        match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 16 {
            3 => Fault::Damage,
            6 => Fault::CutAfter,
            9 => Fault::Refuse(400, "RequestThrottledException", "slow down", reason),
            12 => Fault::Refuse(503, "InternalServerException", "down", None),
            _ => Fault::None,
        }
    });
    let out = succeeded(&published.verify(&published.image, &[]));
    assert!(out.contains(": every byte is what kiln"), "{out}");
    published.double.no_faults();
    // A block of the base, under the vendor's /usr.
    published.flip(270_336 * 512 + 70_000);
    assert_eq!(published.verify(&published.image, &[]).status.code(), Some(1));
}

#[test]
fn what_can_not_be_read_back_says_why() {
    let published = Published::new("base: ignore");
    let Published { shop, double, image, snapshot } = &published;
    let told = |what: &str| {
        let output = published.verify(what, &[]);
        assert!(output.stdout.is_empty());
        // Beside how it went.
        let said = words(&output);
        let said: String = said.split_inclusive('\n').filter(|line| line.starts_with("kiln: ")).collect();
        (output.status.code().unwrap(), said)
    };
    let none = "ami-0123456789abcdef0";
    assert_eq!(
        told(none),
        (
            1,
            format!(
                "kiln: there is no image {none} in {REGION}; name its region with --region, or have it shared with this account\n"
            )
        )
    );
    assert_eq!(
        told("snap-0123456789abcdef0"),
        (
            1,
            format!(
                "kiln: ebs:ListSnapshotBlocks in {REGION}: ResourceNotFoundException: The snapshot 'snap-0123456789abcdef0' does not exist.\n"
            )
        )
    );
    assert_eq!(
        told("ami-nothing"),
        (1, "kiln: can't open ami-nothing: No such file or directory (os error 2)\n".to_owned())
    );
    let alone = |words: &[&str]| {
        let mut kiln = kiln(shop, double, words);
        kiln.env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap()
    };
    let nowhere = alone(&["verify", image]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert_eq!(
        words(&nowhere),
        format!("kiln: nobody says in which region {image} is; add --region, or set AWS_REGION\n")
    );

    let deny = |action: &'static str| {
        double.set_faults(move |call| match call.action == action {
            true => Fault::Refuse(403, "AccessDeniedException", "no", None),
            false => Fault::None,
        });
    };
    deny("ebs:GetSnapshotBlock");
    assert_eq!(
        told(image),
        (
            1,
            format!(
                "kiln: ebs:GetSnapshotBlock in {REGION}: not allowed (AccessDeniedException): no; `kiln policy` prints the rights that are needed\n"
            )
        )
    );
    // Later, in the middle of the comparison.
    let mut gets = 0;
    double.set_faults(move |call| {
        gets += usize::from(call.action == "ebs:GetSnapshotBlock");
        if gets > 20 { Fault::Refuse(403, "AccessDeniedException", "no", None) } else { Fault::None }
    });
    assert_eq!(
        told(image),
        (
            1,
            format!(
                "kiln: can't read {image} ({snapshot} in {REGION}): ebs:GetSnapshotBlock in {REGION}: not allowed (AccessDeniedException): no; `kiln policy` prints the rights that are needed\n"
            )
        )
    );
    double.no_faults();
    double.state().region(REGION).snapshots.get_mut(snapshot).unwrap().state = "pending";
    assert_eq!(
        told(image),
        (
            1,
            format!(
                "kiln: ebs:ListSnapshotBlocks in {REGION}: ValidationException: the snapshot is not complete\n"
            )
        )
    );
    // The vendor's own image, or an empty volume.
    let mut state = double.state();
    let found = state.region(REGION).snapshots.get_mut(snapshot).unwrap();
    found.state = "completed";
    found.blocks.clear();
    drop(state);
    let (code, text) = told(image);
    assert_eq!(code, 78, "{text}");
    assert!(text.starts_with(&format!("kiln: {image} ({snapshot} in {REGION}): ")), "{text}");
}

/// moto is published to by the same calls; its images name snapshots of its own invention, so the snapshot is named here.
#[test]
fn moto_gives_back_what_was_published() {
    let shop = baked();
    let target = TARGET.replace("eu-central-1, us-east-1", REGION).replace("base: make", "base: ignore");
    std::fs::write(shop.path("aws.yaml"), target).unwrap();
    let moto = Moto::start();
    let run = |words: &[&str]| {
        let mut kiln = shop.kiln(words);
        kiln.env("AWS_ENDPOINT_URL", &moto.url)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        kiln.output().unwrap()
    };
    succeeded(&run(&["publish", "out/node.raw", "--target", "aws.yaml"]));
    let journal = std::fs::read_dir(shop.path("out")).unwrap().map(|entry| entry.unwrap().path());
    let texts = journal.filter_map(|path| std::fs::read_to_string(path).ok()).collect::<String>();
    let at = texts.find("snap-").expect("the journal names the snapshot");
    let snapshot: String =
        texts[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let out = succeeded(&run(&["verify", &snapshot, "--folder", "image", "--region", REGION]));
    assert!(out.starts_with(&format!("{snapshot} in {REGION}: every byte is what kiln")), "{out}");
}
