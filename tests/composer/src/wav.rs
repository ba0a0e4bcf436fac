//! Samples, and the WAV file for the encoder.

/// Finished sound.
pub struct Pcm {
    /// Samples per second and channel.
    pub rate: u32,
    /// 1 is mono, 2 is left and right.
    pub channels: u16,
    /// Sixteen-bit samples, channels interleaved.
    pub samples: Vec<i16>,
}

impl Pcm {
    /// Samples per channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels)
    }

    /// FNV-1a hash of the samples in little-endian bytes: two renderings are the same if theirs are.
    pub fn hash(&self) -> u64 {
        (self.samples.iter().flat_map(|sample| sample.to_le_bytes()))
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// The sound as a WAV file: canonical 44-byte header, then the samples.
    pub(crate) fn to_wav(&self) -> Vec<u8> {
        let data_bytes = 2 * self.samples.len() as u32;
        let frame_bytes = 2 * self.channels;
        let mut wav = Vec::with_capacity(44 + data_bytes as usize);
        wav.extend(b"RIFF");
        wav.extend((36 + data_bytes).to_le_bytes());
        wav.extend(b"WAVEfmt ");
        wav.extend(16u32.to_le_bytes()); // bytes of format that follow
        wav.extend(1u16.to_le_bytes()); // plain PCM
        wav.extend(self.channels.to_le_bytes());
        wav.extend(self.rate.to_le_bytes());
        wav.extend((self.rate * u32::from(frame_bytes)).to_le_bytes());
        wav.extend(frame_bytes.to_le_bytes());
        wav.extend(16u16.to_le_bytes()); // bits a sample
        wav.extend(b"data");
        wav.extend(data_bytes.to_le_bytes());
        wav.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        wav
    }
}
