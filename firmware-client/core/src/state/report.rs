//! Songs in words.

use core::fmt::{self, Write};
use core::time::Duration;

use trill_player::command::Clock;
use trill_proto::message::{Group, Song};
use trill_proto::text::visible;

/// Text that came over the network.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        visible(self.0).try_for_each(|char| f.write_char(char))
    }
}

/// `Aria - Bach`, as far as it is known.
pub(super) struct Names<'a>(pub(super) &'a Song<'a>);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Song { title, artist, .. } = *self.0;
        write!(f, "{}", Text(title))?;
        if artist.is_empty() { Ok(()) } else { write!(f, " - {}", Text(artist)) }
    }
}

/// A line of a list of songs, albums or artists.
pub(super) struct SongLine<'a>(pub(super) &'a Song<'a>, pub(super) Option<Group>);

impl fmt::Display for SongLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(song, group) = self;
        let songs = song.group.map_or(0, |group| group.songs);
        match group {
            Some(Group::Artist) => return write!(f, "{songs:>5}  {}", Text(song.artist)),
            Some(Group::Album) => {
                let artist = if song.album_artist.is_empty() { song.artist } else { song.album_artist };
                return write!(f, "{songs:>5}  {} - {}", Text(song.album), Text(artist));
            }
            None => write!(f, "{:>5}  {}", song.song.0, Names(song))?,
        }
        match song.duration_ms {
            Some(ms) => write!(f, "  {}", Length(ms)),
            None => Ok(()),
        }
    }
}

/// The length of a song in milliseconds; the server says zero of a file without audio.
struct Length(u32);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no audio"),
            ms => seconds(ms.into()).fmt(f),
        }
    }
}

/// A gain in hundredths of a decibel. The board formats no floating-point numbers, because that takes flash.
struct Decibels(i16);

impl fmt::Display for Decibels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let hundredths = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02} dB", hundredths / 100, hundredths % 100)
    }
}

/// A time in whole seconds.
pub(crate) fn seconds(ms: u64) -> Clock {
    Clock(Duration::from_secs(ms / 1000))
}

/// All that is known about a song, a line for each; what is unknown is left out.
pub(super) fn write_info(out: &mut impl Write, song: &Song<'_>) -> fmt::Result {
    writeln!(out, "song    {}", song.song)?;
    let texts = [
        ("title", song.title),
        ("artist", song.artist),
        ("album", song.album),
        ("by", song.album_artist),
        ("genre", song.genre),
        ("path", song.path),
    ];
    for (label, text) in texts {
        if !text.is_empty() {
            writeln!(out, "{label:<8}{}", Text(text))?;
        }
    }
    for (label, number) in [("track", song.track), ("disc", song.disc), ("year", song.year)] {
        if number > 0 {
            writeln!(out, "{label:<8}{number}")?;
        }
    }
    if let Some(ms) = song.duration_ms {
        writeln!(out, "length  {}", Length(ms))?;
    }
    if song.rate > 0 {
        let channels = if song.channels == 1 { "mono" } else { "stereo" };
        writeln!(out, "sound   {} kbit/s, {} Hz, {channels}", song.bitrate.div_ceil(1000), song.rate)?;
    }
    for (label, gain) in [("", song.gain.track), ("album ", song.gain.album)] {
        if let Some(hundredths) = gain {
            writeln!(out, "gain    {label}{}", Decibels(hundredths))?;
        }
    }
    writeln!(out, "size    {} bytes", song.size_bytes)
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn a_gain_below_one_decibel_keeps_its_sign() {
        let shown = [-1_204, -50, 0, 602, i16::MIN].map(|gain| format!("{}", Decibels(gain)));
        assert_eq!(shown, ["-12.04 dB", "-0.50 dB", "+0.00 dB", "+6.02 dB", "-327.68 dB"]);
    }
}
