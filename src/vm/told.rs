// SPDX-License-Identifier: Apache-2.0
//! The flow that reads what a machine is to be told, and judges it before anything boots: a wrong key costs a second so,
//! and not a boot.

use std::path::{Path, PathBuf};

use super::credential::{Address, Credential, networked};
use crate::exit::Exit;
use crate::gpt;
use crate::host::disk::{OpenError, open_image};
use crate::host::files::{self, FileError};
use crate::problem::Problems;
use crate::progress::Progress;
use crate::read::{self, FileKind, Image, Place};
use crate::settings::layer::CREDENTIAL;
use crate::settings::token::{NoToken, Token};
use crate::settings::{FOLDER, Form, Layer, TOKEN_CREDENTIAL, merge};

/// What the machine is given, as files.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// A layer of settings.
    pub settings: Option<&'a Path>,
    /// A bootstrap token.
    pub token: Option<&'a Path>,
    /// Further credentials: name and file.
    pub others: &'a [(String, PathBuf)],
    /// An address, if not by DHCP.
    pub address: Option<Address>,
}

/// Why a machine can't be told that.
#[derive(Debug, thiserror::Error)]
pub enum ToldError {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The image can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The image has no sound partition table.
    #[error(transparent)]
    Gpt(#[from] gpt::Error),
    /// The image's own layers can't be read.
    #[error(transparent)]
    Image(#[from] read::Error),
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// The token is none.
    #[error("{}", file.display())]
    Token {
        /// Its file.
        file: PathBuf,
        /// What it should be.
        #[source]
        source: NoToken,
    },
}

impl ToldError {
    /// Returns the exit code that fits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Token { .. } => Exit::Config,
            _ => Exit::Failed,
        }
    }
}

/// systemd takes no longer credential.
const CREDENTIAL_MAX: u64 = 1 << 20;

/// Returns what a machine that boots `image` is told.
///
/// # Errors
/// If a file can't be read, the token is none, or the settings are wrong together with those in the image.
pub fn told(image: &Path, given: &Given<'_>, progress: &dyn Progress) -> Result<Vec<Credential>, ToldError> {
    let mut all = Vec::new();
    if let Some(path) = given.settings {
        let text = files::read(path, CREDENTIAL_MAX)?;
        judge(image, path, &text, progress)?;
        all.push(Credential::new(CREDENTIAL, text));
    }
    if let Some(file) = given.token {
        let text = String::from_utf8_lossy(&files::read(file, CREDENTIAL_MAX)?).into_owned();
        let token = Token::parse(&text);
        let token = token.map_err(|source| ToldError::Token { file: file.to_owned(), source })?;
        all.push(Credential::new(TOKEN_CREDENTIAL, token.reveal()));
    }
    for (name, path) in given.others {
        all.push(Credential::new(name, files::read(path, CREDENTIAL_MAX)?));
    }
    all.extend(given.address.iter().flat_map(networked));
    Ok(all)
}

fn judge(image: &Path, name: &Path, text: &[u8], progress: &dyn Progress) -> Result<(), ToldError> {
    let mut layers = baked(image)?;
    layers.push(layer(name.display().to_string(), text));
    for warning in merge(&layers)?.warnings {
        progress.say(&format!("warning: {warning}"));
    }
    Ok(())
}

/// Returns the layers that an image has. One without any is judged as if it said nothing.
fn baked(path: &Path) -> Result<Vec<Layer>, ToldError> {
    let disk = open_image(path)?;
    let table = gpt::parse(&*disk, path)?;
    let image = Image::new(disk, table.partitions.iter().map(Into::into).collect());
    let rows = read::list(&image, &Place::parse(FOLDER)?).unwrap_or_default();
    let is_layer = |row: &&read::Row| row.kind == FileKind::File && row.name.ends_with(".yaml");
    let read = |row: &read::Row| {
        let path = format!("{FOLDER}/{}", row.name);
        let text = image.read(&Place::parse(&path)?, CREDENTIAL_MAX)?;
        Ok(layer(path, &text))
    };
    rows.iter().filter(is_layer).map(read).collect()
}

fn layer(name: String, text: &[u8]) -> Layer {
    let text = String::from_utf8(text.to_vec()).map_err(|_| "is not UTF-8".to_owned());
    Layer { name, form: Form::Yaml, text }
}
