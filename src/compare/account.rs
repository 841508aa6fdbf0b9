// SPDX-License-Identifier: Apache-2.0
//! What an image carries of lock and manifest, as plain JSON values: compared, not interpreted, so that images of other
//! versions of kiln can be compared as well.

use serde_json::Value;

use crate::bake::carried::MANIFEST_PATH;
use crate::bake::provenance::IMAGE_PATH;
use crate::read::{self, Image, read_text};

/// What was found, or why nothing was.
pub(super) type Carried = Result<Value, String>;

/// An image's account of itself.
pub(super) struct Account {
    pub lock: Carried,
    pub manifest: Carried,
}

impl Account {
    /// Reads it from ROOT.
    pub fn read(image: &Image) -> Result<Self, read::Error> {
        let lock = field(image, IMAGE_PATH, "lock")?;
        let manifest = match &lock {
            Ok(_) => field(image, MANIFEST_PATH, "manifest")?,
            Err(why) => Err(why.clone()),
        };
        Ok(Self { lock, manifest })
    }
}

fn field(image: &Image, path: &str, name: &str) -> Result<Carried, read::Error> {
    let Some(text) = read_text(image, &format!("ROOT:{path}"))? else {
        return Ok(Err(format!("there is no {path}")));
    };
    Ok(match serde_json::from_str::<Value>(&text) {
        Ok(mut account) => match account.get_mut(name) {
            Some(found) => Ok(found.take()),
            None => Err(format!("{path} has no {name}")),
        },
        Err(error) => Err(format!("{path} can't be understood: {error}")),
    })
}
