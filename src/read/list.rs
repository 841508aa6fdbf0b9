// SPDX-License-Identifier: Apache-2.0
//! A long listing, as `ls -l` gives it. Symbolic links are shown, never followed.

use serde::Serialize;

use super::place::{Found, View};
use super::table::{columns, printable, time};
use super::{Entry, Error, Fault, FileKind, Image, Place, Stat};
use crate::tree::TreePath;

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

/// Most rows of a listing of everything: ten times what a vendor's /usr has.
const ROWS_MAX: usize = 1_000_000;

/// Lists what a folder holds, or the one thing that is at `place`.
///
/// # Errors
/// If there is nothing, a symbolic link stands in the way, or the filesystem can't be read.
pub fn list(image: &Image, place: &Place) -> Result<Vec<Row>, Error> {
    let view = View::new(image);
    let found = view.find(place)?;
    if found.stat.kind != FileKind::Folder {
        let name = String::from_utf8_lossy(place.path().name()).into_owned();
        return Ok(vec![row(&found, name, found.stat, Some(found.path.clone())).map_err(Error::at(place))?]);
    }
    Ok(children(&view, place, "")?.into_iter().map(|(row, _)| row).collect())
}

/// As [`list`], with everything below it; names are paths from `place`, a folder's before what is in it.
///
/// # Errors
/// As [`list`], and if there is no end of it.
pub fn list_all(image: &Image, place: &Place) -> Result<Vec<Row>, Error> {
    let view = View::new(image);
    if view.find(place)?.stat.kind != FileKind::Folder {
        return list(image, place);
    }
    let mut rows = Vec::new();
    // What is still to be told, the next one last.
    let mut left: Vec<(Row, Option<Place>)> = children(&view, place, "")?.into_iter().rev().collect();
    while let Some((row, folder)) = left.pop() {
        if let Some(folder) = folder {
            left.extend(children(&view, &folder, &format!("{}/", row.name))?.into_iter().rev());
        }
        rows.push(row);
        if rows.len() > ROWS_MAX {
            return Err(Error::at(place)(Fault::Corrupt("listed", format!("more than {ROWS_MAX} paths"))));
        }
    }
    Ok(rows)
}

/// Returns what a folder holds, and of each folder in it the place. Names get `prefix`.
fn children(view: &View<'_>, place: &Place, prefix: &str) -> Result<Vec<(Row, Option<Place>)>, Error> {
    let found = view.find(place)?;
    let child = |Entry { name, stat }: Entry| {
        // A name that is no part of a path is shown, but there is no path to ask about it.
        let path = place.path().join(&name).ok();
        let shown = format!("{prefix}{}", String::from_utf8_lossy(&name));
        let row = row(&found, shown, stat, found.path.join(&name).ok()).map_err(Error::at(place))?;
        Ok((row, path.filter(|_| stat.kind == FileKind::Folder).map(|path| place.with(path))))
    };
    view.list(place)?.into_iter().map(child).collect()
}

/// Returns the row of something at `path` in the filesystem of `found`.
fn row(found: &Found, name: String, stat: Stat, path: Option<TreePath>) -> Result<Row, Fault> {
    let link = path.filter(|_| stat.kind == FileKind::Symlink);
    let target = link.map(|path| found.filesystem.read_link(&path)).transpose()?;
    Ok(Row {
        name,
        kind: stat.kind,
        mode: format!("{:04o}", stat.mode),
        uid: stat.uid,
        gid: stat.gid,
        size: stat.size,
        mtime_s: stat.mtime_s,
        target: target.map(|target| String::from_utf8_lossy(&target).into_owned()),
    })
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
