//! The state that the parts share: the player, and the screen that shows its events.
//!
//! ```text
//!   Remote           ──▶ ┌────────┐ ◀── decode loop
//!                        │ Player │
//!   network: take    ──▶ └───┬────┘ ──▶ sound output: pause, discard
//!                            └─ events ──▶ screen
//! ```

mod events;
mod report;

pub(crate) use events::Loss;
pub(crate) use report::seconds;

use core::time::Duration;

use trill_player::command::{Seek, Volume};
use trill_player::{NotPossible, Options, Player, QueueMemory, Wakeups};
use trill_proto::ids::SongId;
use trill_proto::time::Instant;

use crate::ServerAddress;
use crate::pcm::Controls;
use crate::remote::{NowPlaying, SongState, Status};
use crate::screen::Screen;

/// Largest control payload that a board takes, in bytes: a song with its texts. The server cuts longer texts.
const CONTROL_BYTES: usize = 512;

/// Most bytes of the screen that one song of a list takes: its texts fill at most the control payload, and its number and
/// length are short. While the screen has less room, no songs are requested.
const SONG_LINE_BYTES: usize = CONTROL_BYTES + 32;

/// Typical bytes per song. Songs that do not fit are asked for again.
const TYPICAL_SONG_LINE_BYTES: usize = 64;

/// The most entries of the queue. Each is a song, an album or another selection, and takes 24 bytes.
pub(crate) const QUEUE_ENTRIES: usize = 16;

/// The state of the player and its screen.
pub(crate) struct State<'m> {
    pub(crate) player: Player<'m, CONTROL_BYTES>,
    pub(crate) screen: Screen<'m>,
    pub(crate) server: ServerAddress,
    controls: &'m Controls,
    /// The last loss that the screen showed.
    told: Option<Loss>,
    volume: u8,
    /// From the last `play` to its first sample, in milliseconds.
    first_sample_ms: u32,
}

impl<'m> State<'m> {
    /// `seed` differs from board to board.
    pub(crate) fn new(
        screen: &'m mut [u8],
        buffer: &'m mut [u8],
        queue: &'m mut QueueMemory<QUEUE_ENTRIES>,
        controls: &'m Controls,
        server: ServerAddress,
        seed: u32,
    ) -> Self {
        Self {
            player: Player::new(buffer, queue, Options { seed, is_persistent: true, wants_titles: true }),
            screen: Screen::new(screen),
            server,
            controls,
            told: None,
            volume: 100,
            first_sample_ms: 0,
        }
    }

    /// Passes pause and discard on to the sound output. Returns the wakeups for the other parts.
    pub(crate) fn sync_sound(&mut self) -> Wakeups {
        let wakeups = self.player.take_wakeups();
        if wakeups.discard {
            self.controls.discard();
        }
        if wakeups.sound {
            self.controls.set_paused(self.player.is_paused());
        }
        wakeups
    }

    /// The next bytes to send, copied to `out`.
    pub(crate) fn transmit<'o>(&mut self, now: Instant, out: &'o mut [u8]) -> &'o [u8] {
        let room = self.screen.room().checked_sub(SONG_LINE_BYTES);
        self.player.set_page_songs(room.map_or(0, |room| (room / TYPICAL_SONG_LINE_BYTES + 1) as u32));
        let bytes = self.player.poll_transmit(now).unwrap_or_default();
        let out = out.split_at_mut(bytes.len().min(out.len())).0;
        out.copy_from_slice(bytes);
        out
    }

    /// Stores the time from the listener's `play` to the first sample.
    pub(crate) const fn on_sounded(&mut self, after: Duration) {
        self.first_sample_ms = after.as_millis() as u32;
    }

    /// Goes to another place in the song. Returns the song, if it is known yet, and the place in milliseconds.
    pub(crate) fn seek(&mut self, now: Instant, seek: Seek) -> Result<(Option<SongId>, u64), NotPossible> {
        self.player.seek(now, seek, self.controls.position().into())
    }

    /// Returns the new volume in percent.
    pub(crate) fn set_volume(&mut self, volume: Volume) -> u8 {
        self.volume = volume.from(self.volume);
        self.controls.set_volume(self.volume);
        self.volume
    }

    /// Connects to another server from now on. What was wanted of the last one is dropped.
    pub(crate) fn change_server(&mut self, server: ServerAddress) {
        self.player.change_server();
        self.server = server;
        self.told = None;
    }

    /// Drops all questions that wait for their answers.
    pub(crate) fn cancel_questions(&mut self) {
        while self.player.give_up_question().is_some() {}
    }

    pub(crate) fn status(&self) -> Status {
        let Self { player, controls, .. } = self;
        Status {
            is_connected: player.is_open(),
            now_playing: self.now_playing(),
            following: player.following(),
            buffered_bytes: player.buffered_bytes(),
            capacity_bytes: player.capacity_bytes(),
            volume_percent: self.volume,
            underruns: controls.underruns(),
            first_sample_ms: self.first_sample_ms,
            place: player.queue().present().unwrap_or(0),
            songs: player.queue().songs(),
            shuffle: player.shuffle(),
            repeat: player.repeat(),
            stops_after: player.stops_after(),
            gain: player.gain(),
        }
    }

    fn now_playing(&self) -> NowPlaying {
        let player = &self.player;
        match (player.heard(), player.asked_for()) {
            (None, None) if player.is_silent() => NowPlaying::Nothing,
            (None, None) => NowPlaying::Searching,
            (None, Some(song)) => NowPlaying::Requested(song),
            (Some(track), _) => NowPlaying::Song {
                song: track.started.song,
                state: match () {
                    () if player.is_paused() => SongState::Paused,
                    () if player.is_buffering() => SongState::Buffering,
                    () => SongState::Playing,
                },
                position_ms: player.position_ms(self.controls.position().into()),
                length_ms: track.started.duration_ms(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use trill_player::{ListRequest, Question};
    use trill_proto::ids::{RequestId, SongId};
    use trill_proto::message::{Goodbye, GoodbyeReason, Message, PREAMBLE, Song, Welcome};
    use trill_proto::session::client::Identity;
    use trill_tests::messages::encode;

    use super::*;
    use crate::pcm::Pcm;

    const NOW: Instant = Instant::from_micros(0);
    const WELCOME: Message<'_> = Message::Welcome(Welcome { generation: 1, song_count: 4, ..Welcome::new() });

    /// Connects, and takes these messages of the server; says something after each.
    fn take(state: &mut State<'_>, messages: &[Message<'_>]) {
        state.player.begin_attempt();
        state.player.handle_connected(NOW, &Identity { name: "board", nonce: [7; 16], roles: 0 });
        state.transmit(NOW, &mut [0; 512]);
        state.take(NOW, &PREAMBLE).expect("a preamble");
        for message in messages {
            state.take(NOW, &encode(message)).expect("an answer");
            state.transmit(NOW, &mut [0; 512]);
        }
    }

    #[test]
    fn a_connection_whose_place_was_taken_is_made_again_by_a_command() {
        let (mut screen, mut buffer, pcm) = ([0; 999], [0; 16 * 1024], Pcm::<16>::new());
        let mut queue = QueueMemory::new();
        let queue = &mut queue;
        let mut state =
            State::new(&mut screen, &mut buffer, queue, pcm.controls(), "attic".parse().expect("a server"), 1);
        take(&mut state, &[WELCOME, Message::Goodbye(Goodbye { reason: GoodbyeReason::Superseded })]);
        state.on_disconnected(NOW, Loss::Told);
        assert_eq!(state.player.poll_connect(), None);
        state.set_volume(Volume::To(100));
        assert_eq!(state.player.poll_connect(), None, "the volume needs no server");
        state.player.ask(Question::List(ListRequest::ALL)).expect("a question can be asked");
        assert!(state.player.poll_connect().is_some());
        let told = b"connected to a server at attic:7455, 4 songs; help lists the commands\n\
            another connection took this one's place; the next command connects again\n";
        assert_eq!(state.screen.take(&mut [0; 999]), told.as_slice());
    }

    #[test]
    fn a_song_for_which_there_is_no_room_is_asked_for_again() {
        let (mut screen, mut buffer, pcm) = ([0; SONG_LINE_BYTES + 90], [0; 16 * 1024], Pcm::<16>::new());
        let mut queue = QueueMemory::new();
        let server = "attic".parse().expect("a server");
        let mut state = State::new(&mut screen, &mut buffer, &mut queue, pcm.controls(), server, 1);
        take(&mut state, &[WELCOME]);
        state.screen.take(&mut [0; 99]);
        state.player.ask(Question::List(ListRequest::ALL)).expect("a question can be asked");
        assert!(
            state.transmit(NOW, &mut [0; 512]).ends_with(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0]),
            "two songs from the first on"
        );
        let title = core::str::from_utf8(&[b'x'; 50]).expect("ASCII");
        for song in 1..=2 {
            let rank = Some(song - 1);
            let song = Song { request: RequestId(1), song: SongId(song), title, rank, ..Song::default() };
            state.take(NOW, &encode(&Message::Song(song))).expect("an answer");
        }
        let told = std::format!("    1  {title}\n    2  {title}\n");
        assert_eq!(state.screen.take(&mut [0; 999]), told.as_bytes());
    }
}
