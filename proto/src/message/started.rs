//! STARTED: the stream begins; what its bytes mean. The frame's id is the stream id.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                song               |          sample rate in Hz        |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                              content tag                              |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                               position                                |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                             size in bytes                             |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                             first sample                              |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                             begin sample                              |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |                              end sample                               |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |              discard              |         bitrate in bit/s          |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |  encoder delay  | encoder padding |channels|   0    | first fraction  |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! | extensions: 1 = gain
//! +--------
//! ```

use super::extension::EXTENSION_HEADER_BYTES;
use super::gain::{GAIN_BYTES, Gain};
use super::{Decode, Encode, Extensions, Header, MessageType, audio};
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;
use crate::ids::{SongId, StreamId};
use crate::limits::{MAX_BITRATE, MAX_SONG_BYTES};
use crate::ticks::Ticks;

/// Announces a stream.
///
/// Samples are counted per channel and *absolutely*: sample 0 is the first that a decoder puts out for the song's
/// first audio frame, and every frame counts the samples its header promises (1,152 or 576). A frame of another rate than
/// the song's counts by its exact length, see [`Ticks`]. What is to be heard are the absolute samples from
/// `first_sample + discard` up to but not including `end_sample`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Started {
    /// The stream.
    pub stream: StreamId,
    /// The song.
    pub song: SongId,
    /// Names the song's audio; the same bytes have the same tag on every server. Never 0.
    pub content_tag: u64,
    /// Byte position of the first byte that follows, counted from the song's first audio frame.
    pub position: u64,
    /// Bytes of audio in the whole song; at least `position`.
    pub size_bytes: u64,
    /// Absolute sample at which the first frame that follows begins.
    pub first_sample: u64,
    /// How much later than `first_sample` that frame begins, in [`Ticks`]: less than a sample. 0 unless frames before it have
    /// another rate.
    pub first_fraction: u16,
    /// Samples to throw away after `first_sample`: the decoder needs those frames to get going.
    pub discard: u32,
    /// Absolute sample at which the music begins: the encoder's and decoder's delay.
    pub begin_sample: u64,
    /// Absolute sample at which the music has ended; at least `begin_sample`.
    pub end_sample: u64,
    /// Mean bit rate in bit/s; 0 for a song without audio.
    pub bitrate: u32,
    /// Sample rate in Hz; 0 for a song without audio.
    pub rate: u32,
    /// 1 or 2; 0 for a song without audio.
    pub channels: u8,
    /// Samples of silence that the encoder put before the music, as its tag says; 0 if it says nothing.
    pub encoder_delay: u16,
    /// Samples that the encoder put after the music, as its tag says; 0 if it says nothing.
    pub encoder_padding: u16,
    /// How loud it is.
    pub gain: Gain,
}

const GAIN: u8 = 1;

impl Started {
    /// Absolute sample from which on the music is heard.
    pub const fn first_heard(&self) -> u64 {
        self.first_sample.saturating_add(self.discard as u64)
    }

    /// Where the first frame that follows begins.
    pub const fn first_frame(&self) -> Ticks {
        self.position_of(self.first_sample).saturating_add(Ticks::new(self.first_fraction as u64))
    }

    /// Where an absolute sample begins.
    pub const fn position_of(&self, sample: u64) -> Ticks {
        Ticks::of_samples(sample, self.rate)
    }

    /// Time of the music in milliseconds at this position; 0 before the music begins.
    pub fn millis_at(&self, position: Ticks) -> u64 {
        let end = self.position_of(self.end_sample);
        position.min(end).saturating_sub(self.position_of(self.begin_sample)).millis()
    }

    /// How long the whole song is, in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.millis_at(self.position_of(self.end_sample))
    }

    /// Bytes per second of music, as a mean; at least 1.
    pub fn bytes_per_second(&self) -> u32 {
        (self.bitrate / 8).max(1)
    }

    fn is_consistent(&self) -> bool {
        let in_order = self.position <= self.size_bytes && self.begin_sample <= self.end_sample;
        let is_silent = self.size_bytes == 0 && self.rate == 0 && self.channels == 0;
        let has_sound = self.size_bytes > 0 && audio::is_rate(self.rate) && (1..=2).contains(&self.channels);
        let most_samples = audio::most_samples(self.size_bytes);
        let first_heard = self.first_sample.checked_add(u64::from(self.discard));
        let is_possible = first_heard.is_some_and(|first| first <= most_samples) && self.end_sample <= most_samples;
        let is_within_a_sample = Ticks::new(self.first_fraction.into()).samples(self.rate) == 0;
        let is_size = self.size_bytes <= MAX_SONG_BYTES;
        let is_bitrate = self.bitrate <= MAX_BITRATE;
        self.content_tag != 0
            && in_order
            && is_size
            && is_possible
            && is_within_a_sample
            && is_bitrate
            && (is_silent || has_sound)
    }
}

impl Decode<'_> for Started {
    fn decode(header: Header, payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(payload);
        let song = SongId(fields.u32()?);
        let rate = fields.u32()?;
        let content_tag = fields.u64()?;
        let position = fields.u64()?;
        let size_bytes = fields.u64()?;
        let first_sample = fields.u64()?;
        let begin_sample = fields.u64()?;
        let end_sample = fields.u64()?;
        let discard = fields.u32()?;
        let bitrate = fields.u32()?;
        let encoder_delay = fields.u16()?;
        let encoder_padding = fields.u16()?;
        let channels = fields.u8()?;
        let _reserved = fields.u8()?;
        let first_fraction = fields.u16()?;
        let gain = Gain::decode(Extensions::new(fields.rest())?.find(GAIN))?;
        let message = Self {
            stream: StreamId(header.id),
            song,
            content_tag,
            position,
            size_bytes,
            first_sample,
            first_fraction,
            discard,
            begin_sample,
            end_sample,
            bitrate,
            rate,
            channels,
            encoder_delay,
            encoder_padding,
            gain,
        };
        if message.is_consistent() { Ok(message) } else { Err(Malformed) }
    }
}

impl Encode for Started {
    const TYPE: MessageType = MessageType::Started;
    const MAX_PAYLOAD_BYTES: usize = 72 + EXTENSION_HEADER_BYTES + GAIN_BYTES;

    fn id(&self) -> u32 {
        self.stream.0
    }

    fn encode_payload(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.song.0)?;
        out.u32(self.rate)?;
        out.u64(self.content_tag)?;
        out.u64(self.position)?;
        out.u64(self.size_bytes)?;
        out.u64(self.first_sample)?;
        out.u64(self.begin_sample)?;
        out.u64(self.end_sample)?;
        out.u32(self.discard)?;
        out.u32(self.bitrate)?;
        out.u16(self.encoder_delay)?;
        out.u16(self.encoder_padding)?;
        out.u8(self.channels)?;
        out.u8(0)?;
        out.u16(self.first_fraction)?;
        self.gain.encode(out, GAIN)
    }
}
