//! What has to be known about a song's audio before it can be played: where it is, how long, and what to trim.

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

/// How much of the audio's end is searched for its last frame.
const EDGE_BYTES: u64 = 16 * 1024;

/// A song's audio. Samples are per channel and absolute: 0 is the first that a decoder puts out for the first audio
/// frame. All zero but for the tag if there is no audio in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Measured {
    /// Names the audio: the same bytes have the same tag on every server. Never 0.
    pub content_tag: u64,
    /// Where the first audio frame starts in the file: after ID3v2 and the encoder's information frame.
    pub audio_offset: u64,
    /// Bytes from there to the end of the last frame.
    pub size_bytes: u64,
    /// Samples that all frames decode to; those at another rate than `rate` count by their time.
    pub total_samples: u64,
    /// The sample at which the music begins: after the encoder's and the decoder's delay, if the file tells the former.
    pub begin_sample: u64,
    /// The sample at which the music has ended: before the encoder's padding, if the file tells that.
    pub end_sample: u64,
    /// Sample rate in Hz.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Mean bit rate in bit/s.
    pub bitrate: u32,
    /// What the encoder says that it added, in samples; 0 if it says nothing.
    pub encoder_delay: u16,
    /// Likewise after the music.
    pub encoder_padding: u16,
}

impl Measured {
    /// How long the music is, in milliseconds. What is longer than can be said on the wire is said to be that long.
    pub fn duration_ms(&self) -> u32 {
        const LONGEST: u32 = u32::MAX - 1; // one more would say that it is unknown
        let samples = u128::from(self.end_sample - self.begin_sample);
        let ms = samples * 1_000 / u128::from(self.rate.max(1));
        ms.try_into().map_or(LONGEST, |ms: u32| ms.min(LONGEST))
    }
}

/// What is listed of a song's audio. All that is kept of a song before somebody wants to play it: there may be 100,000.
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

/// How much is known of a song's audio.
#[derive(Clone, Debug)]
pub(crate) enum Measure {
    /// What the information frame says.
    Believed(Audio),
    /// Everything: every frame was counted.
    Counted(Arc<Counted>),
}

/// Audio of which every frame was counted.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) measured: Measured,
    pub(crate) index: SeekIndex,
}

impl Counted {
    /// Counts every frame. Reads the whole file.
    ///
    /// # Errors
    /// Whatever the file system reports.
    pub(crate) fn of(source: &dyn ReadAt) -> io::Result<Arc<Self>> {
        let (measured, index) = count(source)?;
        Ok(Arc::new(Self { measured, index }))
    }
}

/// How often a file is counted anew because of what is behind its last frame. No honest file needs more than one; of one
/// that does, a decoder may find fewer frames than are counted.
const RECOUNTS: usize = 8;

/// Counts every frame. Reads the whole file.
///
/// # Errors
/// Whatever the file system reports.
pub(crate) fn count(source: &dyn ReadAt) -> io::Result<(Measured, SeekIndex)> {
    let Range { start, mut end } = Extent::of(source)?.audio;
    let mut counted = count_within(source, start..end)?;
    for _ in 0..RECOUNTS {
        let (measured, _) = &counted;
        let sent_until = measured.audio_offset + measured.size_bytes;
        if sent_until == end {
            break;
        }
        // No client is sent what is behind the last frame, and without that its decoder may not take it for one.
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

/// Believes the information frame where it fits the file: `None` if there is none, or if it does not. Reads the
/// beginning and the end of the file only, so that a large library does not have to be read whole for its list.
///
/// # Errors
/// Whatever the file system reports.
pub(crate) fn from_info_tag(source: &dyn ReadAt) -> io::Result<Option<Measured>> {
    let range = Extent::of(source)?.audio;
    let end = range.end;
    let Some(AudioStart { mut frames, information, tag }) = AudioStart::find(Frames::glimpse(source, range))? else {
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

/// Whether so many frames can have so many bytes.
fn is_plausible(first: &FrameHeader, is_constant: bool, frames: u64, bytes: u64) -> bool {
    let mean = first.stream_bytes(is_constant);
    !first.is_free_format()
        && frames > 0
        && (frames * *mean.start() as u64..=frames * *mean.end() as u64).contains(&bytes)
}

/// Where audio that was measured before is in its file now: there may be more or less in front of it, such as a longer
/// title. `None` if there is other audio. Reads the beginning and the end of the file only.
///
/// # Errors
/// Whatever the file system reports.
pub(crate) fn find_again(source: &dyn ReadAt, song: &Measured) -> io::Result<Option<u64>> {
    let is_at = |offset| Ok::<_, io::Error>(content_tag(source, offset, song.size_bytes)? == song.content_tag);
    if is_at(song.audio_offset)? {
        return Ok(Some(song.audio_offset));
    }
    let start = AudioStart::find(Frames::glimpse(source, Extent::of(source)?.audio))?;
    let first = start.map(|mut start| start.frames.next()).transpose()?.flatten();
    match first.map(|frame| frame.offset) {
        Some(offset) if is_at(offset)? => Ok(Some(offset)),
        _ => Ok(None),
    }
}

/// The beginning of the audio.
struct AudioStart<'a> {
    /// About to find the first audio frame.
    frames: Frames<'a>,
    /// The first frame in the file.
    information: Frame,
    /// What it says, if it is an information frame.
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

/// What the encoder says that it added, and whether the file is as long as it was when it said so: what is missing
/// from a file that was cut, or was joined to another, is not silence.
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
        // What would leave nothing of the song is not true.
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

/// Of a file with much between its frames, no more than a client takes.
fn mean_bitrate(size_bytes: u64, samples: u64, header: &FrameHeader) -> u32 {
    let samples = u128::from(samples.max(1));
    let bits = u128::from(size_bytes) * 8;
    let bitrate = (bits * u128::from(header.sample_rate()) + samples / 2) / samples;
    bitrate.try_into().map_or(MAX_BITRATE, |bitrate: u32| bitrate.min(MAX_BITRATE))
}

fn ends_with_a_frame(source: &dyn ReadAt, audio: Range<u64>) -> io::Result<bool> {
    let edge = audio.end.saturating_sub(EDGE_BYTES).max(audio.start);
    let mut frames = Frames::glimpse(source, edge..audio.end);
    let mut end = None;
    while let Some(frame) = frames.next()? {
        end = Some(frame.end());
    }
    Ok(end == Some(audio.end))
}
