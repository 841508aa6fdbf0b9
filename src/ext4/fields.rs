// SPDX-License-Identifier: Apache-2.0
//! Structures of a fixed length whose numbers stand at documented offsets, little-endian unless a name says otherwise.
//!
//! Offsets are those of the kernel's tables; a write outside the structure is a bug of the caller and panics.

/// A zeroed structure that is filled field by field.
#[derive(Debug)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    /// Returns `len` zero bytes.
    pub fn zeroed(len: usize) -> Self {
        Self(vec![0; len])
    }

    /// Writes `bytes` at `at`.
    pub fn bytes(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub fn u8(&mut self, at: usize, value: u8) -> &mut Self {
        self.bytes(at, &[value])
    }

    pub fn u16(&mut self, at: usize, value: u16) -> &mut Self {
        self.bytes(at, &value.to_le_bytes())
    }

    pub fn u32(&mut self, at: usize, value: u32) -> &mut Self {
        self.bytes(at, &value.to_le_bytes())
    }

    /// Writes a number of the journal, which is big-endian.
    pub fn u32_big_endian(&mut self, at: usize, value: u32) -> &mut Self {
        self.bytes(at, &value.to_be_bytes())
    }

    /// Writes a number whose low half stands at `low` and whose high half at `high`.
    pub fn u16_twice(&mut self, low: usize, high: usize, value: u32) -> &mut Self {
        self.u16(low, value as u16).u16(high, (value >> 16) as u16)
    }

    /// Writes a 48-bit number: 32 bits at `low`, 16 at `high`.
    pub fn u32_u16(&mut self, low: usize, high: usize, value: u64) -> &mut Self {
        debug_assert!(value >> 48 == 0, "block numbers have 48 bits");
        self.u32(low, value as u32).u16(high, (value >> 32) as u16)
    }

    /// Writes a 64-bit number: 32 bits at `low`, 32 at `high`.
    pub fn u32_twice(&mut self, low: usize, high: usize, value: u64) -> &mut Self {
        self.u32(low, value as u32).u32(high, (value >> 32) as u32)
    }

    /// Writes a 40-bit number of seconds: 32 bits at `low`, 8 at `high`.
    pub fn u32_u8(&mut self, low: usize, high: usize, value: u64) -> &mut Self {
        self.u32(low, value as u32).u8(high, (value >> 32) as u8)
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
