//! Frame headers and side information.
//!
//! These rules agree with the decoder (minimp3 and its port nanomp3) on what a frame is:
//!
//! - Layer III only, of MPEG 1, 2 and 2.5. Layers I and II are no frames here.
//! - A frame of free format (bitrate index 0) is **no frame** here: its length cannot be told from its header, and
//!   nothing that writes MP3 files today uses it. Such a file has no audio as far as Trill is concerned.
//! - A reserved emphasis is accepted, as decoders do.

/// Length of a frame header in bytes.
pub(crate) const HEADER_BYTES: usize = 4;

/// Length of the longest frame in bytes: 320 kbit/s at 32 kHz or 160 kbit/s at 8 kHz, padded.
pub(crate) const MAX_FRAME_BYTES: usize = 1_441;

/// Which MPEG standard a frame follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// ISO/IEC 11172-3: 32, 44.1 and 48 kHz.
    Mpeg1,
    /// ISO/IEC 13818-3: half of those.
    Mpeg2,
    /// An unofficial extension: a quarter of those.
    Mpeg25,
}

/// What the four bytes at the start of a frame say.
///
/// ```text
///  byte 0     byte 1     byte 2     byte 3
///  1111 1111  111v vllp  bbbb ssxy  mmee coff        ISO/IEC 11172-3, 2.4.1.3
///
///  v version      00 = 2.5, 10 = 2, 11 = 1           b bitrate index
///  l layer        01 = III                           s sample rate index
///  p protection   0 = a CRC of 16 bits follows       x one byte of padding    y private
///                                                    m mode, 11 = mono        e its extension
///                                                    c copyright   o original   f emphasis
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    version: Version,
    sample_rate: u32,
    kilobits: u16,
    is_padded: bool,
    has_crc: bool,
    is_mono: bool,
}

impl FrameHeader {
    /// The header that these bytes start with, if they do; what follows the first four is not looked at.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[sync, versions, rates, mode] = bytes.first_chunk::<HEADER_BYTES>()?;
        let version = match (sync, versions >> 1) {
            (0xff, 0b111_1101) => Version::Mpeg1,
            (0xff, 0b111_1001) => Version::Mpeg2,
            (0xff, 0b111_0001) => Version::Mpeg25,
            _ => return None,
        };
        Some(Self {
            version,
            sample_rate: sample_rate(version, rates >> 2 & 3)?,
            kilobits: kilobits(version, rates >> 4)?,
            is_padded: rates & 0b10 != 0,
            has_crc: versions & 1 == 0,
            is_mono: mode >> 6 == 0b11,
        })
    }

    /// Sample rate in Hz.
    pub(crate) const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Bit rate in bit/s.
    pub(crate) const fn bitrate(&self) -> u32 {
        self.kilobits as u32 * 1_000
    }

    /// 1 or 2.
    pub(crate) const fn channels(&self) -> u8 {
        if self.is_mono { 1 } else { 2 }
    }

    /// Whether a CRC of 16 bits follows the header.
    pub(crate) const fn has_crc(&self) -> bool {
        self.has_crc
    }

    /// Samples per channel that the frame decodes to: 1,152 in MPEG 1, else 576.
    pub(crate) const fn samples(&self) -> u32 {
        match self.version {
            Version::Mpeg1 => 1_152,
            Version::Mpeg2 | Version::Mpeg25 => 576,
        }
    }

    /// Length of the frame in bytes, header included; 24 to [`MAX_FRAME_BYTES`].
    pub(crate) const fn frame_bytes(&self) -> usize {
        // ISO/IEC 11172-3, 2.4.3.1: samples / 8 × bitrate / sample rate, rounded down, and the padding.
        (self.samples() / 8 * self.bitrate() / self.sample_rate) as usize + self.is_padded as usize
    }

    /// Length of the side information in bytes: ISO/IEC 11172-3, 2.4.1.7, and ISO/IEC 13818-3, 2.4.1.7.
    pub(crate) const fn side_info_bytes(&self) -> usize {
        match (self.version, self.is_mono) {
            (Version::Mpeg1, true) => 17,
            (Version::Mpeg1, false) => 32,
            (Version::Mpeg2 | Version::Mpeg25, true) => 9,
            (Version::Mpeg2 | Version::Mpeg25, false) => 17,
        }
    }

    /// Bytes that the frame adds to the bit reservoir: all after header, CRC and side information.
    pub(crate) const fn main_data_bytes(&self) -> usize {
        self.frame_bytes().saturating_sub(self.side_info_at() + self.side_info_bytes())
    }

    /// How many bytes before this frame's own main data its main data begins: what it takes from the bit reservoir,
    /// at most 511. `None` if `frame`, which starts with this header, ends before it says so.
    pub(crate) fn main_data_begin(&self, frame: &[u8]) -> Option<usize> {
        // The first field of the side information: 9 bits in MPEG 1, else 8.
        let &[high, low] = frame.get(self.side_info_at()..)?.first_chunk::<2>()?;
        Some(match self.version {
            Version::Mpeg1 => usize::from(high) << 1 | usize::from(low >> 7),
            Version::Mpeg2 | Version::Mpeg25 => usize::from(high),
        })
    }

    /// Whether the side information of `frame`, a whole frame that starts with this header, makes sense: ISO/IEC 11172-3,
    /// 2.4.1.7 and 2.4.2.7; ISO/IEC 13818-3, 2.4.1.7. After one where it does not, minimp3 and its port forget that they
    /// were in step.
    ///
    /// ```text
    ///  main_data_begin 9 or 8  private and scfsi, together 9, 11, 1 or 2
    ///  for each granule and channel, 59 bits in MPEG 1, else 63:
    ///    part2_3_length 12  big_values 9  global_gain 8  scalefac_compress 4 or 9  window_switching_flag 1  block_type 2  …
    /// ```
    pub(crate) fn has_valid_side_info(&self, frame: &[u8]) -> bool {
        /// Pairs of lines, of 576.
        const MOST_BIG_VALUES: u32 = 288;
        let is_mpeg1 = self.version == Version::Mpeg1;
        let (begin_bits, flag_bits, scale_bits, part_bits) = match (is_mpeg1, self.is_mono) {
            (true, true) => (9, 9, 4, 59),
            (true, false) => (9, 11, 4, 59),
            (false, true) => (8, 1, 9, 63),
            (false, false) => (8, 2, 9, 63),
        };
        let parts = usize::from(self.channels()) * if is_mpeg1 { 2 } else { 1 };
        let side_info = frame.get(self.side_info_at()..).unwrap_or_default();
        let available = 8 * (self.main_data_bytes() + self.main_data_begin(frame).unwrap_or(0));
        let mut wanted = 0;
        let has_valid_part = |part: usize| {
            let at = begin_bits + flag_bits + part * part_bits;
            let (sizes, blocks) = (bits(side_info, at, 12 + 9)?, bits(side_info, at + 12 + 9 + 8 + scale_bits, 1 + 2)?);
            wanted += sizes as usize >> 9;
            const SWITCHING_TO_NOTHING: u32 = 0b100;
            Some(sizes & 0x1ff <= MOST_BIG_VALUES && blocks != SWITCHING_TO_NOTHING)
        };
        (0..parts).map(has_valid_part).all(|is_valid| is_valid == Some(true)) && wanted <= available
    }

    /// Whether a frame with header `next` can follow this one in a stream, as decoders see it: same standard and sample
    /// rate. Bit rate and channels may change from frame to frame.
    pub(crate) fn is_continued_by(&self, next: &Self) -> bool {
        self.version == next.version && self.sample_rate == next.sample_rate
    }

    const fn side_info_at(&self) -> usize {
        HEADER_BYTES + if self.has_crc { 2 } else { 0 }
    }
}

/// The `count` bits from bit `at` on, at most 25; `None` if there are no four bytes there.
fn bits(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let four = u32::from_be_bytes(*bytes.get(at / 8..)?.first_chunk()?);
    Some(four << (at % 8) >> (32 - count))
}

/// ISO/IEC 11172-3, 2.4.2.3 and ISO/IEC 13818-3, 2.4.2.3; index 3 is reserved.
fn sample_rate(version: Version, index: u8) -> Option<u32> {
    let rate = *[44_100, 48_000, 32_000].get(usize::from(index))?;
    Some(match version {
        Version::Mpeg1 => rate,
        Version::Mpeg2 => rate / 2,
        Version::Mpeg25 => rate / 4,
    })
}

/// The Layer III columns of the tables in ISO/IEC 11172-3, 2.4.2.3 and ISO/IEC 13818-3, 2.4.2.3, from index 1: 0 is free
/// format, 15 is forbidden.
fn kilobits(version: Version, index: u8) -> Option<u16> {
    const MPEG1: [u16; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const MPEG2: [u16; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let table = if version == Version::Mpeg1 { &MPEG1 } else { &MPEG2 };
    table.get(usize::from(index.checked_sub(1)?)).copied()
}
