//! The text frames of an ID3v2 tag.
//!
//! ```text
//!  "ID3"  version 2  flags 1  size 4, 7 bits a byte                  ID3v2.2.0, 3.1; ID3v2.3.0, 3.1; ID3v2.4.0, 3.1
//!  [extended header]  frames  [padding]  [footer 10]
//! ```
//!
//! Some writers mix the versions: plain sizes in 2.4 (old iTunes), names of 2.2 in 2.3, and so on. So a frame is read in the
//! [form](FrameForm) after which another frame, padding or the end of the tag follows.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use super::super::source::{ReadAt, read_vec_at};
use super::{TextFrame, text};

/// Length of the tag's header, and of its footer.
const HEADER_BYTES: u64 = 10;

/// Longer texts are cut. The wire takes 255 bytes.
const MAX_TEXT_BYTES: usize = 4 * 1024;

/// A tag with more frames than this is broken.
const MAX_FRAMES: usize = 1_000;

/// Bytes that are read of a tag that must be decoded as a whole before its frames can be found.
const MAX_UNSYNCHRONISED_BYTES: u64 = 4 * 1024 * 1024;

/// This many zeros are padding. Pictures contain shorter runs, too.
const PADDING_BYTES: usize = 10;

impl TextFrame {
    /// Finds a kind by its name in version 2.2 or a later one.
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"TT2" | b"TIT2" => Self::Title,
            b"TP1" | b"TPE1" => Self::Artist,
            b"TAL" | b"TALB" => Self::Album,
            b"TP2" | b"TPE2" => Self::AlbumArtist,
            b"TCO" | b"TCON" => Self::Genre,
            b"TRK" | b"TRCK" => Self::Track,
            b"TPA" | b"TPOS" => Self::Disc,
            b"TYE" | b"TYER" | b"TDRC" => Self::Year,
            b"TXX" | b"TXXX" => Self::UserDefined,
            _ => return None,
        })
    }
}

/// Reads the tag in this part of the file, header included, and calls `found` with each wanted text in it.
///
/// # Errors
/// The file system's.
pub(super) fn read(source: &dyn ReadAt, range: Range<u64>, mut found: impl FnMut(TextFrame, String)) -> io::Result<()> {
    let header = read_vec_at(source, range.start, HEADER_BYTES as usize)?;
    let &[_, _, _, version @ 2..=4, _, flags, ..] = header.as_slice() else { return Ok(()) };
    let is_unsynchronised = flags & 0x80 != 0;
    let has_footer = version == 4 && flags & 0x10 != 0;
    let frames = range.start + HEADER_BYTES..range.end - if has_footer { HEADER_BYTES } else { 0 };

    if is_unsynchronised && version < 4 {
        // Before 2.4 the whole tag is unsynchronised, since then each frame.
        let length = (frames.end - frames.start).min(MAX_UNSYNCHRONISED_BYTES);
        let whole = synchronised(&read_vec_at(source, frames.start, length as usize)?);
        let whole = whole.as_slice();
        let walk = Walk { source: &whole, end: whole.len() as u64, version, is_unsynchronised: false };
        return walk.run(0, flags, &mut found);
    }
    Walk { source, end: frames.end, version, is_unsynchronised }.run(frames.start, flags, &mut found)
}

/// The form of a frame header.
///
/// ```text
///  Short     name 3  size 3                          2.2      ID3v2.2.0, 3.2
///  Plain     name 4  size 4                 flags 2  2.3      ID3v2.3.0, 3.3
///  Syncsafe  name 4  size 4, 7 bits a byte  flags 2  2.4      ID3v2.4.0 structure, 4
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
enum FrameForm {
    Short,
    Plain,
    Syncsafe,
}

impl FrameForm {
    /// The forms of a version, the likeliest first.
    const fn of_version(version: u8) -> [Self; 3] {
        match version {
            2 => [Self::Short, Self::Plain, Self::Syncsafe],
            3 => [Self::Plain, Self::Short, Self::Syncsafe],
            _ => [Self::Syncsafe, Self::Plain, Self::Short],
        }
    }

    /// Reads the frame's header in this form; `None` if it cannot be one.
    fn read(self, bytes: &[u8]) -> Option<FrameHeader> {
        let (size, flags) = match (self, bytes) {
            (_, [0, ..]) => return None, // padding
            (Self::Short, &[_, _, _, a, b, c, ..]) => (u32::from_be_bytes([0, a, b, c]), 0),
            (Self::Plain, &[_, _, _, _, a, b, c, d, _, flags]) => (u32::from_be_bytes([a, b, c, d]), flags),
            (Self::Syncsafe, &[_, _, _, _, a, b, c, d, _, flags]) if (a | b | c | d) & 0x80 == 0 => {
                (syncsafe([a, b, c, d]), flags)
            }
            _ => return None,
        };
        let name = *bytes.first_chunk()?;
        Some(FrameHeader { form: self, name, size, flags })
    }
}

/// The header of a frame.
#[derive(Clone, Copy)]
struct FrameHeader {
    form: FrameForm,
    name: [u8; 4],
    /// Length of the content.
    size: u32,
    /// The second byte of flags.
    flags: u8,
}

impl FrameHeader {
    const fn bytes(&self) -> u64 {
        match self.form {
            FrameForm::Short => 6,
            FrameForm::Plain | FrameForm::Syncsafe => 10,
        }
    }

    /// The end of a frame that begins at `at`.
    fn end(&self, at: u64) -> u64 {
        at + self.bytes() + u64::from(self.size)
    }

    /// A name of version 2.2 in a later form, padded.
    const fn name(&self) -> &[u8] {
        match (self.form, &self.name) {
            (FrameForm::Short, [name @ .., _]) | (_, [name @ .., 0 | b' ']) => name,
            (_, name) => name,
        }
    }

    /// Whether its name is one that the standards allow.
    fn is_proper(&self) -> bool {
        self.name().iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    }
}

/// Iterates over the frames of a tag.
struct Walk<'a> {
    source: &'a dyn ReadAt,
    /// End of the frames.
    end: u64,
    version: u8,
    /// Whether every frame is unsynchronised, whatever its flags say.
    is_unsynchronised: bool,
}

impl Walk<'_> {
    fn run(&self, start: u64, tag_flags: u8, found: &mut dyn FnMut(TextFrame, String)) -> io::Result<()> {
        let mut at = self.first_frame(start, tag_flags)?;
        for _ in 0..MAX_FRAMES {
            let Some(header) = self.frame_header(at)? else { break };
            let content = at + header.bytes();
            at = content + u64::from(header.size);
            if let Some(name) = TextFrame::named(header.name()) {
                let content = self.peek(content, MAX_TEXT_BYTES.min(header.size as usize))?;
                if let Some(text) = self.plain(&header, &content).and_then(|content| text::decode(&content)) {
                    found(name, text);
                }
            }
        }
        Ok(())
    }

    /// Position of the first frame, after the extended header if there is one. Some writers announce one and write none.
    fn first_frame(&self, start: u64, tag_flags: u8) -> io::Result<u64> {
        let has_extended_header = self.version > 2 && tag_flags & 0x40 != 0;
        let size = self.peek(start, 4)?;
        let Some(&size) = size.first_chunk::<4>().filter(|_| has_extended_header) else { return Ok(start) };
        let (plain, safe) = (u64::from(u32::from_be_bytes(size)), u64::from(syncsafe(size)));
        // 2.3 does not count the size itself, 2.4 does.
        let lengths = if self.version == 3 { [4 + plain, 0, 4 + safe, plain] } else { [safe, 0, plain, 4 + plain] };
        for length in lengths {
            if self.has_frame(start + length)? {
                return Ok(start + length);
            }
        }
        Ok(start + lengths[0])
    }

    /// The header of the frame at `at`, in the form after which a valid part follows, or else in the version's own form. `None`
    /// after the last frame.
    fn frame_header(&self, at: u64) -> io::Result<Option<FrameHeader>> {
        let fitting = self.fitting(at)?;
        let proper = fitting.iter().flatten().filter(|header| header.is_proper());
        // Padding is weaker evidence: a frame with a wrong size may also end there.
        for is_followed in [Self::has_frame, Self::is_end] {
            for header in proper.clone() {
                if is_followed(self, header.end(at))? {
                    return Ok(Some(*header));
                }
            }
        }
        let [own, other, _] = fitting;
        Ok(own.or(other.filter(FrameHeader::is_proper)))
    }

    /// Whether the frames end at `at`, or padding begins there.
    fn is_end(&self, at: u64) -> io::Result<bool> {
        let next = self.peek(at, PADDING_BYTES)?;
        Ok(at == self.end || (!next.is_empty() && next.iter().all(|&byte| byte == 0)))
    }

    fn has_frame(&self, at: u64) -> io::Result<bool> {
        Ok(self.fitting(at)?.iter().flatten().any(FrameHeader::is_proper))
    }

    /// The header at `at` in each form of the version, where the frame does not reach beyond the tag.
    fn fitting(&self, at: u64) -> io::Result<[Option<FrameHeader>; 3]> {
        let bytes = self.peek(at, 10)?;
        let forms = FrameForm::of_version(self.version);
        Ok(forms.map(|form| form.read(&bytes).filter(|header| header.end(at) <= self.end)))
    }

    /// The bytes from `at` on, as far as the frames go.
    fn peek(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let length = self.end.saturating_sub(at).min(length as u64);
        read_vec_at(self.source, at, length as usize)
    }

    /// The text of a frame, encoding included: `None` if it is compressed or encrypted.
    ///
    /// ```text
    ///  flags  2.3   c e g . . . . .        c compressed  e encrypted  g [group 1] precedes the text
    ///         2.4   . g . . c e u l        u unsynchronised  l [length 4] precedes the text, after the group
    /// ```
    fn plain<'c>(&self, header: &FrameHeader, content: &'c [u8]) -> Option<Cow<'c, [u8]>> {
        let flags = header.flags;
        let (is_hidden, is_grouped, has_length, is_stuffed) = match (header.form, self.version) {
            (FrameForm::Short, _) => (false, false, false, self.is_unsynchronised),
            (_, 4) => (flags & 0x0c != 0, flags & 0x40 != 0, flags & 1 != 0, self.is_unsynchronised || flags & 2 != 0),
            _ => (flags & 0xc0 != 0, flags & 0x20 != 0, false, self.is_unsynchronised),
        };
        let skipped = if is_grouped { 1 } else { 0 } + if has_length { 4 } else { 0 };
        let content = content.get(skipped..).filter(|_| !is_hidden)?;
        Some(if is_stuffed { synchronised(content).into() } else { content.into() })
    }
}

/// A number of 28 bits, 7 a byte.
fn syncsafe(bytes: [u8; 4]) -> u32 {
    bytes.iter().fold(0, |size, &byte| size << 7 | u32::from(byte & 0x7f))
}

/// Reverts unsynchronisation, which adds a zero after each 0xff so that nothing looks like the start of an MP3 frame.
fn synchronised(tag: &[u8]) -> Vec<u8> {
    let mut before = 0;
    let keep = |&byte: &u8| {
        let is_stuffing = before == 0xff && byte == 0;
        before = byte;
        !is_stuffing
    };
    tag.iter().copied().filter(keep).collect()
}
