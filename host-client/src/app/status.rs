//! The player's state, for the status line and the `status` command.

use std::time::Duration;

use super::App;
use crate::shared::{CAPACITY_BYTES, Player};
use crate::ui::status;

impl App {
    pub(super) fn show_status(&self) {
        if self.console.has_prompt() && self.server_name.is_some() {
            self.console.show_status(|columns, charset| status::line(&self.status(), columns, charset));
        }
    }

    pub(super) fn status(&self) -> status::Status<'_> {
        let controls = self.decode_loop.as_ref().map(|decode_loop| decode_loop.controls());
        let underruns = controls.map_or(0, |controls| controls.underruns());
        self.shared.with(|player, _| {
            let heard = player.heard();
            let buffered_bytes = heard.map_or(0, |track| track.buffered);
            let bytes_per_second = heard.map_or(1, |track| track.started.bytes_per_second());
            status::Status {
                state: playback_state(player),
                song: self.song(player),
                buffered: Duration::from_secs_f64(buffered_bytes as f64 / f64::from(bytes_per_second)),
                buffer_fill: buffered_bytes as f32 / CAPACITY_BYTES as f32,
                underruns,
                volume_percent: self.volume_percent,
            }
        })
    }

    /// The song that is heard, or else the one that is requested.
    fn song(&self, player: &Player) -> Option<status::Song<'_>> {
        let Some(track) = player.heard() else {
            let item = player.target()?;
            let position = Duration::from_millis(item.at_ms);
            return Some(status::Song { number: item.song.0, title: "", artist: "", position, duration: None });
        };
        let title = self.title.as_ref().filter(|song| song.id == track.started.song);
        Some(status::Song {
            number: track.started.song.0,
            title: title.map_or("", |song| &song.title),
            artist: title.map_or("", |song| &song.artist),
            position: Duration::from_millis(player.position_ms(self.heard_frames())),
            duration: Some(Duration::from_millis(track.started.duration_ms())),
        })
    }

    /// Frames of the current song that the device has taken. The player's lock keeps the song from changing meanwhile.
    pub(super) fn heard_frames(&self) -> u64 {
        self.decode_loop.as_ref().map_or(0, |decode_loop| decode_loop.controls().position_frames())
    }
}

fn playback_state(player: &Player) -> status::PlaybackState {
    match () {
        () if player.is_silent() && player.is_connecting() => status::PlaybackState::Connecting,
        () if player.is_silent() => status::PlaybackState::Stopped,
        () if player.is_paused() => status::PlaybackState::Paused,
        () if player.needs_server() && !player.is_open() => status::PlaybackState::Reconnecting,
        () if player.is_buffering() => status::PlaybackState::Buffering,
        () => status::PlaybackState::Playing,
    }
}
