// SPDX-License-Identifier: Apache-2.0
//! Addons: documents that are objects, under names of their own.

use super::place::Placed;
use super::text::{Sources, Texts};
use crate::addon::{self, Values};
use crate::manifest::{Addon, raw};
use crate::marks::at::At;
use crate::settings::check::name;

pub fn addons<'a>(raw: Vec<raw::Addon>, at: &At<'a>, texts: &mut Texts<'_>) -> Vec<Placed<'a, Addon>> {
    let mut addons: Vec<Placed<'a, Addon>> = Vec::new();
    for (raw, at) in raw.into_iter().zip(at.items()) {
        if addons.iter().any(|(other, _)| other.name == raw.name) {
            let what = format!("'{}' is given twice", raw.name);
            texts.report.wrong(
                &at.key("name"),
                what,
                "keep one of them, or put both texts into one".to_owned(),
            );
        }
        addons.extend(self::addon(raw, &at, texts).map(|addon| (addon, at)));
    }
    addons
}

fn addon(raw: raw::Addon, at: &At<'_>, texts: &mut Texts<'_>) -> Option<Addon> {
    let raw::Addon { name, file, text, template } = raw;
    let is_name = name::is_label(&name);
    if !is_name {
        let fix = "use 1 to 63 lower-case letters, digits and '-', which is not at an end".to_owned();
        texts.report.wrong(&at.key("name"), format!("'{name}' is no name for an addon"), fix);
    }
    let key =
        ["file", "text", "template"].into_iter().find(|key| at.key(key).node.is_some()).unwrap_or("text");
    let text = texts.text(Sources { file, text, template }, at)?;
    // Whatever a cluster's values will be, they are texts of one line.
    let values = Values {
        cluster_dns: "192.0.2.10".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        api_endpoint: "https://192.0.2.1:6443".to_owned(),
    };
    let read = addon::filled(&text.text, &values).and_then(|filled| addon::objects(&filled));
    if let Err(error) = read {
        let from = text.from.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
        texts.report.wrong(&at.key(key), format!("{from}{error}"), None);
        return None;
    }
    is_name.then_some(Addon { name, text })
}
