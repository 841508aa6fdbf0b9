// SPDX-License-Identifier: Apache-2.0
//! What is heard of a machine: its console, and what it tells on its second serial port.

use std::path::Path;
use std::time::{Duration, Instant};

use super::error::BootError;
use super::look::{Look, Looks};
use super::watch::Verdict;
use crate::console::{Words, plain};
use crate::host::tail::Tail;
use crate::progress::Progress;

/// What was heard of a machine when it was over.
pub(super) struct Heard {
    pub verdict: Verdict,
    pub look: Option<Look>,
    pub said: Vec<String>,
    pub took: Duration,
}

/// What is heard of a machine.
pub(super) struct Ears<'a> {
    pub words: Words,
    console: Tail,
    told: Tail,
    pub looks: Looks,
    pub started: Instant,
    pub heard: Instant,
    progress: Option<&'a dyn Progress>,
}

impl<'a> Ears<'a> {
    /// Begins to listen; what the console says goes to `progress`.
    pub fn new(console: &Path, told: &Path, progress: Option<&'a dyn Progress>) -> Self {
        let (console, told) = (Tail::new(console), Tail::new(told));
        let started = Instant::now();
        let (words, looks) = (Words::default(), Looks::default());
        Self { words, console, told, looks, started, heard: started, progress }
    }

    pub fn listen(&mut self) -> Result<(), BootError> {
        while let (lines, true) = self.console.more()? {
            self.heard = Instant::now();
            for line in lines.iter().map(|line| plain(line)) {
                self.words.line(&line);
                if !line.trim().is_empty() {
                    self.say(line.trim_end());
                }
            }
        }
        while let (lines, true) = self.told.more()? {
            self.heard = Instant::now();
            lines.iter().for_each(|line| self.looks.line(line));
        }
        Ok(())
    }

    pub fn say(&self, text: &str) {
        if let Some(progress) = self.progress {
            progress.say(text);
        }
    }
}
