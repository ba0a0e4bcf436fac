//! How songs and the state of things are put into words.

use core::fmt::{self, Write};
use core::time::Duration;

use trill_proto::command::Clock;
use trill_proto::ids::SongId;
use trill_proto::message::Song;
use trill_proto::text::visible;
use trill_proto::ticks::Ticks;

use super::State;

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

/// A line of a list.
pub(super) struct SongLine<'a>(pub(super) &'a Song<'a>);

impl fmt::Display for SongLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}  {}", self.0.song.0, Names(self.0))?;
        match self.0.duration_ms {
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

/// A time in whole seconds.
pub(super) fn seconds(ms: u64) -> Clock {
    Clock(Duration::from_secs(ms / 1000))
}

/// All that is known about a song, a line for each; what is unknown is left out.
pub(super) fn write_info(out: &mut impl Write, song: &Song<'_>) -> fmt::Result {
    writeln!(out, "song    {}", song.song)?;
    for (label, text) in [("title", song.title), ("artist", song.artist), ("album", song.album)] {
        if !text.is_empty() {
            writeln!(out, "{label:<8}{}", Text(text))?;
        }
    }
    if song.track > 0 {
        writeln!(out, "track   {}", song.track)?;
    }
    if let Some(ms) = song.duration_ms {
        writeln!(out, "length  {}", Length(ms))?;
    }
    if song.rate > 0 {
        let channels = if song.channels == 1 { "mono" } else { "stereo" };
        writeln!(out, "sound   {} kbit/s, {} Hz, {channels}", song.bitrate.div_ceil(1000), song.rate)?;
    }
    writeln!(out, "size    {} bytes", song.size_bytes)
}

/// What is heard, or about to be.
pub(super) enum Heard {
    Nothing,
    AskedFor(SongId),
    Song { song: SongId, state: &'static str, at_ms: u64, length_ms: u64 },
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => f.write_str("song    none"),
            Self::AskedFor(song) => write!(f, "song    {song}, asked for"),
            Self::Song { song, state, at_ms, length_ms } => {
                write!(f, "song    {song}, {state} at {} of {}", seconds(at_ms), seconds(length_ms))
            }
        }
    }
}

impl State<'_> {
    /// What is happening, a line for each.
    pub(super) fn write_status(&mut self) {
        let heard = self.heard();
        let Self { screen, buffer, controls, server, volume, first_sample_after, .. } = self;
        let is_open = self.client.as_ref().is_some_and(trill_proto::session::client::Client::is_open);
        let _ = screen.lines(|out| {
            writeln!(out, "server  {server}{}", if is_open { "" } else { " (not connected)" })?;
            writeln!(out, "{heard}")?;
            let percent = buffer.len() * 100 / buffer.capacity().max(1);
            writeln!(out, "buffer  {} bytes, {percent} %", buffer.len())?;
            writeln!(out, "volume  {volume}")?;
            let ms = first_sample_after.as_micros() as u64 / 1000;
            writeln!(out, "sound   {} underruns, first sample {ms} ms after the last play", controls.underruns())
        });
    }

    /// What is heard, or about to be.
    pub(super) fn heard(&self) -> Heard {
        let asked_for = self.plays.last().map(|(wish, _)| wish.song);
        let asked_for = asked_for.or(self.lookup.map(|lookup| lookup.what.search.ask().0));
        match (self.buffer.first(), asked_for) {
            (None, None) => Heard::Nothing,
            (None, Some(song)) => Heard::AskedFor(song),
            (Some(track), _) => Heard::Song {
                song: track.started.song,
                state: match () {
                    () if self.controls.is_paused() => "paused",
                    () if self.is_buffering => "buffering",
                    () => "playing",
                },
                at_ms: self.position_ms(),
                length_ms: track.started.duration_ms(),
            },
        }
    }

    /// How far the song heard is, in milliseconds of its music.
    pub(super) fn position_ms(&self) -> u64 {
        self.buffer.first().map_or(0, |track| {
            let heard = Ticks::of_samples(self.controls.position().into(), self.counted_rate);
            track.started.millis_at(self.counted_from.saturating_add(heard))
        })
    }
}
