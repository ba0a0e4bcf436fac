//! What a listener may expect, from the commands alone.

use std::collections::VecDeque;
use std::mem;

use trill_player::{
    Direction, ItemId, ListRequest, MAX_QUESTIONS, Player, Question, QueueItem, Refused, Source, Transition,
};
use trill_proto::ids::SongId;

use crate::world::{FRAME_BYTES, File, LIBRARY, Told, file};

/// The songs that were played together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Playlist {
    first: SongId,
    last: SongId,
    /// Each song follows the one before it by itself.
    advances: bool,
}

impl Playlist {
    /// One song. All others are before or after it, for `next` and `previous`.
    const SINGLE: Self = Self { first: SongId(1), last: SongId(u32::MAX), advances: false };
}

/// A song and its playlist.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stand {
    song: u32,
    playlist: Playlist,
}

impl Stand {
    pub(crate) fn of<const CONTROL: usize>(player: &Player<'_, CONTROL>, item: &QueueItem) -> Self {
        let entry = item.replaces.or(player.queue().entries().first().copied());
        let playlist = match entry.expect("a song has a place").source {
            Source::Numbers { first, last } => Playlist { first, last, advances: true },
            _ => Playlist::SINGLE,
        };
        Self { song: item.song.0, playlist }
    }
}

/// A song of a playlist, from a position on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wish {
    song: u32,
    playlist: Playlist,
    at_ms: u64,
}

/// The switch that the last commands lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Wanted {
    /// None: what is heard goes on.
    #[default]
    Nothing,
    /// To this song. `is_named` if a command named it, so that it does not depend on a search.
    Song { wish: Wish, is_named: bool },
    /// It depends on the moment at which the server answers.
    Unknown,
}

/// The song heard.
#[derive(Clone, Copy, Debug)]
struct Heard {
    id: ItemId,
    song: u32,
    playlist: Playlist,
    is_over: bool,
}

impl Heard {
    const fn new(id: ItemId, Stand { song, playlist }: Stand) -> Self {
        Self { id, song, playlist, is_over: false }
    }
}

/// A listener, who knows the library.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    heard: Option<Heard>,
    /// The next byte of the song heard.
    position: u64,
    wanted: Wanted,
    /// Commands after the wanted one that the server will refuse.
    refused_after: usize,
    /// A command has not been answered.
    is_pending: bool,
    /// A command for music came after the last stop.
    has_music: bool,
    /// Whether the music is paused, if it does not depend on the moment.
    pause: Option<bool>,
    questions: VecDeque<Question>,
    listed: Vec<u32>,
    /// Songs that the server ended early.
    short: Vec<u32>,
}

impl Listener {
    // ── commands ──

    pub(crate) fn play(&mut self, song: u32, at_ms: u64) {
        self.begins_with_sound();
        self.want_named(Wish { song, playlist: Playlist::SINGLE, at_ms });
    }

    pub(crate) fn play_range(&mut self, first: u32, last: u32) {
        self.begins_with_sound();
        let playlist = Playlist { first: SongId(first), last: SongId(last), advances: true };
        self.want_found(following(first - 1, playlist), playlist);
    }

    /// A step that the player accepts. `before` is the song heard when the command came.
    pub(crate) fn step(&mut self, before: Option<Stand>, direction: Direction) {
        self.begins_with_sound();
        let Some((song, playlist)) = self.base(before) else {
            self.wanted = Wanted::Unknown;
            (self.has_music, self.is_pending) = (true, true);
            return;
        };
        let neighbour = match direction {
            Direction::Next => listed(playlist).find(|file| file.song > song),
            Direction::Previous => listed(playlist).filter(|file| file.song < song).last(),
        };
        let playable = neighbour.filter(|file| file.frame_at(0).is_some());
        let passed = || following(song, playlist).filter(|_| direction == Direction::Next && playlist.advances);
        self.want_found(playable.or_else(passed), playlist);
    }

    /// A seek that the player accepts.
    pub(crate) fn seek(&mut self, before: Option<Stand>, song: Option<SongId>, at_ms: u64) {
        let base = self.base(before).filter(|(base, _)| song == Some(SongId(*base)));
        match base {
            Some((song, playlist)) => self.want_named(Wish { song, playlist, at_ms }),
            None => (self.wanted, self.is_pending) = (Wanted::Unknown, true),
        }
    }

    pub(crate) const fn set_paused(&mut self, is_paused: bool) {
        self.pause = Some(is_paused);
    }

    pub(crate) fn stop(&mut self) {
        let (questions, listed) = (mem::take(&mut self.questions), mem::take(&mut self.listed));
        *self = Self { questions, listed, pause: Some(false), ..Self::default() };
    }

    pub(crate) fn ask(&mut self, question: Question, is_taken: bool) {
        assert_eq!(is_taken, self.questions.len() < MAX_QUESTIONS);
        if is_taken {
            self.questions.push_back(question);
        }
    }

    /// A pause is certain only until another song may start.
    fn begins_with_sound(&mut self) {
        self.pause = self.pause.filter(|is_paused| !is_paused);
    }

    /// The song from which a step or seek goes, if it does not depend on the moment.
    fn base(&self, before: Option<Stand>) -> Option<(u32, Playlist)> {
        match self.wanted {
            _ if !self.is_pending => before.map(|stand| (stand.song, stand.playlist)),
            Wanted::Song { wish, is_named: true } if self.refused_after == 0 => Some((wish.song, wish.playlist)),
            _ => None,
        }
    }

    fn want_named(&mut self, wish: Wish) {
        (self.has_music, self.is_pending) = (true, true);
        if file(wish.song).is_some_and(|file| file.frame_at(wish.at_ms).is_some()) {
            (self.wanted, self.refused_after) = (Wanted::Song { wish, is_named: true }, 0);
        } else {
            self.on_to_be_refused();
        }
    }

    fn want_found(&mut self, found: Option<&File>, playlist: Playlist) {
        (self.has_music, self.is_pending) = (true, true);
        if let Some(file) = found {
            let wish = Wish { song: file.song, playlist, at_ms: 0 };
            (self.wanted, self.refused_after) = (Wanted::Song { wish, is_named: false }, 0);
        } else {
            self.on_to_be_refused();
            if let Wanted::Song { is_named, .. } = &mut self.wanted {
                *is_named = false;
            }
        }
    }

    /// The last command will lead to nothing. The player remembers at most three songs, and a named song ends a search.
    fn on_to_be_refused(&mut self) {
        self.refused_after += 1;
        let stays = match self.wanted {
            Wanted::Nothing => true,
            Wanted::Song { is_named, .. } => is_named && self.refused_after < 3,
            Wanted::Unknown => false,
        };
        if !stays {
            self.wanted = Wanted::Unknown;
        }
    }

    // ── what happens ──

    /// The connection is lost. Of several songs that were requested, the next one asks only for the last.
    pub(crate) fn on_cut(&mut self) {
        if matches!(self.wanted, Wanted::Song { .. }) && self.refused_after > 0 {
            self.wanted = Wanted::Unknown;
        }
    }

    pub(crate) fn on_ended_early(&mut self, song: u32) {
        self.short.push(song);
    }

    pub(crate) fn on_told(&mut self, told: &Told) {
        match told {
            Told::Listed(song) => {
                assert_eq!(self.questions.front(), Some(&Question::List(ListRequest::ALL)));
                self.listed.push(*song);
            }
            Told::ListComplete => {
                let listed = mem::take(&mut self.listed);
                assert_eq!(listed, LIBRARY.map(|file| file.song), "every song once");
                assert_eq!(self.questions.pop_front(), Some(Question::List(ListRequest::ALL)));
            }
            Told::Info(song) => assert_eq!(self.questions.pop_front(), Some(Question::Info(SongId(*song)))),
            Told::Refused(refused @ (Refused::List | Refused::Info(_)))
            | Told::GivenUp(refused @ (Refused::List | Refused::Info(_))) => {
                self.listed.clear();
                assert_eq!(self.questions.pop_front().map(|question| question.refused()), Some(*refused));
            }
            Told::GivenUp(_) => (self.wanted, self.refused_after) = (Wanted::Nothing, 0),
            Told::Refused(_) => {}
        }
    }

    /// A song begins to be heard.
    pub(crate) fn on_began<const CONTROL: usize>(&mut self, player: &Player<'_, CONTROL>) {
        let item = &player.heard().expect("it begins").item;
        let now = Heard::new(item.id, Stand::of(player, item));
        let wish = Wish { song: now.song, playlist: now.playlist, at_ms: item.at_ms };
        if item.transition == Transition::Follow {
            let before = self.heard.expect("a song before it");
            assert!(before.is_over, "the song before it was not heard to its end");
            assert_eq!(following(before.song, before.playlist).map(|file| file.song), Some(now.song));
        } else if self.heard.is_none_or(|heard| heard.id != now.id) {
            assert!(self.is_pending, "nobody wanted song {}", now.song);
            if matches!(self.wanted, Wanted::Song { wish: wanted, .. } if wanted == wish) {
                self.wanted = Wanted::Nothing;
            }
        }
        let frame = file(now.song).and_then(|file| file.frame_at(item.at_ms)).expect("it can be played");
        (self.heard, self.position) = (Some(now), frame * FRAME_BYTES);
    }

    /// A frame is heard.
    pub(crate) fn on_frame(&mut self, song: u32, position: u64) {
        assert_eq!((Some(song), position), (self.heard.map(|heard| heard.song), self.position));
        self.position += FRAME_BYTES;
    }

    /// The song was heard to its end.
    pub(crate) fn on_finished(&mut self) {
        let heard = self.heard.as_mut().expect("a song");
        heard.is_over = true;
        let size = file(heard.song).expect("a song").frames * FRAME_BYTES;
        assert!(self.position == size || self.short.contains(&heard.song), "song {} was not whole", heard.song);
    }

    // ── what must hold ──

    /// At any time.
    pub(crate) fn check<const CONTROL: usize>(&self, player: &Player<'_, CONTROL>) {
        assert!(self.has_music || player.is_silent(), "music after stop");
        if let Some(is_paused) = self.pause {
            assert_eq!(player.is_paused(), is_paused);
        }
    }

    /// When the server has answered everything.
    pub(crate) fn check_answered<const CONTROL: usize>(&mut self, player: &Player<'_, CONTROL>) {
        let heard = player.heard().map(|track| track.item);
        if let Wanted::Song { wish, .. } = self.wanted {
            let heard = heard.map(|item| {
                let Stand { song, playlist } = Stand::of(player, &item);
                Wish { song, playlist, at_ms: item.at_ms }
            });
            assert_eq!(heard, Some(wish));
        }
        let switched = heard.filter(|item| item.transition == Transition::Switch);
        let switched = switched.map(|item| Heard::new(item.id, Stand::of(player, &item)));
        if let Some(switched) = switched.filter(|now| self.heard.is_none_or(|heard| heard.id != now.id)) {
            assert!(self.is_pending, "nobody wanted song {}", switched.song);
            self.heard = Some(switched);
        }
        (self.wanted, self.refused_after, self.is_pending) = (Wanted::Nothing, 0, false);
        self.pause = Some(player.is_paused());
        assert!(self.questions.is_empty(), "no answer to {:?}", self.questions);
        assert!(player.is_settled());
    }

    /// When everything was heard.
    pub(crate) fn check_end<const CONTROL: usize>(&self, player: &Player<'_, CONTROL>) {
        assert!(player.is_silent());
        if let Some(heard) = self.heard {
            assert!(heard.is_over, "the rest of song {} was not heard", heard.song);
            assert!(following(heard.song, heard.playlist).is_none() || !heard.playlist.advances, "music is missing");
        }
    }
}

fn listed(playlist: Playlist) -> impl Iterator<Item = &'static File> {
    LIBRARY.iter().filter(move |file| (playlist.first.0..=playlist.last.0).contains(&file.song))
}

/// The song of the playlist after this number that can be played.
fn following(song: u32, playlist: Playlist) -> Option<&'static File> {
    listed(playlist).find(|file| file.song > song && file.frame_at(0).is_some())
}
