// SPDX-License-Identifier: Apache-2.0
//! The `kiln-firstboot` program: what a baked image runs before its container runtime and kubelet start.
//!
//! It reads words, settings and token, has the library do the work, prints one line and ends with an exit code.

mod alone;
mod say;
mod told;
mod words;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use kiln::cluster::Credential;
use kiln::exit::Exit;
use kiln::firstboot::explain::explain;
use kiln::firstboot::ledger::{LEDGER, Ledger};
use kiln::firstboot::look_cloud::{self, Ask};
use kiln::firstboot::look_control;
use kiln::firstboot::next;
use kiln::firstboot::observed::Observed;
use kiln::firstboot::plane::{self, Turn};
use kiln::firstboot::rehearsal::rehearse;
use kiln::firstboot::run::{DEADLINE, Diary, Ending, Imported, Run, import};
use kiln::firstboot::step::Step;
use kiln::firstboot::volume;
use kiln::host::root::Root;
use kiln::host::{clock, machine, notify};
use kiln::mark;
use kiln::report::{REPORT, Report};
use kiln::settings::Settings;

use alone::{Alone, alone};
use say::{give, tell};
use told::{Told, Untold};
use words::{Format, Phase, Word, Words};

/// A ledger or report has some 100 KB at most.
const RECORD_MAX_BYTES: u64 = 4 << 20;

/// Where systemd keeps what the machine was given (systemd-creds(1), --system).
const SYSTEM_CREDENTIALS: &str = "/run/credentials/@system";

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    // The bake recognises this text in the binary; clap would add the program's name to it.
    if std::env::args_os().nth(1).is_some_and(|word| word == "--version") {
        let given = give(format_args!("{}\n", mark::FIRSTBOOT));
        return given.map_or(Exit::Failed, |()| Exit::Done).into();
    }
    let words = match Words::try_parse() {
        Ok(words) => words,
        Err(error) => {
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return exit.into();
        }
    };
    match begin(&words) {
        Ok(exit) => exit.into(),
        Err(error) => {
            tell(format_args!("{}", chain(&*error)));
            Exit::Failed.into()
        }
    }
}

/// One line: an error and its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "the environment is read by bin")]
fn begin(words: &Words) -> Result<Exit, Failure> {
    let root = Root::new(&words.root);
    if let Word::Verify { unless_just_found: true } = words.word()
        && just_found(&root)?
    {
        return Ok(Exit::Done);
    }
    // A unit's own; whoever runs it by hand on the machine is told what the units are.
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let credentials = credentials.or_else(|| root.is_machine().then(|| PathBuf::from(SYSTEM_CREDENTIALS)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let told = match told::read(&root, &words.root, credentials.as_deref(), ask(words.word())).await? {
            Ok(told) => told,
            Err(untold) => return Ok(refused(&untold)),
        };
        for warning in &told.warnings {
            tell(format_args!("warning: {warning}"));
        }
        match alone(&root, words.word())? {
            Alone::Is { _lock } => work(words, &root, told).await,
            Alone::Not => {
                tell(
                    "another kiln-firstboot is at work on this machine and holds /var/lib/kiln/lock; wait for it \
                    (systemctl status kiln-firstboot.service kiln-repair.service), then try again",
                );
                Ok(Exit::TryAgain)
            }
        }
    })
}

/// Whoever only looks, later in the boot, need not ask who the machine is.
fn ask(word: Word) -> Ask {
    match word {
        Word::Run { dry_run: true, .. } => Ask::Dry,
        Word::Run { phase: Some(Phase::Volume), .. } => Ask::Early,
        Word::Run { .. } => Ask::Anew,
        Word::Verify { .. }
        | Word::Share
        | Word::Repair
        | Word::Images
        | Word::Explain
        | Word::Status { .. } => Ask::Kept,
    }
}

fn refused(untold: &Untold) -> Exit {
    let (text, exit) = match untold {
        Untold::Wrong(text) => (text, Exit::Config),
        Untold::Later(text) => (text, Exit::TryAgain),
    };
    for problem in text.lines() {
        tell(format_args!("{problem}"));
    }
    exit
}

async fn work(words: &Words, root: &Root, told: Told) -> Result<Exit, Failure> {
    let Told { settings: told, token, bad_token, warnings: _, facts } = told;
    let attachment = facts.as_ref().map(look_cloud::attachment);
    let ec2 = facts.as_ref().map(|facts| look_cloud::ec2(facts, &told.cloud)).transpose()?;
    let token = token.map_or(Credential::None, |token| Credential::Token(token.reveal().to_owned()));
    let own = look_control::own_settings(root, &told)?;
    let (attachment, ec2) = (attachment.as_ref(), ec2.as_ref());
    let run = Run {
        root,
        settings: &own,
        token,
        bad_token: bad_token.as_deref(),
        decide: next::next,
        may_run_pods: false,
        limit: DEADLINE,
        attachment,
        ec2,
    };
    let files = Run { settings: &told, token: Credential::None, ..run };
    let is_plane = plane::is_meant(&told);
    match words.word() {
        // Its unit runs on every machine, since only the settings know what it is.
        Word::Run { phase: Some(Phase::Volume), .. } if !is_plane => Ok(Exit::Done),
        Word::Run { dry_run, phase: Some(Phase::Volume) } => {
            if dry_run {
                dry_volume(&files)
            } else {
                Ok(end(files.volume(&mut Diary::begin(false)?).await?))
            }
        }
        Word::Run { phase: Some(_), .. } if !is_plane => {
            tell("only a control plane's first boot has phases; leave out --phase");
            Ok(Exit::Usage)
        }
        Word::Run { dry_run: true, phase: Some(Phase::Addons) } => {
            tell("the server alone knows what applying would change; leave out --dry-run");
            Ok(Exit::Usage)
        }
        Word::Run { phase: Some(Phase::Addons), .. } => {
            Ok(end(run.addons(&mut Diary::begin(false)?).await?))
        }
        Word::Run { dry_run, phase } if is_plane && phase != Some(Phase::Api) => {
            if dry_run {
                dry_files(&files)
            } else {
                Ok(end(files.files(&mut Diary::begin(true)?).await?))
            }
        }
        Word::Run { dry_run: true, .. } => dry_run(&run),
        Word::Run { phase: Some(Phase::Api), .. } => Ok(end(run.api(&mut Diary::begin(true)?).await?)),
        Word::Run { .. } => Ok(end(run.run(&mut Diary::begin(true)?).await?)),
        Word::Verify { .. } => {
            let run = Run { decide: next::verify, may_run_pods: true, ..run };
            Ok(end(run.run(&mut Diary::begin(false)?).await?))
        }
        Word::Share if !is_plane => {
            tell("only a control plane shares what is its cluster's");
            Ok(Exit::Usage)
        }
        Word::Share => {
            let ssm = facts.as_ref().map(|facts| look_cloud::ssm(facts, &told.cloud)).transpose()?;
            let scaling = facts.as_ref().map(|facts| look_cloud::scaling(facts, &told.cloud)).transpose()?;
            Ok(end(run.share(&mut Diary::begin(false)?, ssm.as_ref(), scaling.as_ref()).await?))
        }
        Word::Images => import_images(root, &told),
        Word::Repair => Ok(end(run.repair(&mut Diary::begin(true)?).await?)),
        Word::Explain => show(&run, &files, Format::Text),
        Word::Status { format } => show(&run, &files, format),
    }
}

/// Whether this boot's first boot has just ended well. kubelet, which is started then, need not wait for a second answer.
fn just_found(root: &Root) -> Result<bool, Failure> {
    Ok(report(root)?.is_some_and(|report| {
        let boot = machine::boot_id();
        boot.is_ok_and(|boot| report.has_just_ended_well(&boot, clock::now_s()))
    }))
}

fn report(root: &Root) -> Result<Option<Report>, Failure> {
    let text = root.text(REPORT, RECORD_MAX_BYTES)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The one line on journal and console.
fn end(ending: Ending) -> Exit {
    for warning in &ending.warnings {
        tell(format_args!("warning: {warning}"));
    }
    if let Some(reason) = ending.reason {
        tell(format_args!("{reason}"));
    }
    ending.exit
}

/// What can't be imported now may be later: a runtime that starts, a disk that was full.
fn import_images(root: &Root, settings: &Settings) -> Result<Exit, Failure> {
    if !root.is_machine() {
        tell("images are given to this machine's own runtime; leave out --root");
        return Ok(Exit::Usage);
    }
    let Imported { names, failures } = import(root, settings, tell_manager)?;
    for name in names {
        give(format_args!("imported {name}\n"))?;
    }
    for failure in &failures {
        tell(format_args!("can't import {failure}"));
    }
    Ok(if failures.is_empty() { Exit::Done } else { Exit::TryAgain })
}

/// The unit has started, and kubelet may: what is imported from now on is no sandbox.
#[expect(clippy::disallowed_methods, reason = "the environment is read by bin")]
fn tell_manager() {
    // Run by hand, it has none.
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = notify::ready(&socket) {
        tell(format_args!("can't tell the service manager that sandboxes can start: {error}"));
    }
}

fn dry_run(run: &Run<'_>) -> Result<Exit, Failure> {
    let (seen, _) = run.look()?;
    let (steps, end) = rehearse(run.settings, seen, run.decide);
    would(&steps, end)
}

fn dry_files(run: &Run<'_>) -> Result<Exit, Failure> {
    let (steps, end) = run.rehearse_files()?;
    would(&steps, end)
}

fn dry_volume(run: &Run<'_>) -> Result<Exit, Failure> {
    match run.next_of_volume()? {
        Some(volume::Next::Do(step)) => would(&[Step::Volume(step)], None),
        Some(volume::Next::Wait(trouble) | volume::Next::Stuck(trouble)) => {
            would(&[], Some(next::Next::Stuck(trouble.into())))
        }
        Some(volume::Next::Done) | None => would(&[], Some(next::Next::Done)),
    }
}

fn would(steps: &[Step], end: Option<next::Next>) -> Result<Exit, Failure> {
    let mut text: String = steps.iter().map(|step| format!("would {step}\n")).collect();
    text += &match end {
        Some(next::Next::Wait(reason) | next::Next::Stuck(reason)) => format!("would stop: {reason}\n"),
        Some(_) => "then all is done\n".to_owned(),
        None => "what follows depends on the answer\n".to_owned(),
    };
    give(text)?;
    Ok(Exit::Done)
}

/// A control plane's files come before its Node.
fn missing(run: &Run<'_>, files: &Run<'_>, seen: &Observed) -> Result<next::Next, Failure> {
    if plane::is_meant(files.settings) {
        match files.next_file(seen)? {
            Turn::Node(next::Next::Done) => {}
            Turn::Node(next) => return Ok(next),
            Turn::File(step) => return Ok(next::Next::Do(plane::shown(&step))),
        }
    }
    Ok((run.decide)(run.settings, seen))
}

fn show(run: &Run<'_>, files: &Run<'_>, format: Format) -> Result<Exit, Failure> {
    let ledger =
        run.root.text(LEDGER, RECORD_MAX_BYTES)?.map(|text| Ledger::parse(&text)).unwrap_or_default();
    let report = report(run.root)?;
    let (seen, _) = run.look()?;
    let next = missing(run, files, &seen)?;
    match format {
        Format::Text => give(explain(&ledger, report.as_ref(), &next))?,
        Format::Json => {
            let missing = match &next {
                next::Next::Do(step) => Some(step.to_string()),
                next::Next::Wait(reason) | next::Next::Stuck(reason) => Some(reason.to_string()),
                next::Next::Done => None,
            };
            let status = serde_json::json!({
                "ledger": ledger, "report": report, "is_held": seen.is_held(), "next": missing,
            });
            give(format_args!("{}\n", serde_json::to_string_pretty(&status)?))?;
        }
    }
    Ok(Exit::Done)
}
