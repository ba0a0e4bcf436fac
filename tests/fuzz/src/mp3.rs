//! The laptop's decoder in C against the board's, the same algorithm in safe Rust.
//!
//! An input has the size of the pieces, in 16 bits, followed by the bytes.

use std::array;

use nanomp3_core::Decoder;
use trill_proto::codec::Reader;
use trill_proto::decoder::{Decoded, Frame, FrameDecoder, LOOKAHEAD_BYTES, PCM_SAMPLES};

use crate::withheld::{Next, next};

#[rustfmt::skip] // formatted at its source
#[path = "../../../host-client/src/decoder.rs"]
pub mod decoder;

/// Largest difference of two decoded samples: they round halves differently.
const ROUNDING: f32 = 1.0;

/// Additional difference per unit of the recent peak. The C code adds in another order, which matters in damaged frames
/// that are thousands of times too loud: a float has 24 bits, and dozens are added.
const ROUNDING_OF_SUMS: f32 = 1.0 / (1 << 19) as f32;

/// Number of frames that contribute to a sample: blocks overlap by half, and the filter bank remembers 15 times 32
/// samples. At low rates a frame is one block.
const FRAMES_REMEMBERED: usize = 3;

/// Checks that both decoders find the same frames and samples.
///
/// # Panics
/// If they do not, or a decoder breaks its contract.
pub fn check(input: &[u8]) {
    let mut fields = Reader::new(input);
    let Ok(arrival) = fields.u16() else { return };
    let arrival = usize::from(arrival).max(1);
    let mp3 = fields.rest();
    let (mut laptop, mut board) = (decoder::Decoder::new(), trill_decoder::Decoder::new());
    let (mut pcm, mut board_pcm) = (Box::new([0; PCM_SAMPLES]), Box::new([0; PCM_SAMPLES]));
    let mut level = Level::default();
    let (mut start, mut end) = (0, 0);
    loop {
        // In an allocation of its own, so that the sanitizer detects a read beyond the end.
        let arrived = mp3[start..end].to_vec();
        let at_end = end == mp3.len();
        let decoded = laptop.decode(&arrived, at_end, &mut pcm);
        let board_decoded = board.decode(&arrived, at_end, &mut board_pcm);
        assert_eq!(decoded, board_decoded, "laptop and board");
        let loudest = level.loudest(decoded, &arrived);
        let consumed = match decoded {
            Decoded::Frame(frame) => {
                check_frame(&frame);
                let length = frame.samples * usize::from(frame.channels);
                let tolerance = (ROUNDING + loudest * ROUNDING_OF_SUMS) as u16;
                assert_alike(&pcm[..length], &board_pcm[..length], tolerance);
                frame.consumed
            }
            Decoded::Junk { consumed } => consumed,
            Decoded::NeedMore if at_end => {
                assert!(arrived.is_empty(), "{} bytes are left at the end", arrived.len());
                return;
            }
            Decoded::NeedMore => {
                assert!(arrived.len() < LOOKAHEAD_BYTES);
                end = mp3.len().min(end + arrival);
                continue;
            }
        };
        assert!((1..=arrived.len()).contains(&consumed), "{consumed} of {}", arrived.len());
        start += consumed;
    }
}

/// Peaks before clipping to 16 bits.
struct Level {
    decoder: Box<Decoder>,
    pcm: Box<[f32; PCM_SAMPLES]>,
    /// The peaks of the last decoded frames, latest first.
    peaks: [f32; FRAMES_REMEMBERED],
}

impl Default for Level {
    fn default() -> Self {
        Self { decoder: Box::new(Decoder::new()), pcm: Box::new([0.0; PCM_SAMPLES]), peaks: [0.0; FRAMES_REMEMBERED] }
    }
}

impl Level {
    /// The peak of all frames that contribute to this sound, with full scale 32,768. Infinite if a sample is NaN.
    fn loudest(&mut self, decoded: Decoded, input: &[u8]) -> f32 {
        if decoded != Decoded::NeedMore
            && let Next::Decodable(frame) = next(&mut self.decoder, input)
            && let (_, Ok(info)) = self.decoder.decode(frame, &mut self.pcm[..])
        {
            let heard = &self.pcm[..info.samples_produced * usize::from(info.channels.num())];
            let peak = heard.iter().map(|sample| sample.abs()).fold(0.0, larger) * 32_768.0;
            self.peaks = array::from_fn(|place| if place == 0 { peak } else { self.peaks[place - 1] });
        }
        self.peaks.into_iter().fold(0.0, larger)
    }
}

/// NaN counts as larger than any number.
fn larger(one: f32, other: f32) -> f32 {
    if one.is_nan() || other.is_nan() { f32::INFINITY } else { one.max(other) }
}

fn check_frame(frame: &Frame) {
    assert!(frame.samples == 0 || frame.samples == frame.nominal_samples, "{frame:?}");
    assert!([384, 576, 1_152].contains(&frame.nominal_samples), "{frame:?}");
    assert!((8_000..=48_000).contains(&frame.rate) && (1..=2).contains(&frame.channels), "{frame:?}");
}

fn assert_alike(laptop: &[i16], board: &[i16], tolerance: u16) {
    for (place, (laptop, board)) in laptop.iter().zip(board).enumerate() {
        assert!(laptop.abs_diff(*board) <= tolerance, "sample {place}: {laptop} on a laptop, {board} on a board");
    }
}
