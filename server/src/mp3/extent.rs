//! Where in a file the audio lies: between the tags at either end.

use std::io;
use std::ops::Range;

use super::source::{ReadAt, read_full_at, read_vec_at};

/// Tags that are passed over at either end. What more there are count as junk, through which music is found too, and
/// faster than one tag of a few bytes after the other.
const MAX_TAGS: usize = 64;

/// The file without the tags at either end.
pub(super) fn between_tags(source: &dyn ReadAt) -> io::Result<Range<u64>> {
    let length = source.length()?;
    let mut start = 0;
    // More than one was seen in the wild. One that claims to be longer than the file is no reason to play nothing.
    for _ in 0..MAX_TAGS {
        let Some(tag) = id3v2_bytes(source, start)?.filter(|tag| start + tag <= length) else { break };
        start += tag;
    }
    let mut end = length;
    for _ in 0..MAX_TAGS {
        let Some(tag) = trailing_tag_bytes(source, end)?.filter(|&tag| start + tag <= end) else { break };
        end -= tag;
    }
    Ok(start..end)
}

/// Length of the ID3v2 tag at `offset`, header and footer included.
///
/// ```text
///  "ID3"  version 2  flags 1  size 4, of which 7 bits each count      ID3v2.4.0 structure, 3.1
/// ```
pub(super) fn id3v2_bytes(source: &dyn ReadAt, offset: u64) -> io::Result<Option<u64>> {
    let mut header = [0; 10];
    let filled = read_full_at(source, offset, &mut header)?;
    let [b'I', b'D', b'3', version, _, flags, size @ ..] = header else { return Ok(None) };
    if filled < header.len() || version == 0xff || size.iter().any(|byte| byte & 0x80 != 0) {
        return Ok(None);
    }
    let size = size.iter().fold(0, |size, &byte| size << 7 | u64::from(byte));
    let has_footer = flags & 0x10 != 0;
    Ok(Some(10 + size + if has_footer { 10 } else { 0 }))
}

/// Whether these bytes are at `offset`, if there is such a place.
fn is_at(source: &dyn ReadAt, offset: Option<u64>, bytes: &[u8]) -> io::Result<bool> {
    offset.map_or(Ok(false), |offset| Ok(read_vec_at(source, offset, bytes.len())? == bytes))
}

/// Length of the tag that ends at `end`, if it is one of those that players append.
///
/// ```text
///  ID3v1      "TAG"  125                                                   128 in all
///  enhanced   "TAG+" 223, right before an ID3v1                            227 in all
///  APEv2      [header 32]  items  "APETAGEX" version 4 size 4 items 4 flags 4 zero 8
///  Lyrics3v2  size as 6 digits  "LYRICS200"
/// ```
fn trailing_tag_bytes(source: &dyn ReadAt, end: u64) -> io::Result<Option<u64>> {
    let tail = |length: u64| match end.checked_sub(length) {
        Some(start) => read_vec_at(source, start, length as usize),
        None => Ok(Vec::new()),
    };
    if tail(128)?.starts_with(b"TAG") {
        let is_enhanced = tail(128 + 227)?.starts_with(b"TAG+");
        return Ok(Some(if is_enhanced { 128 + 227 } else { 128 }));
    }
    if let Some([size_0, size_1, size_2, size_3, _, _, _, _, _, _, _, flags, ..]) =
        tail(32)?.strip_prefix(b"APETAGEX").and_then(|footer| footer.get(4..))
    {
        // The size counts items and footer, not the header. One that is said to be there and is not is music.
        let size = u64::from(u32::from_le_bytes([*size_0, *size_1, *size_2, *size_3])).max(32);
        let has_header = flags & 0x80 != 0 && is_at(source, end.checked_sub(size + 32), b"APETAGEX")?;
        return Ok(Some(size + if has_header { 32 } else { 0 }));
    }
    if let Some(digits) = tail(15)?.strip_suffix(b"LYRICS200") {
        let size = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        return Ok(size.map(|size| size + 15));
    }
    Ok(None)
}
