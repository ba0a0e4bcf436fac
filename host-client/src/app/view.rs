//! What the user sees of it all.

use std::time::Duration;

use super::App;
use crate::buffer::CAPACITY_BYTES;
use crate::ui::status;

impl App {
    pub(super) fn show_status(&self) {
        if self.console.has_prompt() && self.server_name.is_some() {
            self.console.show_status(|columns, charset| status::line(&self.status(), columns, charset));
        }
    }

    pub(super) fn status(&self) -> status::Status<'_> {
        let level = self.stage.heard().map_or(0, |song| self.buffer.level(song.ticket));
        let started = self.stage.heard().and_then(|song| song.started);
        let bytes_per_second = started.map_or(1, |started| started.bytes_per_second());
        let (position, is_buffering) = self.position();
        let song = self.stage.heard().or_else(|| self.stage.meant());
        let details = song.and_then(|song| song.details.as_ref());
        let length = started.map(|started| Duration::from_millis(started.duration_ms()));
        status::Status {
            state: self.state(is_buffering),
            song: song.map(|song| status::Song {
                number: song.song.0,
                title: details.map_or("", |details| &details.title),
                artist: details.map_or("", |details| &details.artist),
                position,
                duration: length.or_else(|| details.and_then(|details| details.duration)),
            }),
            buffered: Duration::from_secs_f64(level as f64 / f64::from(bytes_per_second)),
            buffer_fill: level as f32 / CAPACITY_BYTES as f32,
            underruns: self.player.as_ref().map_or(0, |player| player.controls().underruns()),
            volume_percent: self.volume_percent,
        }
    }

    fn state(&self, is_buffering: bool) -> status::State {
        if self.stage.is_empty() {
            return if self.link.is_connecting() { status::State::Connecting } else { status::State::Stopped };
        }
        if self.is_paused() {
            return status::State::Paused;
        }
        match (self.stage.needs_server() && self.link.connection().is_none(), is_buffering) {
            (true, _) => status::State::Reconnecting,
            (false, true) => status::State::Buffering,
            (false, false) => status::State::Playing,
        }
    }

    /// What is heard now, as a time in the song; and whether it waits for more to arrive.
    pub(super) fn position(&self) -> (Duration, bool) {
        let Some(song) = self.stage.heard() else { return (Duration::ZERO, true) };
        if let Some(player) = &self.player
            && let Some(progress) = player.progress().filter(|progress| progress.ticket == song.ticket)
        {
            return (player.position(&progress), progress.is_buffering);
        }
        (song.at, true)
    }
}
