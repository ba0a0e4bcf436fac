//! The player's state, for the status line and the `status` command.

use std::time::{Duration, Instant};

use trill_player::Direction;

use super::App;
use crate::network::Song;
use crate::shared::{CAPACITY_BYTES, Player};
use crate::ui::status;

/// How long the status line shows a change.
const NEWS: Duration = Duration::from_secs(5);

/// Changes that the status line shows for a while.
#[derive(Debug, Default)]
pub(super) struct News {
    volume: Option<Instant>,
    underrun: Option<Instant>,
    underruns: u64,
}

impl News {
    pub(super) fn on_volume(&mut self) {
        self.volume = Some(Instant::now());
    }

    fn on_underruns(&mut self, count: u64) {
        if count > self.underruns {
            self.underrun = Some(Instant::now());
        }
        self.underruns = count;
    }

    /// Whether there is something to show.
    pub(super) fn is_any(&self) -> bool {
        is_new(self.volume) || is_new(self.underrun)
    }
}

fn is_new(change: Option<Instant>) -> bool {
    change.is_some_and(|at| at.elapsed() < NEWS)
}

impl App {
    pub(super) fn show_status(&mut self) {
        self.news.on_underruns(self.underruns());
        if self.console.has_status() && self.server_name.is_some() {
            let (status, look) = (self.status(), self.console.look());
            self.console.show_status(Box::new(move |columns| status::line(&status, columns, look)));
        }
    }

    /// What the player does now.
    pub(super) fn status(&self) -> status::Status {
        self.shared.with(|player, now| {
            let heard = player.heard();
            let buffered_bytes = heard.map_or(0, |track| track.buffered);
            let bytes_per_second = heard.map_or(1, |track| track.started.bytes_per_second());
            status::Status {
                state: playback_state(player),
                song: self.song(player),
                next: self.next(player),
                buffered: Duration::from_secs_f64(buffered_bytes as f64 / f64::from(bytes_per_second)),
                buffer_fill: buffered_bytes as f32 / CAPACITY_BYTES as f32,
                underruns: self.underruns(),
                has_trouble: is_new(self.news.underrun),
                volume_percent: self.volume_percent,
                has_new_volume: is_new(self.news.volume),
                gain: player.gain(),
                queue: queue(player),
                sleep: player.sleep_left(now),
            }
        })
    }

    /// What follows the song heard: a title. The server has told it at the last change of the queue.
    fn next(&self, player: &Player) -> String {
        let queue = player.queue();
        let song = match player.following_position() {
            _ if player.stops_after() => return "stop".to_owned(),
            None => None,
            again if again == queue.present() => self.title.as_ref(),
            Some(_) => self.following.as_ref(),
        };
        song.map_or_else(String::new, |song| song.title.clone())
    }

    /// The song that is heard, or else the one that is requested.
    fn song(&self, player: &Player) -> Option<status::Song> {
        let Some(track) = player.heard() else {
            let item = player.target()?;
            let position = Duration::from_millis(item.at_ms);
            let [title, artist, album] = [const { String::new() }; 3];
            return Some(status::Song { number: item.song.0, title, artist, album, position, duration: None });
        };
        let title = self.title.as_ref().filter(|song| song.id == track.started.song);
        let text = |field: fn(&Song) -> &String| title.map(field).cloned().unwrap_or_default();
        Some(status::Song {
            number: track.started.song.0,
            title: text(|song| &song.title),
            artist: text(|song| &song.artist),
            album: text(|song| &song.album),
            position: Duration::from_millis(player.position_ms(self.heard_frames())),
            duration: Some(Duration::from_millis(track.started.duration_ms())),
        })
    }

    fn underruns(&self) -> u64 {
        self.decode_loop.as_ref().map_or(0, |decode_loop| decode_loop.controls().underruns())
    }

    /// Frames of the current song that the device has taken. The player's lock keeps the song from changing meanwhile.
    pub(super) fn heard_frames(&self) -> u64 {
        self.decode_loop.as_ref().map_or(0, |decode_loop| decode_loop.controls().position_frames())
    }
}

fn queue(player: &Player) -> status::Queue {
    let queue = player.queue();
    // Before a song begins, the present place is that of the song before it.
    let requested = player.target().filter(|_| player.heard().is_none());
    status::Queue {
        place: requested.map_or_else(|| queue.present(), |item| queue.position(item.place)),
        songs: queue.songs(),
        shuffle: player.shuffle(),
        repeat: player.repeat(),
        stops_after: player.stops_after(),
        has_next: player.can_step(Direction::Next),
        has_previous: player.can_step(Direction::Previous),
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
