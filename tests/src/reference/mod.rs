//! The expected sound of an MP3 file: decoded and trimmed to the music.
//!
//! This shares no code with the programs under test. The decoder is `nanomp3`, and [`layout`] parses tags and the LAME
//! extension independently of the server's parser.

pub mod compare;
pub mod layout;
pub mod likeness;

use crate::pcm::Pcm;
use layout::Layout;
use nanomp3::{Decoder, FrameInfo, MAX_SAMPLES_PER_FRAME};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// A decoded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The music as a gapless player plays it. Mono files have one channel.
    pub music: Pcm,
    /// The range of music in the decoder's output, in samples per channel from the first audio frame.
    pub heard: Range<usize>,
    /// Samples per channel of all frames, including those before and after the music.
    pub total: usize,
    /// The range of the audio in the file, without tags, in bytes.
    pub layout: Layout,
}

impl Reference {
    /// The first frame of [`Self::music`] after a seek to `milliseconds`.
    pub fn frame_at(&self, milliseconds: u64) -> usize {
        (milliseconds * u64::from(self.music.rate) / 1000) as usize
    }
}

/// Decodes a whole file.
///
/// # Panics
/// When it cannot be read or contains no MPEG audio.
#[track_caller]
pub fn decode(path: &Path) -> Reference {
    match fs::read(path) {
        Ok(file) => decode_bytes(&file),
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

/// Decodes the bytes of a whole file.
///
/// # Panics
/// When they contain no MPEG audio, or its format changes.
#[track_caller]
pub fn decode_bytes(file: &[u8]) -> Reference {
    // Rounds like minimp3, the client's decoder. So the two differ by at most one step.
    decode_with(Decoder::new_minimp3_compat(), file)
}

/// Decodes a whole file as the boards do, bit for bit.
///
/// # Panics
/// As [`decode`].
#[track_caller]
pub fn decode_as_a_board(path: &Path) -> Reference {
    match fs::read(path) {
        Ok(file) => decode_with(Decoder::new(), &file),
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

#[track_caller]
fn decode_with(decoder: Decoder, file: &[u8]) -> Reference {
    let layout = layout::of(file);
    let all = decode_frames(decoder, &file[layout.audio.clone()]);
    let total = all.frames();
    let heard = layout.heard(total);
    Reference { music: all.slice(heard.clone()), heard, total, layout }
}

/// Decodes frame by frame. A frame without sound becomes silence of its length.
#[track_caller]
fn decode_frames(mut decoder: Decoder, mut audio: &[u8]) -> Pcm {
    let mut buffer = [0i16; MAX_SAMPLES_PER_FRAME];
    let mut decoded: Option<Pcm> = None;
    loop {
        let (consumed, result) = decoder.decode(audio, &mut buffer);
        audio = &audio[consumed..];
        let info = match &result {
            Ok(info) => Some(info),
            Err(silent) => silent.frame_info(),
        };
        if let Some(info) = info {
            let channels = usize::from(info.channels.num());
            let pcm = decoded.get_or_insert(Pcm { rate: info.sample_rate, channels, samples: Vec::new() });
            assert_eq!((pcm.rate, pcm.channels), (info.sample_rate, channels), "the format changes within the file");
            let samples = nominal_samples(info) * channels;
            if result.is_err() {
                buffer.fill(0);
            }
            pcm.samples.extend_from_slice(&buffer[..samples]);
        }
        if consumed == 0 {
            return decoded.expect("the file holds MPEG audio");
        }
    }
}

/// Samples per channel of a Layer III frame: MPEG-1, from 32 kHz on, has two granules, later versions one.
fn nominal_samples(info: &FrameInfo) -> usize {
    if info.sample_rate >= 32_000 { 1152 } else { 576 }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::corpus;
    use nanomp3::Options;

    /// nanomp3's own reader trims too: a third implementation.
    #[test]
    fn agrees_with_nanomp3_on_what_is_heard() {
        for song in corpus::ALL_KINDS {
            let path = song.make();
            let file = fs::read(&path).expect("a song that was just made");
            let ours = decode_bytes(&file);
            let theirs = nanomp3::decode_all_with::<i16>(&file, Options::default().minimp3_compat(true));
            assert_eq!(ours.music.rate, theirs.sample_rate, "{song:?}");
            assert_eq!(ours.music.samples.len(), theirs.samples.len(), "{song:?}");
            assert!(ours.music.samples == theirs.samples, "{song:?}: the samples differ");
        }
    }
}
