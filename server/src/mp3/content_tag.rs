//! The content tag: a hash that identifies a song's audio.

use std::io;

use xxhash_rust::xxh3::Xxh3;

use super::source::{ReadAt, read_vec_at};

/// Bytes at the beginning and at the end of the audio that are hashed.
const EDGE_BYTES: u64 = 16 * 1024;

/// XXH3-64 of the audio's length in bytes (8 bytes, big-endian), its first 16 KiB and its last 16 KiB, or twice all of a
/// shorter one. Never 0, which means "any" on the wire.
///
/// # Errors
/// The file system's.
pub(super) fn content_tag(source: &dyn ReadAt, offset: u64, size_bytes: u64) -> io::Result<u64> {
    let edge = size_bytes.min(EDGE_BYTES);
    let mut hash = Xxh3::new();
    hash.update(&size_bytes.to_be_bytes());
    for start in [offset, offset + size_bytes - edge] {
        hash.update(&read_vec_at(source, start, edge as usize)?);
    }
    Ok(hash.digest().max(1))
}
