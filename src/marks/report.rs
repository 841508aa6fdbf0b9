// SPDX-License-Identifier: Apache-2.0
//! Report: where checks write down what is wrong, so that each can go on.

use std::path::{Path, PathBuf};

use super::Place;
use super::at::At;
use crate::problem::{Problem, Problems};

/// More problems than a person reads at once; the rest is counted.
const PROBLEMS_MAX: usize = 100;

/// Everything wrong so far with the texts that are read together.
#[derive(Debug)]
pub struct Report {
    /// What the texts are called, by their numbers.
    files: Vec<PathBuf>,
    /// With their places; none for problems of other files.
    problems: Vec<(Option<Place>, Problem)>,
    /// What is odd and not wrong.
    warnings: Vec<Problem>,
    /// Files, and folders, of this machine that values name and that are read later.
    named: Vec<(Place, String, PathBuf, bool)>,
    /// Paths that had problems before meaning was checked: what lies below or above them is not told again.
    shaped: Vec<String>,
}

impl Report {
    /// Returns an empty report on one file.
    pub fn new(file: &Path) -> Self {
        Self::on(vec![file.to_owned()])
    }

    /// Returns an empty report on several texts; a place names one of them by its number.
    pub fn on(files: Vec<PathBuf>) -> Self {
        Self { files, problems: Vec::new(), warnings: Vec::new(), named: Vec::new(), shaped: Vec::new() }
    }

    /// Returns what a text is called.
    pub fn file(&self, text: u16) -> PathBuf {
        self.files.get(usize::from(text)).cloned().unwrap_or_default()
    }

    /// Adds a problem of a value.
    pub fn wrong(&mut self, at: &At<'_>, what: String, fix: impl Into<Option<String>>) {
        self.add(at.place, &at.path, what, fix.into());
    }

    /// Adds a problem of a key.
    pub fn wrong_key(&mut self, at: &At<'_>, what: String, fix: impl Into<Option<String>>) {
        self.add(at.key_place, &at.path, what, fix.into());
    }

    /// Adds what is worth a look at a value and not wrong.
    pub fn odd(&mut self, at: &At<'_>, what: String, fix: impl Into<Option<String>>) {
        let (file, key, fix) = (self.file(at.place.text), at.path.clone(), fix.into());
        let place = (at.place.line > 0).then_some((at.place.line, at.place.column));
        self.warnings.push(Problem { file, place, key, what, fix });
    }

    /// Remembers that a value names a file or folder, for [`Report::look_for`].
    pub fn names(&mut self, at: &At<'_>, path: PathBuf, is_folder: bool) {
        self.named.push((at.place, at.path.clone(), path, is_folder));
    }

    /// Looks for everything that is named, and adds a problem for what is not found.
    pub fn look_for(&mut self, find: &dyn Fn(&Path, bool) -> Result<(), String>) {
        for (place, key, path, is_folder) in std::mem::take(&mut self.named) {
            if let Err(words) = find(&path, is_folder) {
                self.add(place, &key, format!("{} {words}", path.display()), None);
            }
        }
    }

    /// Returns what is odd, in the order of the texts.
    pub fn warnings(&self) -> Vec<Problem> {
        let mut warnings = self.warnings.clone();
        warnings.sort_by_key(|warning| (warning.file.clone(), warning.place));
        warnings
    }

    /// Adds a problem at `place`.
    pub fn add(&mut self, place: Place, path: &str, what: String, fix: Option<String>) {
        if !self.shaped.iter().any(|shaped| is_kin(shaped, path)) {
            let (file, key) = (self.file(place.text), path.to_owned());
            let shown = (place.line > 0).then_some((place.line, place.column));
            self.problems.push((Some(place), Problem { file, place: shown, key, what, fix }));
        }
    }

    /// Adds a problem of another file that one of these names.
    pub fn add_elsewhere(&mut self, problem: Problem) {
        self.problems.push((None, problem));
    }

    /// Returns whether a problem of the `number`th text speaks of `what`.
    pub fn tells_of(&self, number: u16, what: &str) -> bool {
        let of_text = |place: &Option<Place>| place.is_some_and(|place| place.text == number);
        self.problems.iter().any(|(place, problem)| of_text(place) && problem.what.contains(what))
    }

    /// Ends the check of shapes: what is known to be wrong so far explains problems of meaning around it (not
    /// what is wrong with a text as a whole).
    pub fn end_of_shapes(&mut self) {
        self.shaped = self
            .problems
            .iter()
            .map(|(_, problem)| problem.key.clone())
            .filter(|key| !key.is_empty())
            .collect();
    }

    /// Returns whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns everything that is wrong, in the order of the texts.
    pub fn into_problems(self) -> Problems {
        let Self { files, mut problems, .. } = self;
        problems.sort_by(|(a, first), (b, second)| {
            (a.is_none(), a, &first.file, first.place).cmp(&(b.is_none(), b, &second.file, second.place))
        });
        let more = problems.len().saturating_sub(PROBLEMS_MAX);
        let mut problems: Vec<Problem> =
            problems.into_iter().take(PROBLEMS_MAX).map(|(_, problem)| problem).collect();
        if more > 0 {
            let (file, what) =
                (files.into_iter().next().unwrap_or_default(), format!("{more} more problems are not shown"));
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
