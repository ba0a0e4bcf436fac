//! Title, artist, album and track of a song, from its ID3 tags.
//!
//! The `id3` crate knows the versions and encodings. It is given the few text frames that are wanted and nothing else:
//! read as a whole, a tag with 5 MB of cover art costs 5 MB, and one that is out to do harm as much memory as it likes
//! (a frame may say that it has 4 GB, or be compressed a thousandfold).

use std::io::{self, Cursor};

use id3::{Tag, TagLike};

use super::extent::id3v2_bytes;
use super::source::{ReadAt, read_full_at, read_vec_at};

/// No title is longer than this; the wire takes 255 bytes.
const MAX_FRAME_BYTES: u64 = 4 * 1024;

/// A tag with more frames than this is broken.
const MAX_FRAMES: usize = 1_000;

/// Where the tag as a whole must be decoded before its frames can be found, no more of it is looked at.
const MAX_UNSYNCHRONISED_BYTES: u64 = 1024 * 1024;

/// Length of an ID3v1 tag, and of one with its extension before it.
const ID3V1_BYTES: [u64; 2] = [128 + 227, 128];

/// What a song's tags say; empty where they say nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Tags {
    pub(crate) title: String,
    pub(crate) artist: String,
    pub(crate) album: String,
    /// Number of the track on its album; 0 if unknown.
    pub(crate) track: u16,
}

impl Tags {
    /// Reads the ID3v2 tag at the beginning of a file, and the ID3v1 tag at its end for what that leaves open. Broken
    /// tags are read as far as possible.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub(crate) fn read(source: &dyn ReadAt) -> io::Result<Self> {
        let mut tags = read_id3v2(source)?;
        if tags.title.is_empty() || tags.artist.is_empty() || tags.album.is_empty() || tags.track == 0 {
            tags.complete_from(read_id3v1(source)?);
        }
        Ok(tags)
    }

    fn from_id3(tag: &Tag) -> Self {
        Self {
            title: clean(tag.title()),
            artist: clean(tag.artist()),
            album: clean(tag.album()),
            track: tag.track().and_then(|track| track.try_into().ok()).unwrap_or(0),
        }
    }

    fn complete_from(&mut self, other: Self) {
        for (text, more) in
            [(&mut self.title, other.title), (&mut self.artist, other.artist), (&mut self.album, other.album)]
        {
            if text.is_empty() {
                *text = more;
            }
        }
        if self.track == 0 {
            self.track = other.track;
        }
    }
}

/// Several values are separated by NULs, which also fill up what is too short; nobody wants to see either.
fn clean(text: Option<&str>) -> String {
    let values = text.unwrap_or_default().split('\0').map(str::trim).filter(|value| !value.is_empty());
    values.collect::<Vec<_>>().join(" / ")
}

fn read_id3v1(source: &dyn ReadAt) -> io::Result<Tags> {
    let length = source.length()?;
    let Some(tag_bytes) = ID3V1_BYTES.into_iter().find(|&bytes| bytes <= length) else { return Ok(Tags::default()) };
    let tail = read_vec_at(source, length - tag_bytes, tag_bytes as usize)?;
    Ok(match id3::v1::Tag::read_from(Cursor::new(tail)) {
        Ok(tag) => Tags::from_id3(&tag.into()),
        Err(_) => Tags::default(),
    })
}

fn read_id3v2(source: &dyn ReadAt) -> io::Result<Tags> {
    let mut tags = Tags::default();
    let Some(size) = id3v2_bytes(source, 0)? else { return Ok(tags) };
    let mut header = [0; 10];
    read_full_at(source, 0, &mut header)?;
    let [_, _, _, version, _, flags, ..] = header;
    let Some(layout) = Layout::of(version) else { return Ok(tags) };

    let is_unsynchronised = flags & 0x80 != 0 && layout.is_unsynchronised_as_a_whole;
    let whole;
    let whole_bytes;
    let frames: &dyn ReadAt = if is_unsynchronised {
        whole = synchronised(&read_vec_at(source, 0, size.min(MAX_UNSYNCHRONISED_BYTES) as usize)?);
        whole_bytes = whole.as_slice();
        &whole_bytes
    } else {
        source
    };
    let start = 10 + layout.extended_header_bytes(frames, flags)?;
    for frame in text_frames(frames, &layout, start..size)? {
        // One that cannot be decoded is no reason to do without the others.
        if let Ok(tag) = Tag::read_from2(Cursor::new(layout.tag_of(&frame))) {
            tags.complete_from(Tags::from_id3(&tag));
        }
    }
    Ok(tags)
}

/// The whole frames, headers included, that hold what is wanted.
fn text_frames(source: &dyn ReadAt, layout: &Layout, range: std::ops::Range<u64>) -> io::Result<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    let mut at = range.start;
    for _ in 0..MAX_FRAMES {
        let header = read_vec_at(source, at, layout.header_bytes)?;
        let Some(size) = layout.content_bytes(&header).filter(|size| at + size <= range.end) else { break };
        let frame_bytes = layout.header_bytes as u64 + size;
        let is_wanted = layout.wanted.iter().any(|id| header.starts_with(id));
        if is_wanted && size <= MAX_FRAME_BYTES && layout.is_plain(&header) {
            frames.push(read_vec_at(source, at, frame_bytes as usize)?);
            if frames.len() == layout.wanted.len() {
                break;
            }
        }
        at += frame_bytes;
    }
    Ok(frames)
}

/// Undoes unsynchronisation: a zero that was put after each 0xff, so that nothing looks like the start of an MP3 frame.
fn synchronised(tag: &[u8]) -> Vec<u8> {
    let mut before = 0;
    let keep = |&byte: &u8| {
        let is_stuffing = before == 0xff && byte == 0;
        before = byte;
        !is_stuffing
    };
    tag.iter().copied().filter(keep).collect()
}

/// How a version of ID3v2 arranges its frames.
///
/// ```text
///  2.2   id 3  size 3                      ID3v2.2.0, 3.2
///  2.3   id 4  size 4             flags 2  ID3v2.3.0, 3.3
///  2.4   id 4  size 4, 7 bits each flags 2  ID3v2.4.0 structure, 4
/// ```
struct Layout {
    version: u8,
    header_bytes: usize,
    /// Title, artist, album, track.
    wanted: [&'static [u8]; 4],
    /// Bits of the second byte of flags that say that the content is not plain: compressed, encrypted, grouped.
    not_plain: u8,
    /// Stuffing was put into the tag; from 2.4 on, into frames that say so themselves.
    is_unsynchronised_as_a_whole: bool,
}

impl Layout {
    const fn of(version: u8) -> Option<Self> {
        let (header_bytes, wanted, not_plain): (_, [&[u8]; 4], _) = match version {
            2 => (6, [b"TT2", b"TP1", b"TAL", b"TRK"], 0),
            3 => (10, [b"TIT2", b"TPE1", b"TALB", b"TRCK"], 0b1110_0000),
            4 => (10, [b"TIT2", b"TPE1", b"TALB", b"TRCK"], 0b0100_1100),
            _ => return None,
        };
        Some(Self { version, header_bytes, wanted, not_plain, is_unsynchronised_as_a_whole: version < 4 })
    }

    /// Length of the frame after its header; `None` where there are no more frames.
    fn content_bytes(&self, header: &[u8]) -> Option<u64> {
        match *header {
            [0, ..] => None,
            [_, _, _, a, b, c] => Some(u64::from(u32::from_be_bytes([0, a, b, c]))),
            [_, _, _, _, a, b, c, d, _, _] if self.version == 3 => Some(u64::from(u32::from_be_bytes([a, b, c, d]))),
            [_, _, _, _, a, b, c, d, _, _] => {
                Some([a, b, c, d].iter().fold(0, |size, &byte| size << 7 | u64::from(byte & 0x7f)))
            }
            _ => None,
        }
    }

    fn is_plain(&self, header: &[u8]) -> bool {
        header.get(9).is_none_or(|flags| flags & self.not_plain == 0)
    }

    /// What is between the tag's header and its first frame.
    fn extended_header_bytes(&self, tag: &dyn ReadAt, flags: u8) -> io::Result<u64> {
        let mut size = [0; 4];
        if self.version == 2 || flags & 0x40 == 0 || read_full_at(tag, 10, &mut size)? < size.len() {
            return Ok(0);
        }
        // 2.3 does not count the size itself, 2.4 does.
        Ok(match self.version {
            3 => 4 + u64::from(u32::from_be_bytes(size)),
            _ => size.iter().fold(0, |size, &byte| size << 7 | u64::from(byte & 0x7f)),
        })
    }

    /// A tag that has this one frame.
    fn tag_of(&self, frame: &[u8]) -> Vec<u8> {
        let frame = self.with_valid_text(frame);
        let mut tag = vec![b'I', b'D', b'3', self.version, 0, 0];
        tag.extend([21, 14, 7, 0].map(|shift| (frame.len() >> shift & 0x7f) as u8));
        tag.extend(frame);
        tag
    }

    /// The frame with question marks for what is wrong in its UTF-8, for which the crate would give up the whole text.
    fn with_valid_text(&self, frame: &[u8]) -> Vec<u8> {
        const UTF_8: u8 = 3;
        let (header, content) = frame.split_at(self.header_bytes.min(frame.len()));
        let mut valid = frame.to_vec();
        if let [UTF_8, text @ ..] = content
            && std::str::from_utf8(text).is_err()
        {
            let text = String::from_utf8_lossy(text).replace(char::REPLACEMENT_CHARACTER, "?");
            valid = [header, &[UTF_8], text.as_bytes()].concat();
            // The header still says how long the text was.
            valid.resize(frame.len(), 0);
        }
        valid
    }
}
