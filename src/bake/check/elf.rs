// SPDX-License-Identifier: Apache-2.0
//! Programs must be for the image's machine, and what loads them must be there.

use object::elf::{
    EM_386, EM_AARCH64, EM_ARM, EM_BPF, EM_RISCV, EM_X86_64, FileHeader32, FileHeader64, Machine, PT_INTERP,
};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};

use super::facts::{BlobFacts, Elf};
use super::{Findings, Subject};
use crate::manifest::{Arch, known};
use crate::problem::Problem;
use crate::tree::TreePath;

/// Reads an ELF header from a file's first bytes; none: it is something else.
///
/// With `is_whole` the bytes are all there is, and what points beyond them is broken.
pub(super) fn read(head: &[u8], is_whole: bool) -> Option<Elf> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let read = match FileKind::parse(head) {
        Ok(FileKind::Elf64) => read_as::<FileHeader64<Endianness>>(head, true),
        Ok(FileKind::Elf32) => read_as::<FileHeader32<Endianness>>(head, false),
        _ => None,
    };
    let broken = Elf { machine: 0, is_64: false, interpreter: None, needs: 0, is_broken: is_whole };
    Some(read.unwrap_or(broken))
}

fn read_as<Header: FileHeader<Endian = Endianness>>(head: &[u8], is_64: bool) -> Option<Elf> {
    let header = Header::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let machine = header.e_machine(endian).0;
    // Linkers put program headers and the interpreter's name into the first page.
    let segments = header.program_headers(endian, head);
    let is_broken = segments.is_err();
    let segments = segments.unwrap_or_default();
    let end = |segment: &Header::ProgramHeader| {
        let (offset, len): (u64, u64) = (segment.p_offset(endian).into(), segment.p_filesz(endian).into());
        offset.saturating_add(len)
    };
    let needs = segments.iter().map(end).max().unwrap_or(0);
    let interpreter = segments.iter().find(|segment| segment.p_type(endian) == PT_INTERP);
    let interpreter = interpreter.and_then(|segment| segment.interpreter(endian, head).ok().flatten());
    let interpreter = interpreter.map(|path| String::from_utf8_lossy(path).into_owned());
    Some(Elf { machine, is_64, interpreter, needs, is_broken })
}

/// Judges one file.
pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings, path: &TreePath, facts: &BlobFacts) {
    let Some(elf) = &facts.elf else { return check_known(subject, findings, path, facts) };
    if elf.is_broken {
        let fix = "fetch or build it again";
        return findings.errors.push(subject.problem(path, "is a damaged ELF file".into(), fix));
    }
    // BPF programs run on a machine of their own.
    if let Some(what) = foreign(elf, subject.manifest.arch).filter(|_| elf.machine != EM_BPF.0) {
        return findings.errors.push(subject.problem(
            path,
            what,
            "take the component's files for the image's arch",
        ));
    }
    if let Some(interpreter) = elf.interpreter.as_deref().filter(|path| !subject.exists(path)) {
        let what = format!("is loaded by {interpreter}, which neither the image nor its base has");
        findings.errors.push(subject.problem(path, what, "take a static build, or one for the base's libc"));
    }
}

/// Judges a file that is no ELF program: one of a program that kiln knows would fail only on the node. A page that a server
/// gave instead of the program looks like this; somebody's own script is one's own affair.
fn check_known(subject: &Subject<'_>, findings: &mut Findings, path: &TreePath, facts: &BlobFacts) {
    if !facts.is_script && known::is_program(&path.to_string()) {
        let fix = "name the program itself, or the archive that holds it";
        findings.errors.push(subject.problem(path, "is neither a program nor a script".to_owned(), fix));
    }
}

/// Judges the programs that container images are made of: nothing is there that could load them.
pub(super) fn check_images(subject: &Subject<'_>, findings: &mut Findings) {
    for image in subject.images {
        let Some(facts) = &image.program else { continue };
        let (what, fix) = match &facts.elf {
            None => ("is made of something that is no program".to_owned(), "name a static ELF program"),
            Some(elf) if elf.is_broken => {
                ("is made of a damaged ELF file".to_owned(), "fetch or build it again")
            }
            Some(elf) => match (foreign(elf, subject.manifest.arch), &elf.interpreter) {
                (Some(what), _) => (what, "take the program for the image's arch"),
                (None, Some(loader)) => (
                    format!("is made of a program that {loader} loads, which it has not"),
                    "take a static build",
                ),
                (None, None) => continue,
            },
        };
        let (file, key) = (subject.manifest_path.to_owned(), format!("images.{}", image.name));
        findings.errors.push(Problem { file, place: None, key, what, fix: Some(fix.to_owned()) });
    }
}

/// Says that a program is for another machine.
fn foreign(elf: &Elf, arch: Arch) -> Option<String> {
    let wanted = machine_of(arch);
    let (built, is_foreign) = (machine_name(elf.machine), elf.machine != wanted);
    is_foreign.then(|| format!("is a program for {built}, but the image is for {}", machine_name(wanted)))
}

pub(super) fn machine_of(arch: Arch) -> u16 {
    match arch {
        Arch::Amd64 => EM_X86_64.0,
        Arch::Arm64 => EM_AARCH64.0,
    }
}

pub(super) fn machine_name(machine: u16) -> String {
    match Machine(machine) {
        EM_X86_64 => "amd64".into(),
        EM_AARCH64 => "arm64".into(),
        EM_386 => "386".into(),
        EM_ARM => "arm".into(),
        EM_RISCV => "riscv".into(),
        Machine(other) => format!("ELF machine {other}"),
    }
}
