//! ReplayGain: how loud music is, in the extensions of SONG and STARTED.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |    track gain   |    track peak   |    album gain   |    album peak   |
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! ```

use super::extension;
use crate::codec::{Full, Reader, Writer};
use crate::error::Malformed;

/// How loud a song and its album are. Each number is in hundredths of a decibel; `None` if unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub struct Gain {
    /// By how much to amplify the song, so that all songs are equally loud.
    pub track: Option<i16>,
    /// The song's highest sample, relative to full scale.
    pub track_peak: Option<i16>,
    /// By how much to amplify the album, so that all albums are equally loud.
    pub album: Option<i16>,
    /// The album's highest sample, relative to full scale.
    pub album_peak: Option<i16>,
}

/// Length of its extension's value in bytes.
pub(super) const GAIN_BYTES: usize = 8;

/// Stands for an unknown number.
const UNKNOWN: i16 = i16::MIN;

impl Gain {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { track: None, track_peak: None, album: None, album_peak: None };

    /// The gain in an extension's value, if there is the extension.
    pub(super) fn decode(value: Option<&[u8]>) -> Result<Self, Malformed> {
        let Some(value) = value else { return Ok(Self::UNKNOWN) };
        let value: &[u8; GAIN_BYTES] = value.try_into().map_err(|_| Malformed)?;
        let mut fields = Reader::new(value);
        let mut number = || fields.u16().map(|number| Some(number.cast_signed()).filter(|number| *number != UNKNOWN));
        Ok(Self { track: number()?, track_peak: number()?, album: number()?, album_peak: number()? })
    }

    /// Writes the extension, or nothing if nothing is known.
    pub(super) fn encode(&self, out: &mut Writer<'_>, tag: u8) -> Result<(), Full> {
        if *self == Self::UNKNOWN {
            return Ok(());
        }
        let numbers = [self.track, self.track_peak, self.album, self.album_peak];
        extension::begin(out, tag, GAIN_BYTES)?;
        numbers.iter().try_for_each(|number| out.u16(number.unwrap_or(UNKNOWN).cast_unsigned()))
    }
}
