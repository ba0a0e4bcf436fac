//! The content tag: names a song's audio by its bytes.

use std::io;

use super::source::{ReadAt, read_vec_at};

/// How much of the audio's beginning and end goes into its content tag.
const EDGE_BYTES: u64 = 16 * 1024;

/// A hash of the audio's length and of its first and last 16 KiB.
pub(super) fn content_tag(source: &dyn ReadAt, offset: u64, size_bytes: u64) -> io::Result<u64> {
    let edge = size_bytes.min(EDGE_BYTES);
    let mut hash = Hash::new();
    hash.add(&size_bytes.to_be_bytes());
    for start in [offset, offset + size_bytes - edge] {
        hash.add(&read_vec_at(source, start, edge as usize)?);
    }
    Ok(hash.finish())
}

/// FNV-1a of 64 bits, of eight bytes at a time, with what is high brought down in between: the same everywhere and for
/// ever, which the standard library's hashes do not promise. Byte by byte it would take longer than to open the file.
struct Hash(u64);

impl Hash {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = (self.0 ^ u64::from_be_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
            self.0 = mixed ^ mixed >> 32;
        }
    }

    /// Never 0, which means "any" on the wire.
    const fn finish(self) -> u64 {
        if self.0 == 0 { 1 } else { self.0 }
    }
}
