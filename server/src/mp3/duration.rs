//! A song's audio: where it is in the file, how long it is, and what to trim.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use trill_proto::limits::MAX_BITRATE;
use trill_proto::ticks::Ticks;

use super::content_tag::content_tag;
use super::extent::Extent;
use super::frames::{Frame, Frames};
use super::header::FrameHeader;
use super::info_tag::{DECODER_DELAY, EncoderGap, InfoTag};
use super::seek::SeekIndex;
use super::source::ReadAt;

/// Bytes at the end of the audio that are searched for its last frame.
const EDGE_BYTES: u64 = 16 * 1024;

/// A song's audio. Samples are per channel and absolute: 0 is the first that a decoder outputs for the first audio frame. If
/// the file contains no audio, everything but the tag is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Measured {
    /// Identifies the audio: equal bytes have equal tags on every server. Never 0.
    pub content_tag: u64,
    /// Position of the first audio frame in the file: after ID3v2 and the encoder's information frame.
    pub audio_offset: u64,
    /// Bytes from there to the end of the last frame.
    pub size_bytes: u64,
    /// Samples of all frames together. Samples at another rate than `rate` are converted to it.
    pub total_samples: u64,
    /// The first sample of the music: after the encoder's and the decoder's delay, if the file states the former.
    pub begin_sample: u64,
    /// The first sample after the music: before the encoder's padding, if the file states that.
    pub end_sample: u64,
    /// Sample rate in Hz.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Mean bit rate in bit/s.
    pub bitrate: u32,
    /// Samples that the encoder added before the music, as far as the file states it; else 0.
    pub encoder_delay: u16,
    /// Samples that the encoder added after the music, as far as the file states it; else 0.
    pub encoder_padding: u16,
}

impl Measured {
    /// Duration of the music in milliseconds, at most what the wire can carry.
    pub fn duration_ms(&self) -> u32 {
        const LONGEST: u32 = u32::MAX - 1; // one more would say that it is unknown
        let samples = u128::from(self.end_sample - self.begin_sample);
        let ms = samples * 1_000 / u128::from(self.rate.max(1));
        ms.try_into().map_or(LONGEST, |ms: u32| ms.min(LONGEST))
    }
}

/// The part of a song's audio data that lists show. Nothing else is kept until a song is played: there may be 100,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Audio {
    pub(crate) content_tag: u64,
    pub(crate) size_bytes: u64,
    pub(crate) duration_ms: u32,
    pub(crate) bitrate: u32,
    pub(crate) rate: u32,
    pub(crate) channels: u8,
}

impl From<&Measured> for Audio {
    fn from(measured: &Measured) -> Self {
        let Measured { content_tag, size_bytes, bitrate, rate, channels, .. } = *measured;
        Self { content_tag, size_bytes, duration_ms: measured.duration_ms(), bitrate, rate, channels }
    }
}

/// What is known about a song's audio.
#[derive(Clone, Debug)]
pub(crate) enum Measure {
    /// What the information frame states.
    Stated(Audio),
    /// Everything: every frame was counted.
    Counted(Arc<Counted>),
}

/// Audio whose frames were all counted.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) measured: Measured,
    pub(crate) index: SeekIndex,
}

impl Counted {
    /// Counts every frame. Reads the whole file.
    ///
    /// # Errors
    /// The file system's.
    pub(crate) fn of(source: &dyn ReadAt) -> io::Result<Arc<Self>> {
        let (measured, index) = count(source)?;
        Ok(Arc::new(Self { measured, index }))
    }
}

/// How often a file is counted again because of data behind its last frame. A regular file needs one repetition at most. In a
/// file that needs more, a decoder may find fewer frames than are counted.
const RECOUNTS: usize = 8;

/// Counts every frame. Reads the whole file.
///
/// # Errors
/// The file system's.
pub(crate) fn count(source: &dyn ReadAt) -> io::Result<(Measured, SeekIndex)> {
    let Range { start, mut end } = Extent::of(source)?.audio;
    let mut counted = count_within(source, start..end)?;
    for _ in 0..RECOUNTS {
        let (measured, _) = &counted;
        let sent_until = measured.audio_offset + measured.size_bytes;
        if sent_until == end {
            break;
        }
        // Clients do not get the data behind the last frame. Without it their decoders may reject that frame.
        end = sent_until;
        counted = count_within(source, start..end)?;
    }
    Ok(counted)
}

/// Counts every frame that a decoder finds in this part of the file.
fn count_within(source: &dyn ReadAt, range: Range<u64>) -> io::Result<(Measured, SeekIndex)> {
    let mut index = SeekIndex::default();
    let Some(AudioStart { mut frames, tag, .. }) = AudioStart::find(Frames::new(source, range))? else {
        return Ok((no_audio(source)?, index));
    };
    let (mut first, mut end, mut total, mut counted) = (None, 0, Ticks::default(), 0_u32);
    while let Some(frame) = frames.next()? {
        let first = first.get_or_insert(frame);
        let duration = frame.header.duration();
        index.note(frame.offset - first.offset, total, duration, counted);
        total = total.saturating_add(duration);
        counted = counted.saturating_add(1);
        end = frame.end();
    }
    let Some(first) = first else { return Ok((no_audio(source)?, index)) };
    let gap = tag.and_then(|tag| Some(Gap { gap: tag.gap?, is_whole: tag.frames.is_none_or(|told| told == counted) }));
    Ok((measured(source, first, end, total.samples(first.header.sample_rate()), gap)?, index))
}

/// The audio as the information frame states it. `None` if there is none, or if it does not fit the file. Reads only the
/// beginning and the end of the file, so that a large library can be listed soon.
///
/// # Errors
/// The file system's.
pub(crate) fn from_info_tag(source: &dyn ReadAt) -> io::Result<Option<Measured>> {
    let range = Extent::of(source)?.audio;
    let end = range.end;
    let Some(AudioStart { mut frames, information, tag }) = AudioStart::find(Frames::with_small_reads(source, range))?
    else {
        return no_audio(source).map(Some);
    };
    let Some((tag, first)) = tag.zip(frames.next()?) else { return Ok(None) };
    let InfoTag { frames: Some(told_frames), bytes: Some(told_bytes), .. } = tag else { return Ok(None) };
    // Some encoders count the information frame, some do not.
    let told_bytes = u64::from(told_bytes);
    let fits = [information.offset, first.offset].map(|start| end - start).contains(&told_bytes)
        && first.offset == information.end()
        && is_plausible(&first.header, tag.is_constant, u64::from(told_frames), end - first.offset)
        && ends_with_a_frame(source, first.offset..end)?;
    if !fits {
        return Ok(None);
    }
    let total_samples = u64::from(told_frames) * u64::from(first.header.samples());
    let gap = tag.gap.map(|gap| Gap { gap, is_whole: true });
    measured(source, first, end, total_samples, gap).map(Some)
}

/// Whether this number of frames can have this number of bytes.
fn is_plausible(first: &FrameHeader, is_constant: bool, frames: u64, bytes: u64) -> bool {
    let mean = first.stream_bytes(is_constant);
    !first.is_free_format()
        && frames > 0
        && (frames * *mean.start() as u64..=frames * *mean.end() as u64).contains(&bytes)
}

/// The current position of audio that was measured before: tags in front of it may have grown or shrunk. `None` if the file
/// has other audio now. Reads only the beginning and the end of the file.
///
/// # Errors
/// The file system's.
pub(crate) fn find_again(source: &dyn ReadAt, song: &Measured) -> io::Result<Option<u64>> {
    let is_at = |offset| Ok::<_, io::Error>(content_tag(source, offset, song.size_bytes)? == song.content_tag);
    if is_at(song.audio_offset)? {
        return Ok(Some(song.audio_offset));
    }
    let start = AudioStart::find(Frames::with_small_reads(source, Extent::of(source)?.audio))?;
    let first = start.map(|mut start| start.frames.next()).transpose()?.flatten();
    match first.map(|frame| frame.offset) {
        Some(offset) if is_at(offset)? => Ok(Some(offset)),
        _ => Ok(None),
    }
}

/// The beginning of the audio.
struct AudioStart<'a> {
    /// Positioned before the first audio frame.
    frames: Frames<'a>,
    /// The first frame in the file.
    information: Frame,
    /// Its content, if it is an information frame.
    tag: Option<InfoTag>,
}

impl<'a> AudioStart<'a> {
    /// `None` if there is no frame.
    fn find(mut frames: Frames<'a>) -> io::Result<Option<Self>> {
        let Some(information) = frames.next()? else { return Ok(None) };
        let tag = InfoTag::parse(&information.header, frames.bytes(&information)?);
        frames.restart_at(if tag.is_some() { information.end() } else { information.offset });
        Ok(Some(Self { frames, information, tag }))
    }
}

/// The silence that the encoder added. None is trimmed from a file with another length than stated, since it was cut or
/// joined.
struct Gap {
    gap: EncoderGap,
    is_whole: bool,
}

impl Gap {
    /// The sample at which the music begins.
    fn begin(&self) -> u64 {
        u64::from(self.gap.delay) + u64::from(DECODER_DELAY)
    }

    /// Samples after the music.
    fn trimmed_at_end(&self) -> u64 {
        let padding = if self.is_whole { u64::from(self.gap.padding) } else { 0 };
        padding.saturating_sub(u64::from(DECODER_DELAY))
    }
}

fn measured(source: &dyn ReadAt, first: Frame, end: u64, total_samples: u64, gap: Option<Gap>) -> io::Result<Measured> {
    let size_bytes = end - first.offset;
    let (gap, begin_sample, end_sample) = gap
        .map(|told| (told.gap, told.begin(), total_samples.saturating_sub(told.trimmed_at_end())))
        // A value that would leave nothing of the song is wrong.
        .filter(|(_, begin, end)| begin <= end)
        .unwrap_or((EncoderGap::default(), 0, total_samples));
    Ok(Measured {
        content_tag: content_tag(source, first.offset, size_bytes)?,
        audio_offset: first.offset,
        size_bytes,
        total_samples,
        begin_sample,
        end_sample,
        rate: first.header.sample_rate(),
        channels: first.header.channels(),
        bitrate: mean_bitrate(size_bytes, total_samples, &first.header),
        encoder_delay: gap.delay,
        encoder_padding: gap.padding,
    })
}

fn no_audio(source: &dyn ReadAt) -> io::Result<Measured> {
    Ok(Measured { content_tag: content_tag(source, 0, 0)?, ..Measured::default() })
}

/// At most what a client takes, even of a file with much junk between its frames.
fn mean_bitrate(size_bytes: u64, samples: u64, header: &FrameHeader) -> u32 {
    let samples = u128::from(samples.max(1));
    let bits = u128::from(size_bytes) * 8;
    let bitrate = (bits * u128::from(header.sample_rate()) + samples / 2) / samples;
    bitrate.try_into().map_or(MAX_BITRATE, |bitrate: u32| bitrate.min(MAX_BITRATE))
}

fn ends_with_a_frame(source: &dyn ReadAt, audio: Range<u64>) -> io::Result<bool> {
    let edge = audio.end.saturating_sub(EDGE_BYTES).max(audio.start);
    let mut frames = Frames::with_small_reads(source, edge..audio.end);
    let mut end = None;
    while let Some(frame) = frames.next()? {
        end = Some(frame.end());
    }
    Ok(end == Some(audio.end))
}
