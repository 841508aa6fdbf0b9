// SPDX-License-Identifier: Apache-2.0
//! Texts of units and files: from the manifest, from a file beside it, or rendered from a template.

use std::path::PathBuf;

use super::source;
use crate::manifest::template::Templates;
use crate::manifest::{Files, Text};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::problem::Problem;

/// Texts are settings and units; more is a file of its own kind, which is not read here.
const TEXT_MAX_BYTES: usize = 1 << 20;

/// Where texts come from, and where their problems go.
pub struct Texts<'r> {
    pub files: &'r dyn Files,
    /// None when what templates would show is itself wrong.
    pub templates: Option<Templates>,
    pub report: &'r mut Report,
}

/// The text keys that units and files share.
pub struct Sources {
    pub file: Option<String>,
    pub text: Option<String>,
    pub template: Option<String>,
}

impl Texts<'_> {
    /// Returns the text, read and rendered, unless that fails or it holds a private key.
    pub fn text(&mut self, sources: Sources, at: &At<'_>) -> Option<Text> {
        let Sources { file, text, template } = sources;
        let (text, from) = match (file, text, template) {
            (Some(file), ..) => {
                self.read_file(file, &at.key("file")).map(|(text, path)| (text, Some(path)))?
            }
            (_, Some(text), _) => (text, None),
            (.., template) => {
                self.render_file(template?, &at.key("template")).map(|(text, path)| (text, Some(path)))?
            }
        };
        self.has_no_key(&text, at).then_some(Text { text, from })
    }

    fn read_file(&mut self, path: String, at: &At<'_>) -> Option<(String, PathBuf)> {
        let path = source::path(path, at, self.report)?;
        let text = match self.files.read(&path) {
            Ok(bytes) if bytes.len() > TEXT_MAX_BYTES => Err("has more than 1 MiB".to_owned()),
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()),
            Err(error) => Err(format!("can't be read: {error}")),
        };
        let tell = |what: String| self.report.wrong(at, format!("{} {what}", path.display()), None);
        Some((text.map_err(tell).ok()?, path.clone()))
    }

    fn render_file(&mut self, path: String, at: &At<'_>) -> Option<(String, PathBuf)> {
        let (text, path) = self.read_file(path, at)?;
        match self.templates.as_ref()?.render(&text) {
            Ok(text) => Some((text, path)),
            Err(faults) => {
                for fault in faults {
                    let (file, key) = (path.clone(), at.path.clone());
                    let problem = Problem { file, place: fault.place, key, what: fault.what, fix: fault.fix };
                    self.report.add_elsewhere(problem);
                }
                None
            }
        }
    }

    fn has_no_key(&mut self, text: &str, at: &At<'_>) -> bool {
        let has_key = has_private_key(text);
        if has_key {
            let fix = "keys are made on the node; an image is copied to everybody".to_owned();
            self.report.wrong(at, "holds a private key".to_owned(), fix);
        }
        !has_key
    }
}

/// Finds PEM labels of private keys (RFC 7468, RFC 5958, OpenSSH's PROTOCOL.key).
pub fn has_private_key(text: &str) -> bool {
    text.match_indices("-----BEGIN ").any(|(start, begin)| {
        let label = &text[start + begin.len()..];
        label.split("-----").next().is_some_and(|label| label.len() < 64 && label.ends_with("PRIVATE KEY"))
    })
}
