// SPDX-License-Identifier: Apache-2.0
//! The `kiln` program: words in, one call per verb, a result and an exit code out.

#[cfg(feature = "aws")]
mod asked;
mod cli;
mod cluster;
mod colour;
mod failure;
mod named;
mod out;
mod show;
mod surroundings;
mod verbs;

use std::process::ExitCode;

use clap::Parser;
use kiln::exit::Exit;

use cli::{Cli, Verb};
use failure::Failure;
use out::tell;
use surroundings::Surroundings;

fn main() -> ExitCode {
    let cli = Cli::parse();
    watch_for_interrupt(match cli.verb {
        Verb::Lab(cli::Lab::Forward { .. }) => "the port is closed",
        #[cfg(feature = "aws")]
        Verb::Publish(_) => "run it again to go on, or kiln unpublish to remove what was made",
        Verb::Lab(_) => "kiln lab list shows what is left, kiln lab down removes it",
        _ => "nothing half made is left",
    });
    let format = cli.format;
    let ended = run(cli).and_then(|exit| match out::failed() {
        None => Ok(exit),
        Some(error) => Err(Failure::with(Exit::Failed, format!("can't write to standard output: {error}"))),
    });
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print(format);
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let format = cli.format;
    let here = Surroundings::look(format)?;
    match cli.verb {
        Verb::Bake(words) => verbs::bake::bake(&words, &here),
        Verb::Plan(words) => verbs::bake::plan(&words, &here),
        Verb::Lock(words) => verbs::lock::lock(&words, &here),
        Verb::Fetch(words) => verbs::lock::fetch(&words, &here),
        Verb::Cache(words) => verbs::cache::cache(&words, &here),
        Verb::Inspect(words) => verbs::read::inspect(&words, format),
        Verb::Ls(words) => verbs::read::ls(&words, format),
        Verb::Cat(words) => verbs::read::cat(&words),
        Verb::Extract(words) => verbs::read::extract(&words, format),
        Verb::Diff(words) => verbs::compare::diff(&words, &here),
        Verb::Verify(words) => verbs::compare::verify(&words, &here),
        Verb::Token(words) => verbs::token::token(&words, &here),
        Verb::Boot(words) => verbs::boot::boot(&words, &here),
        Verb::Boots(words) => verbs::boots::boots_of(&words, &here),
        Verb::Ipam(words) => verbs::ipam::ipam(&words, &here),
        Verb::UserData(words) => verbs::launch::user_data(&words),
        Verb::Lab(words) => verbs::lab::lab(&words, &here),
        #[cfg(feature = "aws")]
        Verb::Launch(words) => verbs::launch::instances::launch(&words, &here),
        #[cfg(feature = "aws")]
        Verb::Publish(words) => verbs::aws::publish(&words, &here),
        #[cfg(feature = "aws")]
        Verb::Unpublish(words) => verbs::aws::unpublish(&words, &here),
        #[cfg(feature = "aws")]
        Verb::Nodes(words) => verbs::fleet::nodes(&words, &here),
        #[cfg(feature = "aws")]
        Verb::Routes(words) => verbs::fleet::routes(&words, &here),
        #[cfg(feature = "aws")]
        Verb::Policy(words) => verbs::aws::policy(&words, format),
        Verb::Schema => verbs::words::schema(),
        Verb::Completions { shell } => verbs::words::completions(shell),
        Verb::Man { folder } => verbs::words::man(&folder),
    }
}

/// Ends what is running and removes what is half made when Ctrl-C or a polite kill comes.
fn watch_for_interrupt(what_is_left: &'static str) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            // Caught, it kills nobody: a file that grows beyond the limit of `ulimit -f` is an error as a full disk is.
            let _too_large = signal(SignalKind::from_raw(nix::libc::SIGXFSZ));
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            kiln::host::interrupt::clean_up();
            let left = kiln::host::interrupt::left();
            tell!("kiln: interrupted; {}", left.as_deref().unwrap_or(what_is_left));
            std::process::exit(Exit::Interrupted as i32);
        });
    });
}
