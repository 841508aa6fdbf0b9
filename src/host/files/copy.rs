// SPDX-License-Identifier: Apache-2.0
//! Copying a part of one file into another, inside the kernel where it can.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::host::fault;

/// Copies `len` bytes; `from` must have them.
pub(super) fn copy_range(
    from: &File,
    from_offset: u64,
    to: &File,
    to_offset: u64,
    len: u64,
) -> io::Result<()> {
    let (mut input, mut output) = (from_offset as i64, to_offset as i64);
    let end = from_offset + len;
    while (input as u64) < end {
        fault::check_write()?;
        let left = (end - input as u64).min(1 << 30) as usize;
        match nix::fcntl::copy_file_range(from, Some(&mut input), to, Some(&mut output), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            // Not between these two filesystems (kernel before 5.3, or a special one): by hand.
            Err(
                nix::errno::Errno::EXDEV
                | nix::errno::Errno::EINVAL
                | nix::errno::Errno::ENOSYS
                | nix::errno::Errno::EOPNOTSUPP,
            ) => {
                return copy_by_hand(from, input as u64, to, output as u64, end - input as u64);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, mut input: u64, to: &File, mut output: u64, mut len: u64) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    while len > 0 {
        fault::check_write()?;
        let piece = &mut buffer[..len.min(1 << 20) as usize];
        from.read_exact_at(piece, input)?;
        to.write_all_at(piece, output)?;
        (input, output, len) =
            (input + piece.len() as u64, output + piece.len() as u64, len - piece.len() as u64);
    }
    Ok(())
}
