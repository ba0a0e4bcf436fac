//! From a time to the bytes to send, exact to the sample.
//!
//! A decoder that starts in the middle of a stream outputs correct samples only after its bit reservoir is filled, and its
//! overlap and synthesis filter have settled. So the bytes to send start early enough that the reservoir is complete for a
//! frame that starts at least [`SETTLING_SAMPLES`] before the wanted sample.

use std::io;

use trill_proto::ticks::Ticks;

use super::duration::Measured;
use super::frames::{Frame, Frames};
use super::source::ReadAt;

/// Samples from the start of the first frame that decodes until all are correct: 576 of overlap with the granule before, 480
/// of the synthesis filter's memory, and 49 to spare.
const SETTLING_SAMPLES: u64 = 1_105;

/// Frames between two checkpoints: a seek reads up to half a megabyte at 128 kbit/s.
const CHECKPOINT_FRAMES: u32 = 1_024;

/// Most frames that a bit reservoir reaches back, plus those that a decoder needs to sync. MPEG 2 reaches back 255 bytes, and
/// each frame adds at least one.
const MAX_LOOKBACK_FRAMES: u64 = 255 + 10;

/// Where to start sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Bytes from the first audio frame to the frame to start with.
    pub position: u64,
    /// The absolute sample at which that frame begins, rounded down.
    pub first_sample: u64,
    /// What was rounded off, in [`Ticks`].
    pub first_fraction: u16,
    /// Samples to discard from there on.
    pub discard: u32,
}

/// Every 1,024th frame of a song: 16 bytes per 27 s of music, small enough to keep for every song.
#[derive(Debug, Default)]
pub(crate) struct SeekIndex {
    checkpoints: Vec<Checkpoint>,
    longest_frame: Ticks,
}

#[derive(Clone, Copy, Debug)]
struct Checkpoint {
    /// From the first audio frame, in bytes.
    position: u64,
    /// Where the frame begins.
    begins: Ticks,
}

impl SeekIndex {
    /// Records a frame. Call this for each frame in order.
    pub(super) fn note(&mut self, position: u64, begins: Ticks, duration: Ticks, frame_number: u32) {
        self.longest_frame = self.longest_frame.max(duration);
        if frame_number.is_multiple_of(CHECKPOINT_FRAMES) {
            self.checkpoints.push(Checkpoint { position, begins });
        }
    }

    /// The last checkpoint before everything that a frame at `time` may depend on.
    fn before(&self, time: Ticks) -> Checkpoint {
        let time = time.saturating_sub(self.longest_frame.saturating_mul(MAX_LOOKBACK_FRAMES));
        let after = self.checkpoints.partition_point(|checkpoint| checkpoint.begins <= time);
        let before = after.checked_sub(1).and_then(|index| self.checkpoints.get(index)).copied();
        before.unwrap_or(Checkpoint { position: 0, begins: Ticks::default() })
    }
}

/// Where to start sending so that the music starts `ms` milliseconds after its beginning. `None` if the song is shorter.
///
/// # Errors
/// The file system's.
pub(crate) fn locate(source: &dyn ReadAt, song: &Measured, index: &SeekIndex, ms: u32) -> io::Result<Option<Location>> {
    let target = song.begin_sample + u64::from(ms) * u64::from(song.rate) / 1_000;
    if target > song.end_sample {
        return Ok(None);
    }
    let mut frames = Frames::new(source, song.audio_offset..song.audio_offset + song.size_bytes);
    let candidates = candidates(&mut frames, song, index, Ticks::of_samples(target, song.rate))?;
    let (position, begins) = match first_to_send(&mut frames, &candidates)? {
        Some((frame, begins)) => (frame.offset - song.audio_offset, *begins),
        None => (0, Ticks::default()),
    };
    let (first_sample, first_fraction) = (begins.samples(song.rate), begins.after_whole_samples(song.rate));
    let discard = u32::try_from(target - first_sample).unwrap_or(u32::MAX);
    Ok(Some(Location { position, first_sample, first_fraction, discard }))
}

/// The frames up to the last one from which a decoder outputs the correct sample at `target`, each with its begin.
fn candidates(
    frames: &mut Frames<'_>,
    song: &Measured,
    index: &SeekIndex,
    target: Ticks,
) -> io::Result<Vec<(Frame, Ticks)>> {
    let Checkpoint { position, mut begins } = index.before(target);
    frames.continue_at(song.audio_offset + position)?;
    let mut candidates = Vec::new();
    while let Some(frame) = frames.next()?
        && begins.saturating_add(Ticks::of_samples(SETTLING_SAMPLES, frame.header.sample_rate())) <= target
    {
        candidates.push((frame, begins));
        begins = begins.saturating_add(frame.header.duration());
    }
    Ok(candidates)
}

/// The latest candidate from which the last one can be decoded. Junk between them resets the decoder, wherever it started.
fn first_to_send<'a>(
    frames: &mut Frames<'_>,
    candidates: &'a [(Frame, Ticks)],
) -> io::Result<Option<&'a (Frame, Ticks)>> {
    let Some(((last, _), before)) = candidates.split_last() else { return Ok(None) };
    let mut missing = last.main_data_begin;
    let reach = before.iter().rev().take_while(|(frame, _)| {
        let is_needed = missing > 0;
        missing = missing.saturating_sub(frame.main_data_bytes);
        is_needed
    });
    let latest = candidates.len().saturating_sub(1 + reach.count());
    // Shortly before junk a decoder in sync accepts a frame where one that starts there finds none.
    for candidate in candidates.iter().take(latest + 1).rev() {
        if frames.can_start_at(candidate.0.offset)? {
            return Ok(Some(candidate));
        }
    }
    Ok(candidates.first())
}
