//! Converts from the song's rate and channels to the device's.
//!
//! ```text
//! stereo → mono ─→ rate ─→ mono → stereo (→ silence in any further channel)
//! ```
//!
//! rubato's FFT resampler converts rates with a signal-to-noise ratio of about 136 dB at a thousandth of a core. (Its
//! polynomial resampler costs less but has 16 dB at 15 kHz.) It works in blocks and delays its output by half a block. The
//! delay is cut from the front and compensated at the end, so that a song keeps its length.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler};

use super::{OutputError, PcmFormat};

/// Frames per resampled block, rounded up to a size that the ratio of the two rates allows. 1,024 frames delay a 44.1 kHz
/// song by 23 ms and put the filter's edge within half a kilohertz of the top.
const BLOCK_FRAMES: usize = 1024;

/// Converts interleaved samples of one format into another.
pub(super) struct Converter {
    from: PcmFormat,
    to: PcmFormat,
    resampling: Option<Resampling>,
}

impl Converter {
    /// A converter at the start of a song.
    ///
    /// # Errors
    ///
    /// [`OutputError::UnsupportedFormat`] if rubato refuses the pair of rates.
    pub(super) fn new(from: PcmFormat, to: PcmFormat) -> Result<Self, OutputError> {
        let channels = from.channels.min(to.channels);
        let resampling = if from.rate == to.rate {
            None
        } else {
            Some(Resampling::new(from.rate, to.rate, channels).ok_or(OutputError::UnsupportedFormat(from))?)
        };
        Ok(Self { from, to, resampling })
    }

    /// The input format.
    pub(super) fn from(&self) -> PcmFormat {
        self.from
    }

    /// The output format.
    pub(super) fn to(&self) -> PcmFormat {
        self.to
    }

    /// Returns `samples` without an incomplete frame at the end, which would swap left and right in what follows.
    pub(super) fn whole_frames<'a>(&self, samples: &'a [i16]) -> &'a [i16] {
        &samples[..samples.len() - samples.len() % usize::from(self.from.channels)]
    }

    /// Converts `samples` (whole frames) and appends the available output to `out`.
    pub(super) fn process(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        if self.from == self.to {
            out.extend_from_slice(samples);
            return;
        }
        let narrowed = narrow(samples, self.from.channels, self.to.channels);
        match &mut self.resampling {
            None => widen(&narrowed, self.from.channels, self.to.channels, out),
            Some(resampling) => {
                let resampled = resampling.process(&narrowed);
                widen(&resampled, self.from.channels, self.to.channels, out);
            }
        }
    }

    /// Appends the delayed rest of the song and gets ready for another song.
    pub(super) fn flush(&mut self, out: &mut Vec<i16>) {
        if let Some(resampling) = &mut self.resampling {
            let tail = resampling.flush();
            widen(&tail, self.from.channels, self.to.channels, out);
        }
    }

    /// Drops the delayed rest of the song and gets ready for another song.
    pub(super) fn reset(&mut self) {
        if let Some(resampling) = &mut self.resampling {
            resampling.reset();
        }
    }
}

/// Converts interleaved samples from one device's format to another's.
///
/// # Errors
///
/// [`OutputError::UnsupportedFormat`] if rubato refuses the pair of rates.
pub(super) fn convert_all(samples: &[i16], from: PcmFormat, to: PcmFormat) -> Result<Vec<i16>, OutputError> {
    // Channels past the second are silent: see `widen`.
    let song = PcmFormat { channels: from.channels.min(2), ..from };
    let kept = usize::from(song.channels);
    let heard: Vec<_> =
        samples.chunks_exact(from.channels.into()).flat_map(|frame| frame.iter().take(kept)).copied().collect();
    let mut converted = Vec::new();
    let mut converter = Converter::new(song, to)?;
    converter.process(&heard, &mut converted);
    converter.flush(&mut converted);
    Ok(converted)
}

/// Converts stereo to mono, as the mean of both channels, if `to` has fewer channels.
fn narrow(samples: &[i16], from: u16, to: u16) -> Vec<i16> {
    if from <= to {
        return samples.to_vec();
    }
    let mean = |pair: &[i16; 2]| i16::midpoint(pair[0], pair[1]);
    samples.as_chunks().0.iter().map(mean).collect()
}

/// Converts mono or stereo to `to` channels: mono goes to left and right, channels past the second are silent.
fn widen(samples: &[i16], from: u16, to: u16, out: &mut Vec<i16>) {
    let (channels, to) = (usize::from(from.min(to)), usize::from(to));
    for frame in samples.chunks_exact(channels) {
        let (left, right) = (frame[0], frame[channels - 1]);
        let silent = to.saturating_sub(2);
        out.push(left);
        if to > 1 {
            out.push(right);
        }
        out.extend(std::iter::repeat_n(0, silent));
    }
}

/// A rate conversion in progress.
struct Resampling {
    resampler: Fft<f32>,
    channels: usize,
    /// Samples of an incomplete block.
    input: Vec<f32>,
    /// One block of output.
    output: Vec<f32>,
    /// Frames of the resampler's delay that are still to be cut from the front.
    delay_left: usize,
    frames_in: u64,
    frames_out: u64,
}

impl Resampling {
    fn new(from: u32, to: u32, channels: u16) -> Option<Self> {
        let (from, to, channels) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?, usize::from(channels));
        let resampler = Fft::new_custom(
            from,
            to,
            BLOCK_FRAMES,
            1,
            channels,
            rubato::WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .ok()?;
        let output = vec![0.0; resampler.output_frames_max() * channels];
        let delay_left = resampler.output_delay();
        Some(Self { resampler, channels, input: Vec::new(), output, delay_left, frames_in: 0, frames_out: 0 })
    }

    fn process(&mut self, samples: &[i16]) -> Vec<i16> {
        self.frames_in += (samples.len() / self.channels) as u64;
        self.input.extend(samples.iter().map(|&sample| f32::from(sample)));
        let mut resampled = Vec::new();
        while self.input.len() >= self.block_samples() {
            self.block(&mut resampled);
        }
        resampled
    }

    /// Returns the rest of the output, so that its length is the input's times the ratio.
    fn flush(&mut self) -> Vec<i16> {
        let due = (self.frames_in as f64 * self.resampler.resample_ratio()).round() as u64;
        let mut tail = Vec::new();
        while self.frames_out < due {
            self.input.resize(self.block_samples().max(self.input.len()), 0.0);
            self.block(&mut tail);
        }
        let surplus = usize::try_from(self.frames_out - due).unwrap_or(usize::MAX);
        tail.truncate(tail.len().saturating_sub(surplus * self.channels));
        self.reset();
        tail
    }

    fn reset(&mut self) {
        self.resampler.reset();
        self.input.clear();
        self.delay_left = self.resampler.output_delay();
        (self.frames_in, self.frames_out) = (0, 0);
    }

    fn block_samples(&self) -> usize {
        self.resampler.input_frames_next() * self.channels
    }

    /// Resamples one block off the front of `input`.
    fn block(&mut self, resampled: &mut Vec<i16>) {
        const SIZED: &str = "both buffers are sized by the resampler";
        let consumed = self.block_samples();
        let frames_out = self.resampler.output_frames_next();
        let input = InterleavedSlice::new(&self.input[..], self.channels, self.input.len() / self.channels);
        let mut output = InterleavedSlice::new_mut(&mut self.output[..], self.channels, frames_out).expect(SIZED);
        self.resampler.process_into_buffer(&input.expect(SIZED), &mut output, None::<&Indexing>).expect(SIZED);
        self.input.drain(..consumed);

        let delay = self.delay_left.min(frames_out);
        self.delay_left -= delay;
        self.frames_out += (frames_out - delay) as u64;
        let heard = &self.output[delay * self.channels..frames_out * self.channels];
        // `as` saturates. A peak between two samples may exceed full scale.
        resampled.extend(heard.iter().map(|sample| sample.round() as i16));
    }
}

#[cfg(test)]
mod tests;
