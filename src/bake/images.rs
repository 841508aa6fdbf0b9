// SPDX-License-Identifier: Apache-2.0
//! Container images of the manifest: each input of the lock becomes one archive of kiln's own writing, kept in the cache
//! under what it is made of.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::content::{ImageFile, Member};
use super::desk::Desk;
use super::error::BakeError;
use super::members::{content, members};
use super::wanted::Wanted;
use crate::digest::Digest;
use crate::host::cache::{Blob, Cache, CacheError};
use crate::host::disk::Blobs;
use crate::host::files;
use crate::lock::{Lock, Locked};
use crate::manifest::{Arch, Image, ImageContent, Source};
use crate::oci::{self, Program, TakenError};
use crate::problem::{Problem, Problems};
use crate::tree::Content;

/// Kind of the records that say which archive was written; counts up when it would be written otherwise.
const RECORDS: &str = "image-1";

/// All that shapes an archive.
#[derive(Serialize)]
struct Shape<'a> {
    files: Vec<Digest>,
    reference: &'a Option<String>,
    content: &'a ImageContent,
    arch: Arch,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    archive: Digest,
    size: u64,
    names: Vec<String>,
    manifest: Digest,
    program: Option<Digest>,
}

/// Makes the archives of all images.
///
/// # Errors
/// What is wrong with any of them, at once; the cache.
pub(super) fn open(wanted: &Wanted, lock: &Lock, desk: &Desk<'_>) -> Result<Vec<ImageFile>, BakeError> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for image in &wanted.manifest.images {
        let Some(locked) = lock.inputs.get(&image.name) else { continue };
        match recorded(image, locked, wanted.manifest.arch, desk) {
            Ok(made) => files.push(file(image, made, desk)?),
            Err(Failure::Wrong(what, fix)) => problems.push(problem(&wanted.path, image, what, fix)),
            Err(Failure::Bake(error)) => return Err(error),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(Problems(problems).into()) }
}

fn file(image: &Image, made: Recorded, desk: &Desk<'_>) -> Result<ImageFile, BakeError> {
    let content = content(made.archive, made.size, desk)?;
    let facts =
        made.program.map(|program| Ok::<_, BakeError>(super::facts::of_blob(&program, desk)?.checked));
    let (name, names, digest) = (image.name.clone(), made.names, made.manifest);
    Ok(ImageFile { name, names, digest, content, program: facts.transpose()? })
}

fn problem(manifest: &Path, image: &Image, what: String, fix: Option<String>) -> Problem {
    let key = format!("images.{}", image.name);
    Problem { file: manifest.to_owned(), place: None, key, what, fix }
}

/// Why there is no archive.
enum Failure {
    /// The person's input; what is wrong and the fix.
    Wrong(String, Option<String>),
    Bake(BakeError),
}

impl From<BakeError> for Failure {
    fn from(error: BakeError) -> Self {
        Self::Bake(error)
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Self::Bake(error.into())
    }
}

fn recorded(image: &Image, locked: &Locked, arch: Arch, desk: &Desk<'_>) -> Result<Recorded, Failure> {
    let files = locked.files.values().map(|file| file.sha256).collect();
    let shape = Shape { files, reference: &image.reference, content: &image.content, arch };
    let key = Digest::of(&serde_json::to_vec(&shape).expect("a shape is always JSON")).to_string();
    let known = desk.cache.record_get(RECORDS, &key)?;
    let known = known.and_then(|json| serde_json::from_slice::<Recorded>(&json).ok());
    if let Some(known) = known.filter(|known| desk.cache.get(&known.archive).is_some()) {
        return Ok(known);
    }
    let wanted = match &image.content {
        // What of it is needed, the archive itself says.
        ImageContent::Archive => Vec::new(),
        ImageContent::Program { member, .. } => vec![member.as_str()],
    };
    let members = members(&image.name, &image.source, locked, &wanted, desk)?;
    let (oci, program) = match &image.content {
        ImageContent::Archive => (taken(image, &members, arch, desk)?, None),
        ImageContent::Program { member, arguments } => {
            let (image, program) = made(image, (member, arguments), &members, arch, desk)?;
            (image, Some(program))
        }
    };
    let archive = archive(&image.name, &oci, desk)?;
    let manifest = oci.manifest.blob().digest;
    let made = Recorded { archive: archive.digest, size: archive.size, names: oci.names, manifest, program };
    let json = serde_json::to_vec(&made).expect("texts and numbers are always JSON");
    desk.cache.record_put(RECORDS, &key, &json)?;
    Ok(made)
}

fn taken(image: &Image, members: &[Member], arch: Arch, desk: &Desk<'_>) -> Result<oci::Image, Failure> {
    let blob = |member: &Member| match &member.content {
        Content::Blob { digest, size, .. } => {
            Some((member.path.clone(), oci::Blob { digest: *digest, size: *size }))
        }
        Content::Inline(_) => None,
    };
    let read = |blob: &oci::Blob| {
        let blob = desk.cache.get(&blob.digest).ok_or("it has left the cache; run again")?;
        files::read(&blob.path, oci::TEXT_MAX_BYTES).map_err(|error| format!("{error}: {}", error.source))
    };
    let wanted = oci::Wanted { name: image.reference.as_deref(), arch };
    let taken = oci::taken(&members.iter().filter_map(blob).collect(), wanted, &read);
    taken.map_err(|error: TakenError| Failure::Wrong(format!("{} {error}", source_name(&image.source)), None))
}

fn source_name(source: &Source) -> String {
    match source {
        Source::File { path, .. } => path.display().to_string(),
        Source::Url { url, .. } => url.clone(),
        _ => "its source".to_owned(),
    }
}

/// Returns the image of a program, whose layer is in the cache then, and the program's own digest.
fn made(
    image: &Image,
    (member, arguments): (&String, &Vec<String>),
    members: &[Member],
    arch: Arch,
    desk: &Desk<'_>,
) -> Result<(oci::Image, Digest), Failure> {
    let plain = |path: &str| path.strip_prefix("./").unwrap_or(path).to_owned();
    let found = members.iter().find(|found| plain(&found.path) == plain(member));
    let found = found.map(|found| &found.content);
    let Some(Content::Blob { digest, size, .. }) = found else {
        let has: Vec<&str> = members.iter().map(|member| member.path.as_str()).take(10).collect();
        let what = format!("{} has no member '{member}'", source_name(&image.source));
        return Err(Failure::Wrong(what, Some(format!("let 'program' be one of: {}", has.join(", ")))));
    };
    let name = member.rsplit('/').next().unwrap_or(member).to_owned();
    let program = Program { name, size: *size, arguments: arguments.clone() };
    let write = |out: &mut dyn Write| oci::layer(&program, &mut open_blob(desk.cache, digest)?, out);
    let layer = written(&image.name, &write, desk)?;
    let layer = oci::Blob { digest: layer.digest, size: layer.size };
    let reference = image.reference.as_deref().unwrap_or_default();
    Ok((oci::made(reference, &program, layer, arch), *digest))
}

fn archive(name: &str, image: &oci::Image, desk: &Desk<'_>) -> Result<Blob, BakeError> {
    let members = oci::members(image);
    let open = |digest: &Digest| open_blob(desk.cache, digest);
    written(name, &|out| oci::write(out, &members, &open), desk)
}

/// Has something written into the cache.
fn written(
    name: &str,
    write: &dyn Fn(&mut dyn Write) -> io::Result<()>,
    desk: &Desk<'_>,
) -> Result<Blob, BakeError> {
    let writer = desk.cache.writer()?;
    // tar writes headers and paddings apart.
    let mut buffered = BufWriter::with_capacity(128 << 10, writer);
    let failed = |source| BakeError::Image { name: name.to_owned(), source };
    write(&mut buffered).map_err(failed)?;
    let writer = buffered.into_inner().map_err(|error| failed(error.into_error()))?;
    Ok(writer.finish()?)
}

fn open_blob(cache: &Cache, digest: &Digest) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(Blobs::open(cache, digest)?))
}
