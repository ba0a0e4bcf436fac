//! The position of the audio in a file: between the tags at either end.

use std::io;
use std::ops::Range;

use trill_proto::limits::MAX_SONG_BYTES;

use super::source::{ReadAt, read_full_at, read_vec_at};

/// Tags that are skipped at either end. Further ones count as junk: finding music behind junk is faster than skipping many
/// small tags.
const MAX_TAGS: usize = 64;

/// The parts of a file.
#[derive(Debug)]
pub(super) struct Extent {
    /// The ID3v2 tags at the beginning.
    pub(super) id3v2: Vec<Range<u64>>,
    /// Everything between the tags at either end.
    pub(super) audio: Range<u64>,
    /// The ID3v1 tag at the end, with its extension.
    pub(super) id3v1: Option<Range<u64>>,
}

impl Extent {
    /// # Errors
    /// The file system's.
    pub(super) fn of(source: &dyn ReadAt) -> io::Result<Self> {
        let length = source.length()?;
        let (mut start, mut end) = (0, length);
        let (mut id3v2, mut id3v1) = (Vec::new(), None);
        // Some real files have more than one.
        for _ in 0..MAX_TAGS {
            let Some(bytes) = id3v2_bytes(source, start)? else { break };
            id3v2.push(start..start + bytes);
            if start + bytes > length {
                // The tag is cut, but its texts may be complete.
                break;
            }
            start += bytes;
        }
        for _ in 0..MAX_TAGS {
            let trailer = Trailer::before(source, end)?.filter(|trailer| start + trailer.bytes <= end);
            let Some(Trailer { bytes, is_id3v1 }) = trailer else { break };
            if is_id3v1 && id3v1.is_none() {
                id3v1 = Some(end - bytes..end);
            }
            end -= bytes;
        }
        Ok(Self { id3v2, audio: start..end.min(start.saturating_add(MAX_SONG_BYTES)), id3v1 })
    }
}

/// Length of the ID3v2 tag at `offset`, header and footer included.
///
/// ```text
///  "ID3"  version 2  flags 1  size 4, 7 bits of each byte count       ID3v2.4.0 structure, 3.1
/// ```
fn id3v2_bytes(source: &dyn ReadAt, offset: u64) -> io::Result<Option<u64>> {
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

/// A tag that players append.
///
/// ```text
///  APEv2      [header 32]  items  "APETAGEX" version 4 size 4 items 4 flags 4 zero 8
///  Lyrics3v2  "LYRICSBEGIN"  fields  size as 6 digits  "LYRICS200"
///  ID3v1      "TAG"  125                                                   128 in all
///  enhanced   "TAG+" 223, right before an ID3v1                            227 in all
/// ```
struct Trailer {
    bytes: u64,
    is_id3v1: bool,
}

impl Trailer {
    /// The tag that ends at `end`. Tags with a mark at their end are tried first, since they may contain "TAG" anywhere.
    fn before(source: &dyn ReadAt, end: u64) -> io::Result<Option<Self>> {
        let marked = match ape_bytes(source, end)? {
            Some(bytes) => Some(bytes),
            None => lyrics3_bytes(source, end)?,
        };
        Ok(match marked {
            Some(bytes) => Some(Self { bytes, is_id3v1: false }),
            None => id3v1_bytes(source, end)?.map(|bytes| Self { bytes, is_id3v1: true }),
        })
    }
}

fn ape_bytes(source: &dyn ReadAt, end: u64) -> io::Result<Option<u64>> {
    let tail = tail(source, end, 32)?;
    let Some([size_0, size_1, size_2, size_3, _, _, _, _, _, _, _, flags, ..]) =
        tail.strip_prefix(b"APETAGEX").and_then(|footer| footer.get(4..))
    else {
        return Ok(None);
    };
    // The size counts items and footer, not the header. A header that is announced and missing is music.
    let size = u64::from(u32::from_le_bytes([*size_0, *size_1, *size_2, *size_3])).max(32);
    let has_header = flags & 0x80 != 0 && is_at(source, end.checked_sub(size + 32), b"APETAGEX")?;
    Ok(Some(size + if has_header { 32 } else { 0 }))
}

fn lyrics3_bytes(source: &dyn ReadAt, end: u64) -> io::Result<Option<u64>> {
    let tail = tail(source, end, 15)?;
    let digits = tail.strip_suffix(b"LYRICS200").filter(|digits| digits.iter().all(u8::is_ascii_digit));
    Ok(digits.map(|digits| digits.iter().fold(0, |size, digit| size * 10 + u64::from(digit - b'0')) + 15))
}

fn id3v1_bytes(source: &dyn ReadAt, end: u64) -> io::Result<Option<u64>> {
    if !tail(source, end, 128)?.starts_with(b"TAG") {
        return Ok(None);
    }
    let is_enhanced = tail(source, end, 128 + 227)?.starts_with(b"TAG+");
    Ok(Some(if is_enhanced { 128 + 227 } else { 128 }))
}

/// The last `length` bytes before `end`. `None` if there are fewer.
fn tail(source: &dyn ReadAt, end: u64, length: u64) -> io::Result<Vec<u8>> {
    match end.checked_sub(length) {
        Some(start) => read_vec_at(source, start, length as usize),
        None => Ok(Vec::new()),
    }
}

/// Whether these bytes are at `offset`. `false` without an offset.
fn is_at(source: &dyn ReadAt, offset: Option<u64>, bytes: &[u8]) -> io::Result<bool> {
    offset.map_or(Ok(false), |offset| Ok(read_vec_at(source, offset, bytes.len())? == bytes))
}
