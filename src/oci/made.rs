// SPDX-License-Identifier: Apache-2.0
//! An image of one static program: a layer with that file, a configuration that starts it, a manifest.

use std::io::{self, Read, Write};

use super::archive::append;
use super::json::{self, Config, Descriptor, History, Manifest, RootFs, Run};
use super::{Blob, Image, Text};
use crate::manifest::Arch;

/// A program as an image has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name, which stands in the image's root folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it is started with.
    pub arguments: Vec<String>,
}

/// Nobody in particular: the user that images without a system of their own have come to use (distroless' `nonroot`).
const USER: &str = "65532:65532";
/// A time must be given, and none is meant.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Writes the layer: the program and nothing else.
///
/// # Errors
/// As writer and reader say, and if the program has not the size that is said.
pub fn layer(program: &Program, content: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    append(&mut tar, &program.name, (program.size, 0o755), content)?;
    tar.into_inner().map(drop)
}

/// Returns the image called `name` of a program whose layer was written.
pub fn made(name: &str, program: &Program, layer: Blob, arch: Arch) -> Image {
    let config = json::text(&Config {
        created: CREATED,
        architecture: arch.name(),
        os: "linux",
        config: Run {
            user: USER,
            entrypoint: [format!("/{}", program.name)],
            cmd: &program.arguments,
            working_dir: "/",
        },
        // The layer is not compressed, so its own digest is that of what is in it.
        rootfs: RootFs { kind: "layers", diff_ids: [json::spelled(&layer.digest)] },
        history: [History { created: CREATED, created_by: "kiln" }],
    });
    let config = Text { media_type: json::CONFIG.to_owned(), bytes: config };
    let manifest = json::text(&Manifest {
        schema_version: 2,
        media_type: json::MANIFEST.to_owned(),
        config: Descriptor::of(&config.media_type, config.blob()),
        layers: vec![Descriptor::of(json::LAYER, layer)],
    });
    let manifest = Text { media_type: json::MANIFEST.to_owned(), bytes: manifest };
    Image { names: vec![name.to_owned()], manifest, config, layers: vec![layer] }
}
