// SPDX-License-Identifier: Apache-2.0
//! `kiln publish`, `kiln unpublish`, `kiln policy`; and snapshots for `kiln verify`.

use std::path::Path;

use kiln::cloud::policy::{self, Scope};
use kiln::cloud::{Cloud, SnapshotDisk};
use kiln::exit::Exit;
use kiln::host::clock;
use kiln::publish::target::{self, Target};
use kiln::publish::{self, Desk, Order, Publication, Subject};
use kiln::resource::is_id;
use tokio::runtime::Handle;

use crate::asked::is_confirmed;
use crate::cli::{self, Format, Inputs};
use crate::failure::Failure;
use crate::named;
use crate::out::{say, tell};
use crate::show::print_json;
use crate::surroundings::Surroundings;

/// A target has some kilobytes.
const TARGET_MAX_BYTES: u64 = 1 << 20;

/// `kiln publish IMAGE --target FILE`
pub fn publish(words: &cli::Publish, here: &Surroundings) -> Result<Exit, Failure> {
    let (subject, target) = read(&words.image, &words.target, here)?;
    let order = Order { subject: &subject, target: &target, promote: &words.promote };
    let runtime = runtime()?;
    if words.dry_run {
        let cloud = runtime.block_on(cloud(&target, here))?;
        let plan = runtime.block_on(publish::rehearse(&order, &cloud))?;
        match here.format {
            Format::Json => print_json(&plan)?,
            Format::Text => crate::out::put(format_args!("{plan}")),
        }
        return Ok(Exit::Done);
    }
    let nonce = nonce()?;
    let cloud = runtime.block_on(cloud(&target, here))?;
    let publication = runtime.block_on(async {
        publish::publish(&order, Desk { cloud: &cloud, nonce, progress: &*here.progress }).await
    })?;
    match here.format {
        Format::Json => print_json(&publication)?,
        Format::Text => print(&publication),
    }
    Ok(Exit::Done)
}

fn print(publication: &Publication) {
    publication.warnings.iter().for_each(|warning| say!("warning: {warning}"));
    for (region, published) in &publication.regions {
        let what = match published.is_new {
            true => format!("published, {} blocks sent", published.blocks),
            false => "nothing was lacking".to_owned(),
        };
        say!("{region:<16} {}  {what}", published.image);
    }
    say!("name   {}", publication.name);
    say!("image  {}", publication.image);
}

/// `kiln unpublish IMAGE --target FILE`
pub fn unpublish(words: &cli::Unpublish, here: &Surroundings) -> Result<Exit, Failure> {
    let (subject, target) = read(&words.image, &words.target, here)?;
    let order = Order { subject: &subject, target: &target, promote: &[] };
    let runtime = runtime()?;
    let cloud = runtime.block_on(cloud(&target, here))?;
    let withdrawal = runtime.block_on(publish::look_back(&order, &cloud))?;
    match here.format {
        Format::Json => print_json(&withdrawal)?,
        Format::Text => crate::out::put(format_args!("{withdrawal}")),
    }
    if words.dry_run || withdrawal.is_empty() {
        return Ok(Exit::Done);
    }
    if !words.yes && !is_confirmed("remove all this?")? {
        return Err(Failure::with(Exit::Failed, "nothing was removed"));
    }
    runtime.block_on(publish::undo(&withdrawal, &subject, &cloud, nonce()?))?;
    Ok(Exit::Done)
}

/// `kiln policy WHO`
pub fn policy(words: &cli::Policy, format: Format) -> Result<Exit, Failure> {
    let who = words.who.into();
    if words.reasons && format == Format::Text {
        for right in policy::rights(who) {
            say!("{:<36} {:<40} {}", right.call, right.action, right.reason);
        }
        return Ok(Exit::Done);
    }
    let mut scope = Scope { parameters: words.parameters.clone(), ..words.partition.clone() };
    scope.cluster = words.cluster.clone().unwrap_or(scope.cluster);
    scope.vpc = words.vpc.clone().unwrap_or(scope.vpc);
    if words.vpc.is_none() && policy::rights(who).any(|right| right.call.ends_with("Route")) {
        tell!("kiln: without --vpc it is for the routes of every VPC of the account");
    }
    print_json(&policy::document(who, &scope))?;
    Ok(Exit::Done)
}

/// Opens the snapshot of an image (`ami-...`) or a snapshot itself, and returns what messages call it.
pub fn stored(
    id: &str,
    region: Option<&str>,
    runtime: &Handle,
    here: &Surroundings,
) -> Result<(SnapshotDisk, String), Failure> {
    let cloud = runtime.block_on(here.cloud(region))?;
    let Some(region) = region.or(cloud.home()).map(|name| cloud.region(name)) else {
        let what = format!("nobody says in which region {id} is; add --region, or set AWS_REGION");
        return Err(Failure::with(Exit::Usage, what));
    };
    let disk = match is_id(id, "ami-") {
        true => SnapshotDisk::of_image(&region, id, runtime)?,
        false => SnapshotDisk::open(&region, id, runtime)?,
    };
    let name = match disk.id() == id {
        true => format!("{id} in {}", region.name()),
        false => format!("{id} ({} in {})", disk.id(), region.name()),
    };
    Ok((disk, name))
}

/// Opens the image, its base where the cache has it, and the target for it.
fn read(image: &Path, file: &Path, here: &Surroundings) -> Result<(Subject, Target), Failure> {
    let inputs = Inputs { offline: true, locked: true, jobs: None };
    let text = named::text(file, TARGET_MAX_BYTES)?;
    here.at_desk(&inputs, |desk| {
        let (mut subject, lock) = publish::open(image, desk.jobs, desk.progress)?;
        let target = target::parse(file, &text, &subject.facts, clock::now_s())
            .map_err(|problems| Failure::with(Exit::Config, problems))?;
        if target.base != target::BaseUse::Ignore {
            subject.base = publish::pristine(&lock, desk)?;
        }
        Ok((subject, target))
    })
}

async fn cloud(target: &Target, here: &Surroundings) -> Result<Cloud, Failure> {
    here.cloud(target.regions.first().map(String::as_str)).await
}

fn nonce() -> Result<String, Failure> {
    let mut chance = [0; 16];
    getrandom::fill(&mut chance).map_err(std::io::Error::from)?;
    Ok(chance.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
