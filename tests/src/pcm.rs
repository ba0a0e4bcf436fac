//! Sound in memory: captured, decoded or read 16-bit samples.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Interleaved 16-bit samples.
///
/// A *frame* is one sample of each channel; positions and lengths are counted in frames.
#[derive(Clone, PartialEq, Eq)]
pub struct Pcm {
    /// Frames a second.
    pub rate: u32,
    /// Samples a frame.
    pub channels: usize,
    /// The samples, channel by channel within a frame.
    pub samples: Vec<i16>,
}

impl Pcm {
    /// The number of whole frames.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// The samples of frame `index`.
    ///
    /// # Panics
    /// When there are fewer frames.
    pub fn frame(&self, index: usize) -> &[i16] {
        &self.samples[index * self.channels..][..self.channels]
    }

    /// A copy of some frames.
    ///
    /// # Panics
    /// When there are fewer frames.
    pub fn slice(&self, frames: Range<usize>) -> Self {
        let samples = self.samples[frames.start * self.channels..frames.end * self.channels].to_vec();
        Self { samples, ..*self }
    }

    /// The same sound in stereo: how a mono song sounds on a stereo device.
    ///
    /// # Panics
    /// When it has more than two channels.
    #[must_use]
    pub fn to_stereo(&self) -> Self {
        let samples = match self.channels {
            1 => self.samples.iter().flat_map(|&sample| [sample, sample]).collect(),
            2 => self.samples.clone(),
            more => panic!("{more} channels"),
        };
        Self { channels: 2, samples, ..*self }
    }

    /// Whether all samples of frame `index` are silence: zero, or one step away from it.
    ///
    /// # Panics
    /// When there are fewer frames.
    pub fn is_silent(&self, index: usize) -> bool {
        self.frame(index).iter().all(|sample| sample.unsigned_abs() <= 1)
    }

    /// From the first frame that is not silent to the last; empty when all are.
    pub fn sounding(&self) -> Range<usize> {
        let first = (0..self.frames()).find(|&index| !self.is_silent(index));
        let last = (0..self.frames()).rfind(|&index| !self.is_silent(index));
        match (first, last) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        }
    }

    /// Reads a WAV file of 16-bit samples.
    ///
    /// # Panics
    /// When it is not one; the message says why.
    #[track_caller]
    pub fn read_wav(path: &Path) -> Self {
        match Self::try_read_wav(path) {
            Ok(pcm) => pcm,
            Err(e) => panic!("{}: {e}", path.display()),
        }
    }

    fn try_read_wav(path: &Path) -> Result<Self, hound::Error> {
        let reader = hound::WavReader::open(path)?;
        let spec = reader.spec();
        if (spec.sample_format, spec.bits_per_sample) != (hound::SampleFormat::Int, 16) {
            return Err(hound::Error::Unsupported);
        }
        let samples = reader.into_samples().collect::<Result<_, _>>()?;
        Ok(Self { rate: spec.sample_rate, channels: spec.channels.into(), samples })
    }

    /// Writes a WAV file of 16-bit samples.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[track_caller]
    pub fn write_wav(&self, path: &Path) {
        if let Err(e) = self.try_write_wav(path) {
            panic!("{}: {e}", path.display());
        }
    }

    fn try_write_wav(&self, path: &Path) -> Result<(), hound::Error> {
        let spec = hound::WavSpec {
            channels: u16::try_from(self.channels).map_err(|_| hound::Error::TooWide)?,
            sample_rate: self.rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec)?;
        for &sample in &self.samples {
            writer.write_sample(sample)?;
        }
        writer.finalize()
    }
}

impl fmt::Debug for Pcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pcm({} frames of {} channels at {} Hz)", self.frames(), self.channels, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stereo(samples: &[i16]) -> Pcm {
        Pcm { rate: 44_100, channels: 2, samples: samples.to_vec() }
    }

    #[test]
    fn knows_where_sound_begins_and_ends() {
        assert_eq!(stereo(&[0, 0, 1, -1, 0, 2, 0, 0, -9, 0, 0, 0]).sounding(), 2..5);
        assert_eq!(stereo(&[0, 1, -1, 0]).sounding(), 0..0);
        assert_eq!(stereo(&[]).sounding(), 0..0);
    }

    #[test]
    fn survives_a_wav_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("x.wav");
        let pcm = stereo(&[i16::MIN, i16::MAX, 0, -1]);
        pcm.write_wav(&path);
        assert_eq!(Pcm::read_wav(&path), pcm);
    }

    #[test]
    fn cuts_frames_not_samples() {
        assert_eq!(stereo(&[1, 2, 3, 4, 5, 6]).slice(1..2), stereo(&[3, 4]));
        let mono = Pcm { rate: 8_000, channels: 1, samples: vec![1, 2] };
        assert_eq!(mono.to_stereo().samples, [1, 1, 2, 2]);
    }
}
