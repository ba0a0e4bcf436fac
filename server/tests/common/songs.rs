//! Songs: valid frames that decode to silence, each with bytes of its own.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono, no CRC, no padding.
const HEADER: [u8; 4] = [0xff, 0xfb, 0x90, 0xc4];
const FRAME_BYTES: usize = 417;
/// Header and side information; what follows is not looked at by a decoder if all of this but the header is zero.
const FIXED_BYTES: usize = 4 + 17;

/// A song of so many frames, about 26 ms each. `seed` makes it another song.
pub fn mp3(frames: usize, seed: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(frames * FRAME_BYTES);
    for number in 0..frames {
        bytes.extend_from_slice(&HEADER);
        bytes.resize(bytes.len() + FIXED_BYTES - HEADER.len(), 0);
        // No byte with all bits set, so that no frame seems to begin here.
        let filling =
            (0..FRAME_BYTES - FIXED_BYTES).map(|at| ((number * 31 + at * 7 + usize::from(seed) * 13) % 251) as u8);
        bytes.extend(filling);
    }
    bytes
}

/// A song of at least so many bytes.
pub fn mp3_of_bytes(bytes: usize, seed: u8) -> Vec<u8> {
    mp3(bytes.div_ceil(FRAME_BYTES), seed)
}

/// A directory of songs: `01.mp3`, `02.mp3` …
pub struct Music {
    directory: TempDir,
}

impl Music {
    pub fn new(songs: &[&[u8]]) -> Self {
        let music = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        for (index, song) in songs.iter().enumerate() {
            fs::write(music.song(index + 1), song).expect("room for a song");
        }
        music
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The file of the song with this number.
    pub fn song(&self, number: usize) -> std::path::PathBuf {
        self.directory.path().join(format!("{number:02}.mp3"))
    }
}
