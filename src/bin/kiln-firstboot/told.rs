// SPDX-License-Identifier: Apache-2.0
//! What the node is told: settings from their layers, and the token from systemd's credential or a provisioner's file.

use std::path::Path;

use kiln::host::root::Root;
use kiln::settings::Settings;

use crate::Failure;

/// Where the layers lie; later names win.
const FOLDER: &str = "/etc/kiln/settings.d";
/// A layer has a few kilobytes.
const LAYER_MAX_BYTES: u64 = 1 << 20;
/// systemd's credential that holds the token.
const TOKEN_CREDENTIAL: &str = "kiln.token";

/// What the node is told.
pub struct Told {
    /// All layers, merged.
    pub settings: Settings,
    /// The bootstrap token; it never leaves the memory.
    pub token: Option<String>,
}

/// Reads all of it; what is wrong with the settings is a value, for it has an exit code of its own.
pub fn read(root: &Path, credentials: Option<&Path>) -> Result<Result<Told, String>, Failure> {
    let tree = Root::new(root);
    let mut merged = serde_yaml::Value::Null;
    for name in tree.list(FOLDER)?.iter().filter(|name| name.ends_with(".yaml")) {
        let text = tree.text(&format!("{FOLDER}/{name}"), LAYER_MAX_BYTES)?.unwrap_or_default();
        match serde_yaml::from_str(&text) {
            Ok(layer) => merged = over(merged, layer),
            Err(error) => return Ok(Err(format!("{FOLDER}/{name}: {error}"))),
        }
    }
    let settings: Settings = match serde_yaml::from_value(merged) {
        Ok(settings) => settings,
        Err(error) => return Ok(Err(format!("settings in {FOLDER}: {error}"))),
    };
    let credential = credentials.map(|folder| Root::new(folder).text(TOKEN_CREDENTIAL, LAYER_MAX_BYTES));
    let file =
        settings.node.token_file.as_ref().map(|path| tree.text(&path.to_string_lossy(), LAYER_MAX_BYTES));
    let token = credential.transpose()?.flatten().or(file.transpose()?.flatten());
    Ok(Ok(Told { settings, token: token.map(|token| token.trim().to_owned()) }))
}

fn over(earlier: serde_yaml::Value, later: serde_yaml::Value) -> serde_yaml::Value {
    use serde_yaml::Value::Mapping;
    match (earlier, later) {
        (Mapping(mut earlier), Mapping(later)) => {
            for (key, value) in later {
                let known = earlier.remove(&key).unwrap_or(serde_yaml::Value::Null);
                earlier.insert(key, over(known, value));
            }
            Mapping(earlier)
        }
        (_, later) => later,
    }
}
