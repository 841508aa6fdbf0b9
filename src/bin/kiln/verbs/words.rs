// SPDX-License-Identifier: Apache-2.0
//! What is made from the words themselves: schema, completions, man pages.

use std::path::Path;

use clap::CommandFactory;
use kiln::exit::Exit;
use kiln::host::files;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::out::{self, say};

/// `kiln schema`
pub fn schema() -> Result<Exit, Failure> {
    say!("{:#}", kiln::manifest::schema());
    Ok(Exit::Done)
}

/// `kiln completions SHELL`
pub fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kiln", &mut script);
    out::put(format_args!("{}", String::from_utf8_lossy(&script)));
    Ok(Exit::Done)
}

/// `kiln man FOLDER`
pub fn man(folder: &Path) -> Result<Exit, Failure> {
    files::make_folder(folder)?;
    let mut program = Cli::command();
    program.build();
    pages(&program, folder)?;
    Ok(Exit::Done)
}

fn pages(command: &clap::Command, folder: &Path) -> Result<(), Failure> {
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text)?;
    files::replace(&folder.join(page.get_filename()), &text, 0o644)?;
    command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
        .try_for_each(|verb| pages(verb, folder))
}
