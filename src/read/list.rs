// SPDX-License-Identifier: Apache-2.0
//! A long listing, as `ls -l` gives it. Symbolic links are shown, never followed.

use serde::Serialize;

use super::place::View;
use super::table::{columns, printable, time};
use super::{Entry, Error, FileKind, Image, Place, Stat};

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The name; bytes that are no UTF-8 are replaced.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, in octal.
    pub mode: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, seconds since 1970.
    pub mtime_s: i64,
    /// Where a symbolic link points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Lists what a folder holds, or the one thing that is at `place`.
///
/// # Errors
/// If there is nothing, a symbolic link stands in the way, or the filesystem can't be read.
pub fn list(image: &Image, place: &Place) -> Result<Vec<Row>, Error> {
    let view = View::new(image);
    let found = view.find(place)?;
    let row = |name: &[u8], stat: Stat, link: Option<Vec<u8>>| Row {
        name: String::from_utf8_lossy(name).into_owned(),
        kind: stat.kind,
        mode: format!("{:04o}", stat.mode),
        uid: stat.uid,
        gid: stat.gid,
        size: stat.size,
        mtime_s: stat.mtime_s,
        target: link.map(|target| String::from_utf8_lossy(&target).into_owned()),
    };
    let link = |path: &crate::tree::TreePath, stat: &Stat| match stat.kind {
        FileKind::Symlink => found.filesystem.read_link(path).map(Some).map_err(Error::at(place)),
        _ => Ok(None),
    };
    if found.stat.kind != FileKind::Folder {
        let name = place.path().name();
        return Ok(vec![row(name, found.stat, link(&found.path, &found.stat)?)]);
    }
    let entries = view.list(place)?.into_iter().map(|Entry { name, stat }| {
        // A name that is no part of a path is shown, but there is no path to ask about it.
        let target = found.path.join(&name).ok().map(|path| link(&path, &stat)).transpose()?;
        Ok(row(&name, stat, target.flatten()))
    });
    entries.collect()
}

/// Renders a listing for people, one line each.
pub fn render_rows(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let name = printable(row.name.as_bytes());
        let mode = u16::from_str_radix(&row.mode, 8).unwrap_or(0);
        vec![
            format!("{}{}", row.kind.letter(), letters(mode)),
            row.uid.to_string(),
            row.gid.to_string(),
            row.size.to_string(),
            time(row.mtime_s),
            match &row.target {
                Some(target) => format!("{name} -> {}", printable(target.as_bytes())),
                None => name,
            },
        ]
    };
    columns(&rows.iter().map(line).collect::<Vec<_>>(), &[1, 2, 3])
}

/// Writes a mode as `ls -l` does.
fn letters(mode: u16) -> String {
    let special = [(0o4000, 's', 'S'), (0o2000, 's', 'S'), (0o1000, 't', 'T')];
    let three = |(place, (bit, with, without)): (usize, (u16, char, char))| {
        let bits = mode >> (6 - 3 * place);
        let run = match (mode & bit != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        };
        let read = if bits & 4 != 0 { 'r' } else { '-' };
        let write = if bits & 2 != 0 { 'w' } else { '-' };
        [read, write, run]
    };
    special.into_iter().enumerate().flat_map(three).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_ls_does() {
        for (mode, text) in [
            (0o755, "rwxr-xr-x"),
            (0o4755, "rwsr-xr-x"),
            (0o2640, "rw-r-S---"),
            (0o1777, "rwxrwxrwt"),
            (0o1000, "--------T"),
        ] {
            assert_eq!(letters(mode), text);
        }
    }
}
