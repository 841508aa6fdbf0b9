// SPDX-License-Identifier: Apache-2.0
//! Sparse files in POSIX archives: GNU tar's extended headers, and the map in front of the data (GNU tar manual, "Storing
//! Sparse Files", PAX format 1.0).

use std::io::{self, Read};

use tar::Entry;

/// What extended headers say of a sparse file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    /// The name, which the header's own only hints at.
    pub(super) name: Option<Vec<u8>>,
    /// Size with all holes, in bytes.
    size: Option<u64>,
    /// The format: "1.0" has its map in front of the data.
    is_1_0: bool,
}

/// More parts than any program has.
const PARTS_MAX: u64 = 1 << 20;

/// Returns what an entry's extended headers say; none: it is no such file.
pub(super) fn look(entry: &mut Entry<'_, impl Read>) -> io::Result<Option<Sparse>> {
    let (mut sparse, mut is_any, mut version) = (Sparse::default(), false, ["", ""].map(str::to_owned));
    let Some(extensions) = entry.pax_extensions()? else { return Ok(None) };
    for extension in extensions {
        let extension = extension?;
        let Some(key) = extension.key().ok().and_then(|key| key.strip_prefix("GNU.sparse.")) else {
            continue;
        };
        is_any = true;
        let text = extension.value().unwrap_or_default();
        match key {
            "name" => sparse.name = Some(extension.value_bytes().to_owned()),
            "realsize" => sparse.size = text.parse().ok(),
            "major" => version[0] = text.to_owned(),
            "minor" => version[1] = text.to_owned(),
            _ => {}
        }
    }
    sparse.is_1_0 = version == ["1", "0"] && sparse.size.is_some();
    Ok(is_any.then_some(sparse))
}

impl Sparse {
    /// Returns the file with its holes as zeros; none, if the format is an older one.
    pub(super) fn open<R: Read>(&self, mut from: R) -> io::Result<Option<Filled<R>>> {
        let Some(size) = self.size.filter(|_| self.is_1_0) else { return Ok(None) };
        let mut map = Map { from: &mut from, taken: 0 };
        let count = map.number()?;
        if count > PARTS_MAX {
            return Err(wrong("has too many parts"));
        }
        let parts: Vec<(u64, u64)> =
            (0..count).map(|_| Ok((map.number()?, map.number()?))).collect::<io::Result<_>>()?;
        map.skip_block()?;
        let mut end = 0;
        for (offset, len) in &parts {
            if *offset < end || offset.checked_add(*len).is_none_or(|end| end > size) {
                return Err(wrong("has parts that overlap or lie outside"));
            }
            end = offset + len;
        }
        Ok(Some(Filled { from, parts: parts.into_iter().collect(), at: 0, size }))
    }
}

/// The map: decimal numbers, one a line, filled up to a block.
struct Map<'a, R> {
    from: &'a mut R,
    taken: usize,
}

impl<R: Read> Map<'_, R> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte)?;
        self.taken += 1;
        Ok(byte[0])
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut number: u64 = 0;
        loop {
            match self.byte()? {
                b'\n' => return Ok(number),
                digit @ b'0'..=b'9' => {
                    let next = number.checked_mul(10).and_then(|it| it.checked_add(u64::from(digit - b'0')));
                    number = next.ok_or_else(|| wrong("has a number that is none"))?;
                }
                _ => return Err(wrong("has a number that is none")),
            }
        }
    }

    fn skip_block(&mut self) -> io::Result<()> {
        while !self.taken.is_multiple_of(512) {
            self.byte()?;
        }
        Ok(())
    }
}

/// A sparse file as programs read it.
pub(super) struct Filled<R> {
    from: R,
    parts: std::collections::VecDeque<(u64, u64)>,
    at: u64,
    size: u64,
}

impl<R: Read> Read for Filled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.parts.front().is_some_and(|(offset, len)| offset + len == self.at) {
            self.parts.pop_front();
        }
        let (offset, len) = self.parts.front().copied().unwrap_or((self.size, 0));
        let up_to = |left: u64| left.min(buffer.len() as u64) as usize;
        if self.at < offset {
            let count = up_to(offset - self.at);
            buffer[..count].fill(0);
            self.at += count as u64;
            return Ok(count);
        }
        let count = up_to(offset + len - self.at);
        let count = self.from.read(&mut buffer[..count])?;
        if count == 0 && self.at < self.size && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        Ok(count)
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the map of a sparse file {what}"))
}
