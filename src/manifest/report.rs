// SPDX-License-Identifier: Apache-2.0
//! Report: where checks write down what is wrong, so that each can go on.

use std::path::{Path, PathBuf};

use super::at::At;
use super::marks::Place;
use crate::problem::{Problem, Problems};

/// More problems than a person reads at once; the rest is counted.
const PROBLEMS_MAX: usize = 100;

/// Everything wrong with one manifest so far.
#[derive(Debug)]
pub struct Report {
    file: PathBuf,
    problems: Vec<Problem>,
    /// Paths that had problems before meaning was checked: what lies below or above them is not told again.
    shaped: Vec<String>,
}

impl Report {
    /// Returns an empty report on `file`.
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), problems: Vec::new(), shaped: Vec::new() }
    }

    /// Adds a problem of a value.
    pub fn wrong(&mut self, at: &At<'_>, what: String, fix: impl Into<Option<String>>) {
        self.add(at.place, &at.path, what, fix.into());
    }

    /// Adds a problem of a key.
    pub fn wrong_key(&mut self, at: &At<'_>, what: String, fix: impl Into<Option<String>>) {
        self.add(at.key_place, &at.path, what, fix.into());
    }

    /// Adds a problem of this file at `place`.
    pub fn add(&mut self, place: Place, path: &str, what: String, fix: Option<String>) {
        if !self.shaped.iter().any(|shaped| is_kin(shaped, path)) {
            let key = path.to_owned();
            self.problems.push(Problem { file: self.file.clone(), place: Some(place), key, what, fix });
        }
    }

    /// Adds a problem of another file that the manifest names.
    pub fn add_elsewhere(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Ends the check of shapes: what is known to be wrong so far explains problems of meaning around it.
    pub fn end_of_shapes(&mut self) {
        self.shaped = self.problems.iter().map(|problem| problem.key.clone()).collect();
    }

    /// Returns whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns everything that is wrong, in the order of the text.
    pub fn into_problems(self) -> Problems {
        let Self { file, mut problems, .. } = self;
        problems.sort_by(|a, b| (a.file != file, &a.file, a.place).cmp(&(b.file != file, &b.file, b.place)));
        let more = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        if more > 0 {
            let what = format!("{more} more problems are not shown");
            problems.push(Problem { file, place: None, key: String::new(), what, fix: None });
        }
        Problems(problems)
    }
}

/// Returns whether one path is the other, or leads to it.
fn is_kin(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || short.is_empty() || rest.starts_with(['.', '[']))
}
