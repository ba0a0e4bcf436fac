//! The audio part of an MP3 file, and which of its samples are music.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// Delay of every decoder in samples: that of Layer III's filter bank.
const DECODER_DELAY: usize = 529;

/// The parts of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The bytes from the first audio frame to the end of the last, without ID3v2, the Xing, Info or VBRI frame, ID3v1
    /// and APE.
    pub audio: Range<usize>,
    /// The encoder's delay and padding, if a LAME tag has them.
    pub added: Option<Added>,
    /// Samples per channel of the audio frames, from a Xing or Info frame.
    pub promised_samples: Option<usize>,
}

/// Samples per channel that the encoder added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// In front: the encoder delay.
    pub delay: usize,
    /// At the end: the padding.
    pub padding: usize,
}

impl Layout {
    /// The range of music among `total` decoded samples per channel.
    pub fn heard(&self, total: usize) -> Range<usize> {
        let Some(Added { delay, padding }) = self.added else { return 0..total };
        let begin = (delay + DECODER_DELAY).min(total);
        // A file that was cut after encoding may end with music.
        let is_whole = self.promised_samples.is_none_or(|promised| promised == total);
        let padding = if is_whole { padding } else { 0 };
        let end = total.saturating_sub(padding.saturating_sub(DECODER_DELAY));
        begin..end.max(begin)
    }
}

/// The audio of a file: the bytes that a server may send.
///
/// # Panics
/// When it cannot be read.
#[track_caller]
pub fn audio_of(path: &Path) -> Vec<u8> {
    match fs::read(path) {
        Ok(file) => file[of(&file).audio].to_vec(),
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

/// Finds the parts of a file.
pub fn of(file: &[u8]) -> Layout {
    let start = after_id3v2(file);
    let end = before_trailers(file).max(start);
    let info = InfoFrame::read(&file[start..end]);
    let audio = start + info.as_ref().map_or(0, |info| info.length)..end;
    Layout {
        audio,
        added: info.as_ref().and_then(|info| info.added),
        promised_samples: info.and_then(|info| info.samples),
    }
}

/// The end of the ID3v2 tags at the start of a file, which may have several.
fn after_id3v2(file: &[u8]) -> usize {
    let mut position = 0;
    while let Some([b'I', b'D', b'3', _, _, flags, size @ ..]) = file[position..].first_chunk::<10>() {
        // Four bytes of seven bits each; a footer (flag 0x10) repeats the header.
        let size = size.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let footer = if flags & 0x10 != 0 { 10 } else { 0 };
        position = (position + 10 + size + footer).min(file.len());
    }
    position
}

/// The start of the ID3v1 and APE tags at the end of a file.
fn before_trailers(file: &[u8]) -> usize {
    let mut end = file.len();
    if end >= 128 && file[end - 128..].starts_with(b"TAG") {
        end -= 128;
    }
    // "APETAGEX", version, size of items and footer, count, flags (bit 31: there is a header too), 8 bytes reserved.
    if let Some(footer) = file[..end].last_chunk::<32>().filter(|footer| footer.starts_with(b"APETAGEX")) {
        let word = |at: usize| u32::from_le_bytes([footer[at], footer[at + 1], footer[at + 2], footer[at + 3]]);
        let header = if word(20) >> 31 == 1 { 32 } else { 0 };
        end = end.saturating_sub(word(12) as usize + header);
    }
    end
}

/// The information frame that encoders put first.
struct InfoFrame {
    length: usize,
    /// Samples per channel in all frames after it.
    samples: Option<usize>,
    added: Option<Added>,
}

impl InfoFrame {
    /// Parses the frame at the start of `audio` as an information frame.
    ///
    /// After header, side information and 4 bytes of name (`Xing` or `Info`) come 4 bytes of flags and the fields that
    /// they announce: 1 frames (4 bytes), 2 bytes (4), 4 table of contents (100), 8 quality (4). LAME's tag follows: 9
    /// bytes of encoder name, 12 bytes about levels, 12 bits of delay and 12 of padding.
    fn read(audio: &[u8]) -> Option<Self> {
        let header = Header::read(audio)?;
        let frame = audio.get(..header.length)?;
        let tag = frame.get(4 + header.side_information..)?;
        if frame.get(36..)?.starts_with(b"VBRI") {
            return Some(Self { length: header.length, samples: None, added: None });
        }
        if !tag.starts_with(b"Xing") && !tag.starts_with(b"Info") {
            return None;
        }
        let flags = *tag.get(7)?;
        let field = |flag: u8, size: usize| if flags & flag != 0 { size } else { 0 };
        let lame = 8 + field(1, 4) + field(2, 4) + field(4, 100) + field(8, 4);
        let frames = tag.get(8..12).filter(|_| flags & 1 != 0).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let added = tag.get(lame + 21..lame + 24).filter(|_| tag[lame] != 0).map(|bits| Added {
            delay: usize::from(bits[0]) << 4 | usize::from(bits[1] >> 4),
            padding: usize::from(bits[1] & 0xf) << 8 | usize::from(bits[2]),
        });
        let samples = frames.map(|frames| (frames as usize).saturating_mul(header.samples));
        Some(Self { length: header.length, samples, added })
    }
}

/// The relevant fields of a Layer III frame header.
struct Header {
    /// Bytes of the whole frame.
    length: usize,
    /// Samples per channel.
    samples: usize,
    /// Bytes of side information after the 4-byte header.
    side_information: usize,
}

impl Header {
    /// ```text
    /// 11111111 111VVLLC BBBBRRPx MMxxxxxx
    ///             ││  │ │   │ │  └ channel mode, 3 = mono
    ///             ││  │ │   │ └ one byte of padding
    ///             ││  │ │   └ sample rate
    ///             ││  │ └ bitrate
    ///             ││  └ no checksum
    ///             │└ layer, 01 = III
    ///             └ version, 11 = MPEG-1, 10 = MPEG-2, 00 = MPEG-2.5
    /// ```
    fn read(bytes: &[u8]) -> Option<Self> {
        const MPEG1_KBPS: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const MPEG2_KBPS: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        let [first, second, third, fourth] = *bytes.first_chunk::<4>()?;
        let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
        if first != 0xff || second >> 5 != 7 || version == 1 || layer != 1 {
            return None;
        }
        let mpeg1 = version == 3;
        let table = if mpeg1 { MPEG1_KBPS } else { MPEG2_KBPS };
        let kbps = *table.get(usize::from(third >> 4)).filter(|&&kbps| kbps > 0)?;
        let rate_of_mpeg1 = *[44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))?;
        let rate = rate_of_mpeg1 / [4, 1, 2, 1][usize::from(version)];
        let samples = if mpeg1 { 1152 } else { 576 };
        let side_information = match (mpeg1, fourth >> 6 == 3) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        };
        let length = samples / 8 * kbps * 1000 / rate + usize::from(third >> 1 & 1);
        Some(Self { length, samples, side_information })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An MPEG-1 stereo frame of 128 kbps at 44.1 kHz: 417 bytes, with `tag` after its side information.
    fn frame(tag: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
        frame[36..36 + tag.len()].copy_from_slice(tag);
        frame
    }

    /// An `Info` tag with all fields: 1,000 frames, delay 576, padding 1,105.
    fn info_tag() -> Vec<u8> {
        let mut tag = [b"Info\0\0\0\x0f", &1_000u32.to_be_bytes()[..], &[0; 108]].concat();
        tag.extend(b"LAME3.100");
        tag.extend([0; 12]);
        tag.extend([0x24, 0x04, 0x51]);
        tag
    }

    #[track_caller]
    fn check(parts: &[&[u8]], audio: Range<usize>, added: Option<Added>) {
        let layout = of(&parts.concat());
        assert_eq!((layout.audio, layout.added), (audio, added));
    }

    #[test]
    fn finds_the_audio_between_tags() {
        let (frame, id3v2) = (frame(b""), [b"ID3\x04\0\0\0\0\x01\x02".as_slice(), &[7; 130]].concat());
        let id3v1 = [b"TAG".as_slice(), &[0; 125]].concat();
        let ape = [b"APETAGEX\xd0\x07\0\0\x2a\0\0\0\0\0\0\0\0\0\0\x00".as_slice(), &[0; 8]].concat();
        check(&[&frame, &frame], 0..834, None);
        check(&[&id3v2, &frame], 140..557, None);
        check(&[&id3v2, &id3v2, &frame], 280..697, None);
        check(&[&frame, &id3v1], 0..417, None);
        check(&[&frame, &[9; 10], &ape, &id3v1], 0..417, None);
        check(&[&frame[..3]], 0..3, None);
        check(&[], 0..0, None);
    }

    #[test]
    fn reads_what_lame_added() {
        let added = Added { delay: 576, padding: 1_105 };
        check(&[&frame(&info_tag()), &frame(b"")], 417..834, Some(added));
        check(&[&frame(b"Xing\0\0\0\x01\0\0\0\x05")], 417..417, None);
        check(&[&frame(b"VBRI"), &frame(b"")], 417..834, None);
        assert_eq!(of(&frame(&info_tag())).promised_samples, Some(1_152_000));
    }

    #[test]
    fn takes_the_decoders_delay_into_account() {
        let layout = |added, promised_samples| Layout { audio: 0..0, added, promised_samples };
        let check = |added, total, heard| assert_eq!(layout(added, None).heard(total), heard, "{added:?}");
        check(None, 5_000, 0..5_000);
        check(Some(Added { delay: 576, padding: 1_105 }), 5_000, 1_105..4_424);
        check(Some(Added { delay: 576, padding: 100 }), 5_000, 1_105..5_000);
        check(Some(Added { delay: 576, padding: 0 }), 1_000, 1_000..1_000);
        let added = Some(Added { delay: 576, padding: 1_105 });
        assert_eq!(layout(added, Some(5_000)).heard(5_000), 1_105..4_424);
        assert_eq!(layout(added, Some(0)).heard(5_000), 1_105..5_000, "a wrong count");
    }
}
