// SPDX-License-Identifier: Apache-2.0
//! What the tests publish: a small image in memory, its base, a target, and an account at a double.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use kiln::blocks::{BLOCK, BlockList};
use kiln::cloud::{Cloud, Limits};
use kiln::digest::Digest;
use kiln::disk::ReadAt;
use kiln::host::disk::{Image, image_digests};
use kiln::manifest::Arch;
use kiln::progress::Silent;
use kiln::publish::facts::Facts;
use kiln::publish::target::{self, Target};
use kiln::publish::{self, Desk, Order, Pristine, Publication, PublishError, Subject};

use super::double::KEY;

/// 2026-12-01.
pub const NOW_S: u64 = 1_796_083_200;
pub const REGIONS: [&str; 3] = ["eu-central-1", "eu-west-1", "us-east-1"];

/// An image in memory.
pub struct Memory(pub Vec<u8>);

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(buffer, offset)
    }
}

impl Image for Memory {}

/// Returns an image of `len` blocks where those at `filled` hold their byte; it ends within its last block.
pub fn image(len: u64, filled: &[(u64, u8)]) -> Arc<dyn Image> {
    let mut bytes = vec![0; (len * BLOCK) as usize];
    for (index, byte) in filled {
        bytes[(index * BLOCK) as usize..][..BLOCK as usize].fill(*byte);
    }
    bytes.truncate(bytes.len() - 512);
    Arc::new(Memory(bytes))
}

pub fn list(image: &dyn Image) -> BlockList {
    image_digests(image, 1, &Silent).unwrap()
}

/// The image of most tests: blocks 0, 1, 5, 6, 11 of 12.
pub fn small() -> Arc<dyn Image> {
    image(12, &[(0, 1), (1, 2), (5, 3), (6, 4), (11, 5)])
}

/// Its base: block 1 is another, 5 and 6 are the same, 8 became zero.
pub fn small_base() -> Arc<dyn Image> {
    image(12, &[(0, 1), (1, 9), (5, 3), (6, 4), (8, 8)])
}

pub fn facts(blocks: BlockList) -> Facts {
    let versions = [("kubelet", "v1.36.3"), ("base", "4593.2.5")];
    Facts {
        name: "node".to_owned(),
        arch: Arch::Amd64,
        kiln: "0.1.0".to_owned(),
        plan: Digest::of(b"plan"),
        versions: versions.map(|(name, version)| (name.to_owned(), version.to_owned())).into(),
        base: Some(Digest::of(b"base")),
        digest: blocks.digest(),
        blocks,
    }
}

pub fn subject(folder: &Path, image: Arc<dyn Image>) -> Subject {
    let path = folder.join("node.raw");
    Subject { path, facts: facts(list(&*image)), image, base: None }
}

pub fn with_base(mut subject: Subject, base: Arc<dyn Image>) -> Subject {
    subject.base = Some(Pristine { blocks: list(&*base), image: base });
    subject
}

/// A target of some regions, and more lines.
pub fn target(subject: &Subject, regions: &[&str], more: &str) -> Target {
    let text = format!("kiln: 1\nname: 'node-{{{{ image }}}}'\nregions: [{}]\n{more}", regions.join(", "));
    target::parse(Path::new("aws.yaml"), &text, &subject.facts, NOW_S)
        .unwrap_or_else(|words| panic!("{words}"))
}

/// The lines that use everything.
pub const EVERYTHING: &str = "tags: {Team: platform}\nparameters: [/kiln/node/one]\n\
    channels: {stable: /kiln/node/stable}\ndeprecate: '2027-06-30'\n\
    share: {accounts: ['123456789012', '210987654321']}\n";

/// Limits that a test can wait for.
pub fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        read: Duration::from_secs(2),
        attempt: Duration::from_secs(2),
        operation: Duration::from_secs(10),
        fresh: Duration::from_secs(10),
        ready: Duration::from_secs(10),
        poll: Duration::from_millis(10),
    }
}

pub async fn cloud(url: &str, key: &str, limits: Limits) -> Cloud {
    let credentials = Credentials::new(key, "secret", None, None, "test");
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(url)
        .credentials_provider(credentials)
        .region(Region::new("us-east-1"));
    Cloud::load(loader, limits, None).await.unwrap()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Publishes once, as the program does.
pub fn publish(url: &str, subject: &Subject, target: &Target) -> Result<Publication, PublishError> {
    publish_as(url, KEY, limits(), subject, target, &[])
}

pub fn publish_as(
    url: &str,
    key: &str,
    limits: Limits,
    subject: &Subject,
    target: &Target,
    promote: &[String],
) -> Result<Publication, PublishError> {
    runtime().block_on(async {
        let cloud = cloud(url, key, limits).await;
        let desk = Desk { cloud: &cloud, nonce: format!("{}", std::process::id()), progress: &Silent };
        publish::publish(&Order { subject, target, promote }, desk).await
    })
}

/// Takes a publication back.
pub fn unpublish(url: &str, subject: &Subject, target: &Target) -> Result<(), PublishError> {
    runtime().block_on(async {
        let cloud = cloud(url, KEY, limits()).await;
        let withdrawal = publish::look_back(&Order { subject, target, promote: &[] }, &cloud).await?;
        publish::undo(&withdrawal, subject, &cloud, "nonce".to_owned()).await
    })
}

/// Everything in the account by region: names of images, snapshots that are no image's, parameters.
pub fn left(state: &mut super::double::State) -> BTreeMap<String, (usize, usize, usize)> {
    let mut found = BTreeMap::new();
    for (name, region) in &state.regions {
        let used: Vec<&String> = region.images.values().flat_map(|image| &image.snapshots).collect();
        let orphans = region.snapshots.keys().filter(|id| !used.contains(id)).count();
        found.insert(name.clone(), (region.images.len(), orphans, region.parameters.len()));
    }
    found
}
