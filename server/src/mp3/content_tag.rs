//! The content tag: names a song's audio by its bytes.

use std::io;

use xxhash_rust::xxh3::Xxh3;

use super::source::{ReadAt, read_vec_at};

/// How much of the audio's beginning and end goes into its content tag.
const EDGE_BYTES: u64 = 16 * 1024;

/// XXH3-64 of the audio's length in bytes (8 bytes, big-endian), of its first and of its last 16 KiB, or all of it twice if
/// it is shorter. Never 0, which means "any" on the wire.
///
/// # Errors
/// Whatever the file system reports.
pub(super) fn content_tag(source: &dyn ReadAt, offset: u64, size_bytes: u64) -> io::Result<u64> {
    let edge = size_bytes.min(EDGE_BYTES);
    let mut hash = Xxh3::new();
    hash.update(&size_bytes.to_be_bytes());
    for start in [offset, offset + size_bytes - edge] {
        hash.update(&read_vec_at(source, start, edge as usize)?);
    }
    Ok(hash.digest().max(1))
}
