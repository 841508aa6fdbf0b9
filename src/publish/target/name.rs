// SPDX-License-Identifier: Apache-2.0
//! Names and texts of a target: templates rendered strictly, then held against the service's own rules.

use crate::manifest::template::Templates;
use crate::marks::at::At;
use crate::marks::report::Report;

/// RegisterImage, `Name` and `Description`.
const NAME_CHARS: &str = "letters, digits and ( ) [ ] space . / - ' @ _";
const DESCRIPTION_MAX: usize = 255;
/// "Parameter name requirements and constraints" of Systems Manager: with the ARN before it, 1,011 characters are left.
const PARAMETER_MAX: usize = 1011;
const LEVELS_MAX: usize = 15;

/// Renders one template; its faults become problems of the key.
pub fn rendered(text: &str, templates: &Templates, at: &At<'_>, report: &mut Report) -> Option<String> {
    match templates.render(text) {
        Ok(text) => Some(text),
        Err(faults) => {
            faults.into_iter().for_each(|fault| report.wrong(at, fault.what, fault.fix));
            None
        }
    }
}

/// Returns the images' name.
pub fn image(text: &str, templates: &Templates, at: &At<'_>, report: &mut Report) -> Option<String> {
    let name = rendered(text, templates, at, report)?;
    let is_known = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    let (what, fix) = match name.chars().count() {
        0..=2 => {
            (format!("'{name}' is too short for the name of an image"), "use 3 to 128 characters".to_owned())
        }
        len @ 129.. => (format!("the name has {len} characters"), "use 3 to 128 characters".to_owned()),
        _ => match name.chars().find(|c| !is_known(*c)) {
            Some(odd) => (format!("'{name}' has the character {odd:?}"), format!("use {NAME_CHARS}")),
            None => return Some(name),
        },
    };
    report.wrong(at, what, fix);
    None
}

/// Returns the images' description.
pub fn description(text: &str, templates: &Templates, at: &At<'_>, report: &mut Report) -> Option<String> {
    let text = rendered(text, templates, at, report)?;
    let (what, fix) = match text.len() {
        len if len > DESCRIPTION_MAX => {
            (format!("the description has {len} characters"), format!("use {DESCRIPTION_MAX} at most"))
        }
        _ if text.chars().any(|c| !(' '..='~').contains(&c)) => {
            ("the description is not plain ASCII in one line".to_owned(), "write it so".to_owned())
        }
        _ => return Some(text),
    };
    report.wrong(at, what, fix);
    None
}

/// Returns the name of a parameter.
pub fn parameter(text: &str, templates: &Templates, at: &At<'_>, report: &mut Report) -> Option<String> {
    let name = rendered(text, templates, at, report)?;
    let is_known = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    let first = name.split('/').nth(1).unwrap_or_default().to_ascii_lowercase();
    let (what, fix) = if !name.starts_with('/') || name.ends_with('/') || name.contains("//") {
        (format!("'{name}' is no path"), "write it as /kiln/node/amd64".to_owned())
    } else if let Some(odd) = name.chars().find(|c| !is_known(*c)) {
        (format!("'{name}' has the character {odd:?}"), "use letters, digits and _ . - /".to_owned())
    } else if first.starts_with("aws") || first.starts_with("ssm") {
        (
            format!("'{name}' begins with what the service keeps for itself"),
            "begin with another word".to_owned(),
        )
    } else if name.len() > PARAMETER_MAX || name.matches('/').count() > LEVELS_MAX {
        (
            format!("'{name}' is too long"),
            format!("use {PARAMETER_MAX} characters and {LEVELS_MAX} levels at most"),
        )
    } else {
        return Some(name);
    };
    report.wrong(at, what, fix);
    None
}
