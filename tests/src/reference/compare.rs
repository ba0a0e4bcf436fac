//! Finds where two sounds differ.
//!
//! Two decoders may round one sample in thousands differently, so samples count as equal if they differ by at most
//! [`TOLERANCE`]. Apart from that, the sound of the [corpus](crate::corpus) never repeats: a few dozen frames identify
//! song and position.

use crate::pcm::Pcm;
use std::fmt;
use std::ops::Range;

/// Largest difference of equal samples.
pub const TOLERANCE: u16 = 1;

/// Window of a search in frames. Loud music needs fewer to be recognised.
const WINDOW: usize = 64;
/// Smallest peak of a recognisable window. Quieter windows look alike.
const LOUD: u16 = 256;

/// The alignment of a captured sound with its reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The captured frame of the reference's frame 0; negative if the capture begins inside the reference.
    pub offset: i64,
    /// Number of overlapping frames.
    pub frames: usize,
    /// Number of reference frames before the capture's first.
    pub missing_at_start: usize,
    /// Number of reference frames after the capture's last.
    pub missing_at_end: usize,
    /// Largest difference of overlapping samples.
    pub max_difference: u16,
    /// The first overlapping samples that differ by more than [`TOLERANCE`].
    pub first_mismatch: Option<Mismatch>,
    /// The first captured frame outside the reference that is not silent.
    pub first_stray: Option<usize>,
}

/// Two samples that should be equal but are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Frame of the reference.
    pub reference_frame: usize,
    /// Frame of the capture.
    pub captured_frame: usize,
    /// Channel, from 0.
    pub channel: usize,
    /// The reference's sample.
    pub expected: i16,
    /// The captured sample.
    pub found: i16,
}

impl Match {
    /// Whether the capture is the whole reference, with at most silence before and after it.
    pub fn is_whole(&self) -> bool {
        self.is_equal() && self.first_stray.is_none() && self.missing_at_start == 0 && self.missing_at_end == 0
    }

    /// Whether all overlapping frames are equal.
    pub fn is_equal(&self) -> bool {
        self.frames > 0 && self.first_mismatch.is_none()
    }
}

/// Finds the reference in `captured` and compares the overlapping frames.
///
/// Returns `None` if no part of the reference is found: see [`stretches`].
///
/// # Panics
/// When the two differ in rate or channels.
#[track_caller]
pub fn compare(captured: &Pcm, reference: &Pcm) -> Option<Match> {
    assert_same_format(captured, reference);
    let index = Index::of(captured);
    let offset = anchors(reference).find_map(|anchor| {
        let found = index.find(&reference.slice(anchor..anchor + WINDOW))?;
        Some(found as i64 - anchor as i64)
    })?;
    Some(lay(captured, reference, offset))
}

/// Compares `captured` with the reference from `reference_frame` on, aligned at their first frames.
///
/// # Panics
/// When the two differ in rate or channels.
#[track_caller]
pub fn compare_at(captured: &Pcm, reference: &Pcm, reference_frame: usize) -> Match {
    assert_same_format(captured, reference);
    lay(captured, reference, -(reference_frame as i64))
}

/// Asserts that `captured` is the whole reference with at most silence before and after it.
///
/// # Panics
/// When it is not. The message describes the capture, stretch by stretch.
#[track_caller]
pub fn assert_same(captured: &Pcm, reference: &Pcm) {
    let found = compare(captured, reference);
    let whole = found.as_ref().is_some_and(Match::is_whole);
    assert!(whole, "the captured sound is not the reference:\n{}", Diagnosis { captured, reference, found });
}

/// Asserts that `captured` is exactly the reference from `reference_frame` to its end.
///
/// # Panics
/// When it is not. The message describes the capture, stretch by stretch.
#[track_caller]
pub fn assert_same_from(captured: &Pcm, reference: &Pcm, reference_frame: usize) {
    let found = compare_at(captured, reference, reference_frame);
    let same = found.is_equal()
        && found.missing_at_end == 0
        && found.offset + (reference.frames() as i64) == captured.frames() as i64;
    let found = Some(found);
    assert!(
        same,
        "the captured sound is not the reference from frame {reference_frame} on:\n{}",
        Diagnosis { captured, reference, found }
    );
}

/// A stretch of a captured sound and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The captured frames.
    pub captured: Range<usize>,
    /// Their source.
    pub what: Sound,
}

/// The source of a stretch of captured sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Silence.
    Silence,
    /// A part of reference `song` (an index) from its frame `from`.
    Song {
        /// Index of the reference.
        song: usize,
        /// Frame of the reference at which the stretch begins.
        from: usize,
    },
    /// Not from any reference.
    Unknown,
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.captured;
        let length = self.captured.len();
        write!(f, "{start:>9} ..{end:>9}  ({length} frames) ")?;
        match self.what {
            Sound::Silence => write!(f, "silence"),
            Sound::Song { song, from } => write!(f, "song {song}, its frames {from}..{}", from + length),
            Sound::Unknown => write!(f, "unknown sound"),
        }
    }
}

/// Divides a captured sound into silence, parts of the references, and unknown sound.
///
/// A dropout shows as silence between two parts of a song, a lost piece as two parts with a jump, and a switch as parts
/// of two songs.
///
/// # Panics
/// When the references differ from the capture in rate or channels.
#[track_caller]
pub fn stretches(captured: &Pcm, references: &[&Pcm]) -> Vec<Stretch> {
    for reference in references {
        assert_same_format(captured, reference);
    }
    let indexes: Vec<Index<'_>> = references.iter().map(|reference| Index::of(reference)).collect();
    let mut found = Vec::new();
    let mut done = 0;
    while let Some((at, song, from)) = recognise(captured, done, &indexes) {
        let reference = references[song];
        let back = (1..=(at - done).min(from))
            .find(|&back| !same_frame(captured, at - back, reference, from - back))
            .map_or((at - done).min(from), |back| back - 1);
        let room = (captured.frames() - at).min(reference.frames() - from);
        let ahead = (0..room).find(|&ahead| !same_frame(captured, at + ahead, reference, from + ahead)).unwrap_or(room);
        push_unrecognised(&mut found, captured, done..at - back);
        found.push(Stretch { captured: at - back..at + ahead, what: Sound::Song { song, from: from - back } });
        done = at + ahead;
    }
    push_unrecognised(&mut found, captured, done..captured.frames());
    found
}

/// The next position at or after `start` that is in a reference: captured frame, reference, and its frame.
fn recognise(captured: &Pcm, start: usize, references: &[Index<'_>]) -> Option<(usize, usize, usize)> {
    let places = (start..captured.frames().saturating_sub(WINDOW - 1)).step_by(WINDOW / 2);
    places.filter(|&at| is_loud(captured, at)).find_map(|at| {
        let window = captured.slice(at..at + WINDOW);
        let found = |(song, reference): (usize, &Index<'_>)| Some((at, song, reference.find(&window)?));
        references.iter().enumerate().find_map(found)
    })
}

/// Adds sound outside the references: silence, then sound without silent ends, then silence.
fn push_unrecognised(found: &mut Vec<Stretch>, captured: &Pcm, frames: Range<usize>) {
    let sounding = captured.slice(frames.clone()).sounding();
    let sounding = if sounding.is_empty() {
        frames.end..frames.end
    } else {
        frames.start + sounding.start..frames.start + sounding.end
    };
    let parts = [
        (frames.start..sounding.start, Sound::Silence),
        (sounding.clone(), Sound::Unknown),
        (sounding.end..frames.end, Sound::Silence),
    ];
    let parts = parts.into_iter().filter(|(range, _)| !range.is_empty());
    found.extend(parts.map(|(captured, what)| Stretch { captured, what }));
}

/// Recognisable positions in the reference, best first.
fn anchors(reference: &Pcm) -> impl Iterator<Item = usize> {
    const TRIES: usize = 16;
    let places = reference.frames().saturating_sub(WINDOW - 1);
    // The middle first: it is present even if an end is missing.
    let order = (0..TRIES).map(|i| if i % 2 == 0 { TRIES / 2 + i / 2 } else { TRIES / 2 - 1 - i / 2 });
    order.filter_map(move |i| {
        let section = i * places / TRIES..(i + 1) * places / TRIES;
        section.into_iter().step_by(WINDOW).find(|&at| is_loud(reference, at))
    })
}

fn is_loud(pcm: &Pcm, at: usize) -> bool {
    let window = &pcm.samples[at * pcm.channels..(at + WINDOW) * pcm.channels];
    window.iter().any(|sample| sample.unsigned_abs() >= LOUD)
}

/// The frames of a sound, indexed by their first channel's value for fast searches.
struct Index<'a> {
    sound: &'a Pcm,
    /// By value from `i16::MIN`: the start of its frames in `frames`. The last entry is the end.
    starts: Vec<u32>,
    frames: Vec<u32>,
}

impl<'a> Index<'a> {
    fn of(sound: &'a Pcm) -> Self {
        let values = || sound.samples.iter().step_by(sound.channels).map(|&sample| Self::slot(sample));
        let mut starts = vec![0; Self::slot(i16::MAX) + 2];
        values().for_each(|slot| starts[slot + 1] += 1);
        (1..starts.len()).for_each(|slot| starts[slot] += starts[slot - 1]);
        let (mut frames, mut free) = (vec![0; sound.frames()], starts.clone());
        for (frame, slot) in values().enumerate() {
            frames[free[slot] as usize] = frame as u32;
            free[slot] += 1;
        }
        Self { sound, starts, frames }
    }

    /// The first frame at which `window` matches within [`TOLERANCE`].
    fn find(&self, window: &Pcm) -> Option<usize> {
        // Loud values are rare, so few positions are compared.
        let loudest = (0..window.frames()).max_by_key(|&frame| window.frame(frame)[0].unsigned_abs())?;
        let value = Self::slot(window.frame(loudest)[0]);
        let (low, high) = (value.saturating_sub(1), (value + 1).min(Self::slot(i16::MAX)));
        let candidates = &self.frames[self.starts[low] as usize..self.starts[high + 1] as usize];
        let places = candidates.iter().filter_map(|&frame| (frame as usize).checked_sub(loudest));
        places.filter(|&place| self.follows(place, window)).min()
    }

    fn follows(&self, place: usize, window: &Pcm) -> bool {
        let channels = self.sound.channels;
        let candidate = self.sound.samples.get(place * channels..(place + window.frames()) * channels);
        candidate.is_some_and(|samples| samples.iter().zip(&window.samples).all(|(a, b)| a.abs_diff(*b) <= TOLERANCE))
    }

    fn slot(sample: i16) -> usize {
        sample.abs_diff(i16::MIN).into()
    }
}

fn same_frame(a: &Pcm, a_frame: usize, b: &Pcm, b_frame: usize) -> bool {
    a.frame(a_frame).iter().zip(b.frame(b_frame)).all(|(a, b)| a.abs_diff(*b) <= TOLERANCE)
}

/// Compares all overlapping frames when frame 0 of the reference is at captured frame `offset`.
fn lay(captured: &Pcm, reference: &Pcm, offset: i64) -> Match {
    let captured_end = captured.frames() as i64;
    let reference_end = offset + reference.frames() as i64;
    let common = offset.clamp(0, captured_end)..reference_end.clamp(0, captured_end).max(offset.clamp(0, captured_end));
    let pairs = common.clone().flat_map(|captured_frame| {
        let (captured_frame, reference_frame) = (captured_frame as usize, (captured_frame - offset) as usize);
        let samples = captured.frame(captured_frame).iter().zip(reference.frame(reference_frame)).enumerate();
        samples.map(move |(channel, (&found, &expected))| Mismatch {
            reference_frame,
            captured_frame,
            channel,
            expected,
            found,
        })
    });
    let (mut max_difference, mut first_mismatch) = (0, None);
    for pair in pairs {
        let difference = pair.expected.abs_diff(pair.found);
        max_difference = max_difference.max(difference);
        if difference > TOLERANCE && first_mismatch.is_none() {
            first_mismatch = Some(pair);
        }
    }
    let mut outside = (0..common.start).chain(common.end..captured_end);
    Match {
        offset,
        frames: (common.end - common.start) as usize,
        missing_at_start: (-offset).clamp(0, reference.frames() as i64) as usize,
        missing_at_end: (reference_end - captured_end).clamp(0, reference.frames() as i64) as usize,
        max_difference,
        first_mismatch,
        first_stray: outside.find(|&frame| !captured.is_silent(frame as usize)).map(|frame| frame as usize),
    }
}

#[track_caller]
fn assert_same_format(captured: &Pcm, reference: &Pcm) {
    let (a, b) = ((captured.rate, captured.channels), (reference.rate, reference.channels));
    assert_eq!(a, b, "captured sound and reference differ in (rate, channels)");
}

/// The message of a failed assertion.
struct Diagnosis<'a> {
    captured: &'a Pcm,
    reference: &'a Pcm,
    found: Option<Match>,
}

impl fmt::Display for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The beginning of a long list is enough.
        const SHOWN: usize = 20;
        writeln!(f, "captured:  {:?}, sounding {:?}", self.captured, self.captured.sounding())?;
        writeln!(f, "reference: {:?}", self.reference)?;
        match &self.found {
            Some(found) => writeln!(f, "{found:#?}")?,
            None => writeln!(f, "no part of the reference was found")?,
        }
        writeln!(f, "captured frames, and what they are (song 0 is the reference):")?;
        let stretches = stretches(self.captured, &[self.reference]);
        stretches.iter().take(SHOWN).try_for_each(|stretch| writeln!(f, "{stretch}"))?;
        match stretches.len().checked_sub(SHOWN) {
            Some(more @ 1..) => writeln!(f, "… and {more} more"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
