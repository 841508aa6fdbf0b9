// SPDX-License-Identifier: Apache-2.0
//! What does not belong on a vendor's ROOT, so that a bake never throws away what somebody put there.

use super::{Entry, Fault, FileKind, FileSystem};
use crate::tree::TreePath;

/// What Flatcar ships on ROOT: four empty folders, everything else is deleted in its build (`build_image_util.sh` of
/// flatcar/scripts, 4459 to main; bake-anchors.md 2.1). The lab base holds itself to the same.
const SHIPPED: [&[u8]; 4] = [b"boot", b"lost+found", b"oem", b"usr"];

/// As many foreign files as are named; a person needs no more to see what it is.
const NAMED_MAX: usize = 1000;

/// Lists what is on ROOT that the vendor does not ship, by path; a folder comes before what is in it.
///
/// # Errors
/// If the filesystem can't be read: then it must not be thrown away either.
pub fn root_foreign(filesystem: &dyn FileSystem) -> Result<Vec<String>, Fault> {
    let mut foreign = Vec::new();
    // Folders still to be listed, the next one last.
    let mut folders = vec![TreePath::root()];
    while let Some(folder) = folders.pop() {
        let at_root = folder.parts().is_empty();
        let mut below = Vec::new();
        for Entry { name, stat } in filesystem.list(&folder)? {
            let is_folder = stat.kind == FileKind::Folder;
            let path = folder.join(&name);
            if !(at_root && is_folder && SHIPPED.contains(&&name[..])) {
                foreign.push(path.as_ref().map_or_else(|_| format!("{name:?}"), TreePath::to_string));
            }
            below.extend(path.ok().filter(|_| is_folder));
        }
        if foreign.len() > NAMED_MAX {
            foreign.truncate(NAMED_MAX);
            foreign.push("and more".to_owned());
            break;
        }
        folders.extend(below.into_iter().rev());
    }
    Ok(foreign)
}
