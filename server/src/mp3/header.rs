//! Frame headers and side information.
//!
//! These rules accept the same frames as the decoder (minimp3 and its port nanomp3):
//!
//! - Layers I to III of MPEG 1 and 2, and Layer III of MPEG 2.5.
//! - A frame of free format (bitrate index 0) does not state its length: [`super::frames`] finds it.
//! - A reserved emphasis is accepted, as decoders do.

use std::ops::RangeInclusive;

use trill_proto::ticks::Ticks;

/// Length of a frame header in bytes.
pub(crate) const HEADER_BYTES: usize = 4;

/// Length of the longest frame whose header states its length: 384 kbit/s at 32 kHz in Layer II, padded.
pub(crate) const MAX_FIXED_FRAME_BYTES: usize = 1_729;

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

/// The coding layer, ISO/IEC 11172-3 and 13818-3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    One,
    Two,
    Three,
}

/// The four bytes at the start of a frame.
///
/// ```text
///  byte 0     byte 1     byte 2     byte 3
///  1111 1111  111v vllp  bbbb ssxy  mmee coff        ISO/IEC 11172-3, 2.4.1.3
///
///  v version      00 = 2.5, 10 = 2, 11 = 1           b bitrate index
///  l layer        01 = III, 10 = II, 11 = I          s sample rate index
///  p protection   0 = a CRC of 16 bits follows       x padding    y private
///                                                    m mode, 11 = mono        e its extension
///                                                    c copyright   o original   f emphasis
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    version: Version,
    layer: Layer,
    sample_rate: u32,
    /// 0 in free format.
    kilobits: u16,
    is_padded: bool,
    has_crc: bool,
    is_mono: bool,
}

impl FrameHeader {
    /// Parses the first four bytes. `None` if they are not a header.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[sync, versions, rates, mode] = bytes.first_chunk::<HEADER_BYTES>()?;
        let layer = match versions >> 1 & 0b11 {
            0b01 => Layer::Three,
            0b10 => Layer::Two,
            0b11 => Layer::One,
            _ => return None,
        };
        let version = match (sync, versions >> 3, layer) {
            (0xff, 0b1_1111, _) => Version::Mpeg1,
            (0xff, 0b1_1110, _) => Version::Mpeg2,
            (0xff, 0b1_1100, Layer::Three) => Version::Mpeg25,
            _ => return None,
        };
        Some(Self {
            version,
            layer,
            sample_rate: sample_rate(version, rates >> 2 & 3)?,
            kilobits: match rates >> 4 {
                0 => 0,
                index => *kilobits(version, layer).get(usize::from(index - 1))?,
            },
            is_padded: rates & 0b10 != 0,
            has_crc: versions & 1 == 0,
            is_mono: mode >> 6 == 0b11,
        })
    }

    /// Sample rate in Hz.
    pub(crate) const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Bit rate in bit/s; 0 in free format.
    #[cfg(test)]
    pub(crate) const fn bitrate(&self) -> u32 {
        self.kilobits as u32 * 1_000
    }

    /// The coding layer.
    pub(crate) const fn layer(&self) -> Layer {
        self.layer
    }

    /// 1 or 2.
    pub(crate) const fn channels(&self) -> u8 {
        if self.is_mono { 1 } else { 2 }
    }

    /// Whether a CRC of 16 bits follows the header.
    pub(crate) const fn has_crc(&self) -> bool {
        self.has_crc
    }

    /// Samples per channel that the frame decodes to.
    pub(crate) const fn samples(&self) -> u32 {
        match (self.layer, self.version) {
            (Layer::One, _) => 384,
            (Layer::Two, _) | (Layer::Three, Version::Mpeg1) => 1_152,
            (Layer::Three, Version::Mpeg2 | Version::Mpeg25) => 576,
        }
    }

    /// Duration of the frame.
    pub(crate) const fn duration(&self) -> Ticks {
        Ticks::of_samples(self.samples() as u64, self.sample_rate)
    }

    /// Whether the header does not state the frame's length. All frames of a free-format stream have the same length without
    /// padding.
    pub(crate) const fn is_free_format(&self) -> bool {
        self.kilobits == 0
    }

    /// Length of the frame in bytes with its header. `None` in free format.
    pub(crate) const fn fixed_bytes(&self) -> Option<usize> {
        match self.kilobits {
            0 => None,
            kilobits => Some(self.unpadded_bytes(kilobits) + self.padding_bytes()),
        }
    }

    /// Bytes by which the frame is longer than one of the same bitrate without padding.
    pub(crate) const fn padding_bytes(&self) -> usize {
        match (self.is_padded, self.layer) {
            (false, _) => 0,
            (true, Layer::One) => 4,
            (true, Layer::Two | Layer::Three) => 1,
        }
    }

    /// Lengths that frames of the same stream can have: all bitrates, or only that of this frame. Not for free format.
    pub(crate) const fn stream_bytes(&self, is_constant: bool) -> RangeInclusive<usize> {
        let kilobits = kilobits(self.version, self.layer);
        let (lowest, highest) =
            if is_constant { (self.kilobits, self.kilobits) } else { (kilobits[0], kilobits[kilobits.len() - 1]) };
        let padding_bytes = Self { is_padded: true, ..*self }.padding_bytes();
        self.unpadded_bytes(lowest)..=self.unpadded_bytes(highest) + padding_bytes
    }

    /// ISO/IEC 11172-3, 2.4.3.1: samples / 8 × bitrate / sample rate, rounded down, in Layer I to slots of four bytes.
    const fn unpadded_bytes(&self, kilobits: u16) -> usize {
        let bytes = (self.samples() * kilobits as u32 * 125 / self.sample_rate) as usize;
        match self.layer {
            Layer::One => bytes & !3,
            Layer::Two | Layer::Three => bytes,
        }
    }

    /// Length of a Layer III frame's side information in bytes: ISO/IEC 11172-3, 2.4.1.7, and ISO/IEC 13818-3, 2.4.1.7.
    pub(crate) const fn side_info_bytes(&self) -> usize {
        match (self.version, self.is_mono) {
            (Version::Mpeg1, true) => 17,
            (Version::Mpeg1, false) => 32,
            (Version::Mpeg2 | Version::Mpeg25, true) => 9,
            (Version::Mpeg2 | Version::Mpeg25, false) => 17,
        }
    }

    /// Bytes that `frame`, a whole frame that starts with this header, adds to the bit reservoir: all after header, CRC and
    /// side information. Only Layer III has a reservoir.
    pub(crate) fn main_data_bytes(&self, frame: &[u8]) -> usize {
        match self.layer {
            Layer::One | Layer::Two => 0,
            Layer::Three => frame.len().saturating_sub(self.side_info_at() + self.side_info_bytes()),
        }
    }

    /// How many bytes before this frame's own main data its main data begins: what it takes from the bit reservoir,
    /// at most 511. `None` if `frame`, which starts with this header, is shorter than its side information.
    pub(crate) fn main_data_begin(&self, frame: &[u8]) -> Option<usize> {
        // The first field of the side information: 9 bits in MPEG 1, else 8.
        let side_info = frame.get(self.side_info_at()..)?.get(..self.side_info_bytes())?;
        let &[high, low] = side_info.first_chunk::<2>()?;
        Some(match (self.layer, self.version) {
            (Layer::One | Layer::Two, _) => 0,
            (Layer::Three, Version::Mpeg1) => usize::from(high) << 1 | usize::from(low >> 7),
            (Layer::Three, Version::Mpeg2 | Version::Mpeg25) => usize::from(high),
        })
    }

    /// Whether the side information of `frame`, a whole frame that starts with this header, makes sense: ISO/IEC 11172-3,
    /// 2.4.1.7 and 2.4.2.7; ISO/IEC 13818-3, 2.4.1.7. After one where it does not, minimp3 and its port forget that they
    /// were in step. Only Layer III has side information.
    ///
    /// ```text
    ///  main_data_begin 9 or 8  private and scfsi, together 9, 11, 1 or 2
    ///  for each granule and channel, 59 bits in MPEG 1, else 63:
    ///    part2_3_length 12  big_values 9  global_gain 8  scalefac_compress 4 or 9  window_switching_flag 1  block_type 2  …
    /// ```
    pub(crate) fn has_valid_side_info(&self, frame: &[u8]) -> bool {
        /// Pairs of lines, of 576.
        const MOST_BIG_VALUES: u32 = 288;
        if self.layer != Layer::Three {
            return true;
        }
        let is_mpeg1 = self.version == Version::Mpeg1;
        let (begin_bits, flag_bits, scale_bits, part_bits) = match (is_mpeg1, self.is_mono) {
            (true, true) => (9, 9, 4, 59),
            (true, false) => (9, 11, 4, 59),
            (false, true) => (8, 1, 9, 63),
            (false, false) => (8, 2, 9, 63),
        };
        let parts = usize::from(self.channels()) * if is_mpeg1 { 2 } else { 1 };
        let side_info = frame.get(self.side_info_at()..).unwrap_or_default();
        let available = 8 * (self.main_data_bytes(frame) + self.main_data_begin(frame).unwrap_or(0));
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

    /// Whether a frame with header `next` can follow this one in a stream, as decoders see it: same standard, layer and
    /// sample rate, and free format or not. Bit rate and channels may change from frame to frame.
    pub(crate) fn is_continued_by(&self, next: &Self) -> bool {
        let kind = |header: &Self| (header.version, header.layer, header.sample_rate, header.is_free_format());
        kind(self) == kind(next)
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

/// The tables in ISO/IEC 11172-3, 2.4.2.3 and ISO/IEC 13818-3, 2.4.2.3, from index 1: 0 is free format, 15 is forbidden.
const fn kilobits(version: Version, layer: Layer) -> &'static [u16; 14] {
    match (version, layer) {
        (Version::Mpeg1, Layer::One) => &[32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        (Version::Mpeg1, Layer::Two) => &[32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        (Version::Mpeg1, Layer::Three) => &[32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        (_, Layer::One) => &[32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        (_, Layer::Two | Layer::Three) => &[8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    }
}
