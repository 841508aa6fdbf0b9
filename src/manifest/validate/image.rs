// SPDX-License-Identifier: Apache-2.0
//! Container images: a source for each, what it holds, and names that no two share.

use std::collections::BTreeMap;

use super::component::{self, Defaults};
use super::origin::origin;
use super::place::Placed;
use super::source;
use crate::manifest::known::{self, Known};
use crate::manifest::raw::{self, ImageWords};
use crate::manifest::{Arch, Component, Image, ImageContent, Source};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::reference::Reference;

pub fn images<'a>(
    mut raw: BTreeMap<String, raw::Image>,
    components: &[Placed<'_, Component>],
    defaults: Defaults<'_>,
    at: &At<'a>,
    report: &mut Report,
) -> Vec<Placed<'a, Image>> {
    // The map is sorted; the order of the text is the one a person chose.
    let typed: Vec<_> =
        at.entries().into_iter().filter_map(|(name, at)| Some((raw.remove_entry(name)?, at))).collect();
    let mut images: Vec<Placed<'a, Image>> = Vec::new();
    for ((name, raw), at) in typed {
        if components.iter().any(|(component, _)| component.name == name) {
            let fix = "call one of them otherwise: the lock has one entry for each name".to_owned();
            report.wrong_key(&at, format!("'{name}' is the name of a component"), fix);
        }
        let Some(image) = image(name, raw, defaults, &at, report) else { continue };
        conflicts(&image, &images, &at, report);
        images.push((image, at));
    }
    images
}

fn image(
    name: String,
    raw: raw::Image,
    defaults: Defaults<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Image> {
    let is_name = component::is_name(&name, "an image", at, report);
    let known = known::find(&name);
    let (words, raw) = raw.apart();
    let version = component::version(&raw, known, defaults, at, report);
    let require = raw.require;
    let reference = reference(words.name.as_deref(), &at.key("name"), report);
    let source = origin(&name, raw, known, version.as_deref(), at, report)?;
    source::can_be_trusted(&source, require, &at.key("require"), report);
    let is_sandbox = words.sandbox;
    let has_name = words.name.is_some();
    let content = content(&words, &source, known.zip(defaults.arch), version.as_deref(), at, report);
    needs_name(&name, has_name, content.as_ref(), is_sandbox, at, report);
    let content = content?;
    is_name.then_some(Image { name, version, source, require, reference, content, is_sandbox })
}

fn reference(text: Option<&str>, at: &At<'_>, report: &mut Report) -> Option<String> {
    let text = text?;
    match text.parse::<Reference>() {
        Ok(name) => Some(name.to_string()),
        Err(error) => {
            let fix = "write it whole, with registry and tag, as in kiln.local/pause:1".to_owned();
            report.wrong(at, format!("'{}' {error}", text.chars().take(80).collect::<String>()), fix);
            None
        }
    }
}

/// Returns what the source holds: an archive, or the program that an image is made of.
fn content(
    words: &ImageWords,
    source: &Source,
    known: Option<(&Known, Arch)>,
    version: Option<&str>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<ImageContent> {
    let is_file = matches!(source, Source::Url { .. } | Source::File { .. });
    if is_file && words.program.is_none() {
        let has_arguments = !words.arguments.is_empty();
        source::belongs(has_arguments, false, "program", &at.key("arguments"), report);
        return Some(ImageContent::Archive);
    }
    let members = match (source, known) {
        (Source::Go(go), _) => known::programs(go).into_iter().map(str::to_owned).collect(),
        (Source::Release(_), Some((known, arch))) => known.members(version, arch)?,
        _ => Vec::new(),
    };
    let member = member(words.program.as_deref(), members, is_file, at, report)?;
    arguments(&words.arguments, &at.key("arguments"), report)
        .then(|| ImageContent::Program { member, arguments: words.arguments.clone() })
}

/// Returns the one program; where the source has only one, it need not be named.
fn member(
    named: Option<&str>,
    mut members: Vec<String>,
    is_file: bool,
    at: &At<'_>,
    report: &mut Report,
) -> Option<String> {
    let place = at.key("program");
    let file_name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    match named {
        Some(named) if file_name(named).is_empty() || named.chars().any(char::is_control) => {
            let fix = "give it a path inside the archive, or the program's name".to_owned();
            report.wrong(&place, "is no name of a program".to_owned(), fix);
            None
        }
        Some(named) if is_file => Some(named.to_owned()),
        Some(named) => {
            let found = members.iter().find(|member| *member == named || file_name(member) == named).cloned();
            if found.is_none() {
                let what = format!("the source has no program '{named}'");
                report.wrong(&place, what, format!("use one of: {}", members.join(", ")));
            }
            found
        }
        None if members.len() == 1 => members.pop(),
        None => {
            let what = format!("an image is made of one program, and the source has {}", members.len());
            let fix = format!("add 'program', one of: {}", members.join(", "));
            report.wrong_key(at, what, fix);
            None
        }
    }
}

fn arguments(arguments: &[String], at: &At<'_>, report: &mut Report) -> bool {
    let mut is_right = true;
    for (argument, at) in arguments.iter().zip(at.items()) {
        if argument.contains('\0') {
            report.wrong(&at, "holds a NUL, which no argument can".to_owned(), "remove it".to_owned());
            is_right = false;
        }
    }
    is_right
}

/// What is made here is called as the manifest says, and what the runtime is told by name must have one here.
fn needs_name(
    key: &str,
    has_name: bool,
    content: Option<&ImageContent>,
    is_sandbox: bool,
    at: &At<'_>,
    report: &mut Report,
) {
    let what = match content {
        _ if has_name => return,
        Some(ImageContent::Program { .. }) => "an image that is made here has no name of its own",
        Some(ImageContent::Archive) if is_sandbox => "the runtime is told the sandbox's image by its name",
        _ => return,
    };
    report.wrong_key(at, what.to_owned(), format!("add 'name', as in kiln.local/{key}:1"));
}

/// Tells of what only one image can be.
fn conflicts(image: &Image, earlier: &[Placed<'_, Image>], at: &At<'_>, report: &mut Report) {
    for (other, _) in earlier {
        if image.reference.is_some() && image.reference == other.reference {
            let what = format!("is the name of images.{} as well", other.name);
            report.wrong(&at.key("name"), what, "give each image its own".to_owned());
        }
        if image.is_sandbox && other.is_sandbox {
            let what = format!("images.{} is the sandbox's image already", other.name);
            report.wrong(&at.key("sandbox"), what, "keep one of them".to_owned());
        }
    }
}
