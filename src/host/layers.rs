// SPDX-License-Identifier: Apache-2.0
//! The layers of the settings and the bootstrap token, as the machine has them. What they mean is decided elsewhere.
//!
//! Paths hang from a root folder. systemd's credentials do not: their folder is an argument, because only the program
//! knows its environment ($CREDENTIALS_DIRECTORY, systemd.exec(5)).

use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::below;
use super::files::{self, FileError};
use crate::settings::layer::CREDENTIAL;
use crate::settings::token::{Found, NoToken, Source, Token};
use crate::settings::{ENVIRONMENT_FILE, FOLDER, Form, Layer, Settings, TOKEN_CREDENTIAL, VOLATILE_FOLDER};

/// What a layer may have. systemd takes credentials of up to 1 MiB, and user-data of clouds is smaller.
const LAYER_MAX_BYTES: u64 = 1 << 20;
/// A token has 23 bytes; the rest is room for white space.
const TOKEN_MAX_BYTES: u64 = 256;
const COMMAND_LINE: &str = "/proc/cmdline";

/// Why there is no telling whether there is a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was found is no token.
    #[error("{}", .name)]
    Form {
        /// Where it was found: "credential kiln.token", or a path.
        name: String,
        /// In words that do not repeat it.
        #[source]
        source: NoToken,
    },
}

/// Reads every layer that there is, the weakest first: baked and provisioned files, the environment file, volatile files,
/// the credential, the kernel command line.
///
/// # Errors
/// As the system says. A layer that is too large or no text is none: it is returned with the words for that.
pub fn read(root: &Path, credentials: Option<&Path>) -> Result<Vec<Layer>, FileError> {
    let mut layers = folder(root, FOLDER)?;
    layers.extend(file(&below(root, ENVIRONMENT_FILE), ENVIRONMENT_FILE.to_owned(), Form::Environment)?);
    layers.extend(folder(root, VOLATILE_FOLDER)?);
    if let Some(folder) = credentials {
        layers.extend(file(&folder.join(CREDENTIAL), format!("credential {CREDENTIAL}"), Form::Yaml)?);
    }
    layers.extend(file(&below(root, COMMAND_LINE), "kernel command line".to_owned(), Form::CommandLine)?);
    Ok(layers)
}

/// Reads the bootstrap token, if there is one: from the credential, else from the file that the settings name. A file that
/// is not there is no error: first boot unlinks it when it has served.
///
/// # Errors
/// As the system says, and when what is found is no token.
pub fn token(
    root: &Path,
    credentials: Option<&Path>,
    settings: &Settings,
) -> Result<Option<Found>, TokenError> {
    if let Some(path) = credentials.map(|folder| folder.join(TOKEN_CREDENTIAL))
        && let Some((token, _)) = read_token(&path, format!("credential {TOKEN_CREDENTIAL}"))?
    {
        return Ok(Some(Found { token, source: Source::Credential, is_exposed: false }));
    }
    let Some(path) = &settings.node.token_file else { return Ok(None) };
    let found = read_token(&below(root, &path.to_string_lossy()), path.display().to_string())?;
    Ok(found.map(|(token, is_exposed)| Found { token, source: Source::File(path.clone()), is_exposed }))
}

fn below(root: &Path, path: &str) -> PathBuf {
    // The machine itself follows its links.
    if root == Path::new("/") {
        return root.join(path.trim_start_matches('/'));
    }
    root.join(below::resolved(root, Path::new(path), true))
}

/// Reads the layers in a folder, in the order of their names. Other files are none of ours, but a name with `.yml`, `.YAML`
/// or `.json` is so nearly right that somebody would wait for its effect.
fn folder(root: &Path, path: &str) -> Result<Vec<Layer>, FileError> {
    let folder = below(root, path);
    let names = match files::list(&folder) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let mut layers = Vec::new();
    for name in names.iter().filter_map(|name| name.to_str()).filter(|name| !name.starts_with('.')) {
        let full = format!("{path}/{name}");
        if name.ends_with(".yaml") {
            let nowhere = || Layer {
                name: full.clone(),
                form: Form::Yaml,
                text: Err("is a link that leads nowhere".to_owned()),
            };
            layers.push(file(&below(root, &full), full.clone(), Form::Yaml)?.unwrap_or_else(nowhere));
        } else if is_nearly_a_layer(name) {
            let why = "is not read, because its name does not end with .yaml".to_owned();
            layers.push(Layer { name: full, form: Form::Yaml, text: Err(why) });
        }
    }
    Ok(layers)
}

fn is_nearly_a_layer(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

fn file(path: &Path, name: String, form: Form) -> Result<Option<Layer>, FileError> {
    let text = match files::read_plain(path, LAYER_MAX_BYTES) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()),
        Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.source.kind() == ErrorKind::FileTooLarge => Err("has more than 1 MiB".to_owned()),
        Err(error) if error.source.kind() == ErrorKind::IsADirectory => Err("is a folder".to_owned()),
        Err(error) if error.source.kind() == ErrorKind::InvalidInput => Err(files::NOT_PLAIN.to_owned()),
        Err(error) => return Err(error),
    };
    Ok(Some(Layer { name, form, text }))
}

/// Returns a token and whether others than the file's owner may read it.
fn read_token(path: &Path, name: String) -> Result<Option<(Token, bool)>, TokenError> {
    let opened = match files::open_plain(path) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let failed = |error| FileError::at("read", path)(error);
    let is_exposed = opened.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0;
    let mut text = Vec::new();
    opened
        .take(TOKEN_MAX_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| FileError::at("read", path)(error))?;
    match Token::parse(&String::from_utf8_lossy(&text)) {
        Ok(token) => Ok(Some((token, is_exposed))),
        Err(source) => Err(TokenError::Form { name, source }),
    }
}
