// SPDX-License-Identifier: Apache-2.0
//! Orders to a virtual machine: which of its terminals is taken, and what becomes of one whose user was killed.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::host::qemu::orders::{Ends, Order, order};
use crate::host::terminal::Raw;
use crate::host::{entropy, files};
use crate::lab::body::{TERMINALS, terminal, terminal_lock};
use crate::lab::error::LabError;
use crate::lab::records;

/// Longest wait for somebody else's question.
const TURN: Duration = Duration::from_secs(600);
/// The terminal of kiln's own questions.
const QUESTIONS: usize = 0;
/// What takes longer is no question.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);

/// Runs a program in the machine whose record lies in `folder`, with this process' streams, and returns its exit code.
/// A question shares a terminal with others, and reads nothing; what may take longer, or for ever, has one alone.
///
/// # Errors
/// If the machine does not answer, or people use all of its terminals.
pub fn run(folder: &Path, words: &[String], limit: Option<Duration>) -> Result<i32, LabError> {
    let failed = |source| match records::node(folder) {
        Ok(node) => LabError::Order { node: node.name, console: node.console, source },
        Err(error) => error,
    };
    let secret = u128::from_le_bytes(entropy::bytes()?);
    let (mut output, mut error) = (io::stdout(), io::stderr());
    let longest = records::node(folder)?.body.pace().limit(QUESTION_LIMIT);
    if limit.is_some_and(|limit| limit <= longest) {
        let _lock = files::lock(&terminal_lock(folder, QUESTIONS), TURN)?;
        let ends = Ends { input: None, output: &mut output, error: &mut error };
        let told = Order { words, limit, terminal: None };
        return order(&terminal(folder, QUESTIONS), secret, &told, ends).map_err(failed);
    }
    let taken = Taken::first(folder)?;
    let raw = Raw::of_input_and_output();
    let ends = Ends { input: Some(Box::new(io::stdin())), output: &mut output, error: &mut error };
    let told = Order { words, limit, terminal: raw.as_ref().map(Raw::size) };
    let ended = order(&terminal(folder, taken.number), secret, &told, ends).map_err(failed)?;
    taken.give_back()?;
    Ok(ended)
}

/// A terminal that one person has. Its lock's file says so, until it is given back in order.
struct Taken {
    number: usize,
    lock: File,
}

impl Taken {
    fn first(folder: &Path) -> Result<Self, LabError> {
        for number in QUESTIONS + 1..TERMINALS {
            let Some(mut lock) = files::lock(&terminal_lock(folder, number), Duration::ZERO)? else {
                continue;
            };
            let was_left = lock.metadata().is_ok_and(|about| about.len() > 0);
            lock.write_all(b"taken\n").map_err(LabError::Run)?;
            if was_left {
                restart(folder, number)?;
            }
            return Ok(Self { number, lock });
        }
        Err(LabError::Terminals { node: records::node(folder)?.name, most: TERMINALS - 1 })
    }

    fn give_back(self) -> Result<(), LabError> {
        self.lock.set_len(0).map_err(LabError::Run)
    }
}

/// Ends what runs on a terminal whose user was killed.
fn restart(folder: &Path, number: usize) -> Result<(), LabError> {
    let unit = format!("kiln-orders@hvc{number}.service");
    let words = ["systemctl", "restart", &unit].map(str::to_owned);
    run(folder, &words, Some(Duration::from_secs(120))).map(drop)
}
