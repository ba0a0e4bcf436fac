//! The information frame that encoders put before the music: Xing, Info with LAME's extension, VBRI.

use super::header::{FrameHeader, HEADER_BYTES, Layer};

/// Samples that a decoder outputs before the first sample of its input: 528 of filterbank and overlap, and one more.
pub(crate) const DECODER_DELAY: u32 = 529;

/// The content of the information frame that most encoders put before the first frame of music.
///
/// It is a valid frame that decodes to silence. Its main data has one of these forms:
///
/// ```text
///  Xing, Info, after the side information                VBRI, always 36 bytes after the start of the frame
///
///  "Xing" or "Info"            4                         "VBRI"          4
///  flags                       4                         version         2
///  [frames]  if flag bit 0     4                         delay           2
///  [bytes]   if flag bit 1     4                         quality         2
///  [seek table]  bit 2       100                         bytes           4
///  [quality]     bit 3         4                         frames          4
///  [LAME's extension, also written by others:            …
///    encoder's name, not 0     9
///    …                        12
///    delay, padding       12 bit each
///    …                        12 ]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct InfoTag {
    /// Stated number of frames after this one. May be wrong, since files are cut and joined.
    pub(crate) frames: Option<u32>,
    /// Stated number of bytes, usually with this frame.
    pub(crate) bytes: Option<u32>,
    /// Whether all frames have the same bitrate: "Info" instead of "Xing".
    pub(crate) is_constant: bool,
    /// The silence that the encoder added, if stated.
    pub(crate) gap: Option<EncoderGap>,
}

/// Silence that the encoder added at either end, in samples per channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct EncoderGap {
    /// Before the first sample of its input, to which the decoder adds [`DECODER_DELAY`]. At most 4,095.
    pub(crate) delay: u16,
    /// After the last sample of its input; the decoder's delay pushes [`DECODER_DELAY`] of these out of the last
    /// frame. At most 4,095.
    pub(crate) padding: u16,
}

impl InfoTag {
    /// Parses a whole frame that starts with `header`. `None` if it is not an information frame.
    pub(crate) fn parse(header: &FrameHeader, frame: &[u8]) -> Option<Self> {
        if header.layer() != Layer::Three {
            return None;
        }
        let frame = frame.get(..header.fixed_bytes().unwrap_or(frame.len()))?;
        // LAME ignores the CRC in the tag's position, others do not.
        let side_info_end = HEADER_BYTES + header.side_info_bytes();
        let xing = |at| frame.get(at..).and_then(Self::parse_xing);
        xing(side_info_end)
            .or_else(|| xing(side_info_end + 2).filter(|_| header.has_crc()))
            .or_else(|| frame.get(36..).and_then(Self::parse_vbri))
    }

    fn parse_xing(bytes: &[u8]) -> Option<Self> {
        let (name, rest) = bytes.split_first_chunk::<4>()?;
        if name != b"Xing" && name != b"Info" {
            return None;
        }
        let (flags, mut rest) = take_u32(rest)?;
        let mut tag = Self { is_constant: name == b"Info", ..Self::default() };
        for (bit, field) in [(1, &mut tag.frames), (2, &mut tag.bytes)] {
            if flags & bit != 0 {
                let (value, after) = take_u32(rest)?;
                *field = Some(value);
                rest = after;
            }
        }
        for (bit, length) in [(4, 100), (8, 4)] {
            if flags & bit != 0 {
                rest = rest.get(length..)?;
            }
        }
        tag.gap = parse_gap(rest);
        Some(tag)
    }

    fn parse_vbri(bytes: &[u8]) -> Option<Self> {
        let (count, _) = bytes.strip_prefix(b"VBRI")?.get(6..)?.split_first_chunk::<8>()?;
        let (bytes, rest) = take_u32(count)?;
        let (frames, _) = take_u32(rest)?;
        // This delay is not an encoder delay in LAME's sense, and there is no padding, so nothing can be trimmed.
        Some(Self { frames: Some(frames), bytes: Some(bytes), ..Self::default() })
    }
}

fn parse_gap(extension: &[u8]) -> Option<EncoderGap> {
    if *extension.first()? == 0 {
        return None;
    }
    let &[first, middle, last] = extension.get(21..)?.first_chunk::<3>()?;
    Some(EncoderGap {
        delay: u16::from(first) << 4 | u16::from(middle >> 4),
        padding: u16::from(middle & 0xf) << 8 | u16::from(last),
    })
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (value, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*value), rest))
}
