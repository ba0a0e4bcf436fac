//! What the user asks for.

use core::fmt::Write;
use core::time::Duration;

use trill_proto::command::{Command, Play, Seek, Volume, write_help, write_help_on};
use trill_proto::ids::SongId;
use trill_proto::time::Instant;

use super::report::seconds;
use super::{Question, Search, State, Wanted};
use crate::server::Server;
use crate::wish::{Join, Wish};

/// Asked for with a number that no song can come after.
const LAST: SongId = SongId(u32::MAX);

impl State<'_> {
    pub(crate) fn execute(&mut self, now: Instant, command: Command) {
        self.calls.network = true;
        self.is_superseded = false;
        match command {
            Command::List => self.question(Question::List { from: SongId(1) }),
            Command::Info(song) => self.question(Question::Info(song)),
            Command::Play(Play::Song { song, at }) => self.play_one(now, song, at),
            Command::Play(Play::Range { first, last }) => self.play_from(now, first, last),
            Command::Play(Play::All) => self.play_from(now, SongId(1), LAST),
            Command::Stop => self.stop(),
            Command::Pause => self.set_paused(true),
            Command::Resume => self.set_paused(false),
            Command::Next => self.play_next(now),
            Command::Previous => self.play_previous(now),
            Command::Seek(seek) => self.seek(now, seek),
            Command::Volume(volume) => self.volume(volume),
            Command::Status => self.write_status(),
            Command::Help(Some(spec)) => {
                let _ = self.screen.lines(|out| write_help_on(out, spec));
            }
            Command::Help(None) => {
                let _ = self.screen.lines(|out| {
                    write_help(out)?;
                    writeln!(out, "server HOST[:PORT] connects to another server")
                });
            }
            Command::Quit => self.screen.line(format_args!("a board does not quit; stop ends the music")),
        }
    }

    /// Connects to another server from now on. What was wanted of the last one is not.
    pub(crate) fn change_server(&mut self, server: Server) {
        self.silence();
        self.questions.clear();
        self.server = server;
        self.told = None;
        (self.was_connected, self.is_superseded) = (false, false);
        self.is_leaving = true;
        self.calls.network = true;
    }

    fn question(&mut self, question: Question) {
        if !self.is_open() {
            self.screen.line(format_args!("not connected to {}", self.server));
        } else if self.questions.push_back(Wanted::new(question)).is_err() {
            self.screen.line(format_args!("wait for the answers to the last questions"));
        }
    }

    fn play_one(&mut self, now: Instant, song: SongId, at: Duration) {
        self.search = None;
        let at_ms = at.as_millis().try_into().unwrap_or(u64::MAX);
        self.switch_to(now, song, song, at_ms);
    }

    fn play_from(&mut self, now: Instant, from: SongId, last: SongId) {
        if !self.is_open() {
            self.screen.line(format_args!("not connected to {}; the music plays when it is", self.server));
        }
        self.search = Some(Wanted::new(Search { from, last, join: Join::Switch, asked: Some(now) }));
    }

    fn switch_to(&mut self, now: Instant, song: SongId, last: SongId, at_ms: u64) {
        if !self.is_open() {
            self.screen.line(format_args!("not connected to {}; song {song} plays when it is", self.server));
        }
        let ticket = self.next_ticket();
        self.want(Wish {
            ticket,
            song,
            last,
            at_ms,
            content_tag: 0,
            join: Join::Switch,
            keeps_pause: false,
            is_announced: false,
            asked: Some(now),
        });
    }

    /// Ends the song, and its transmission.
    fn stop(&mut self) {
        if self.meant().is_none() && self.search.is_none() {
            return self.screen.line(format_args!("nothing is playing"));
        }
        self.silence();
    }

    pub(super) fn silence(&mut self) {
        self.controls.discard();
        self.controls.set_paused(false);
        self.buffer.clear();
        self.plays.clear();
        self.bringing = None;
        self.search = None;
        self.title = None;
        self.is_stopping = true;
        self.calls.player = true;
    }

    fn set_paused(&mut self, paused: bool) {
        if self.meant().is_none() {
            return self.nothing_plays();
        }
        for (wish, _) in &mut self.plays {
            wish.keeps_pause = true; // One that is on its way begins as it is told now.
        }
        self.controls.set_paused(paused);
    }

    fn nothing_plays(&mut self) {
        self.screen.line(format_args!("nothing is playing; play N plays song N"));
    }

    fn play_next(&mut self, now: Instant) {
        let Some(Wish { song, last, .. }) = self.meant().copied() else { return self.nothing_plays() };
        // A single song has all the others after it.
        let last = if last == song { LAST } else { last };
        // Twice in a row is two further, whether or not the first has been found.
        let after =
            self.search.filter(|search| search.what.join == Join::Switch).map_or(song, |search| search.what.from);
        match after.0.checked_add(1).map(SongId).filter(|from| *from <= last) {
            Some(from) => self.play_from(now, from, last),
            None => self.screen.line(format_args!("song {song} is the last")),
        }
    }

    fn play_previous(&mut self, now: Instant) {
        let Some(Wish { song, last, .. }) = self.meant().copied() else { return self.nothing_plays() };
        self.search = None;
        match song.0.checked_sub(1).filter(|number| *number > 0).map(SongId) {
            Some(before) => self.switch_to(now, before, if last == song { before } else { last }, 0),
            None => self.screen.line(format_args!("song {song} is the first")),
        }
    }

    fn seek(&mut self, now: Instant, seek: Seek) {
        let Some(wish) = self.meant().copied() else { return self.nothing_plays() };
        let heard = self.buffer.first().filter(|track| track.wish.ticket == wish.ticket);
        let from = heard.map_or(wish.at_ms, |_| self.position_ms());
        let target = seek.from(Duration::from_millis(from)).as_millis().try_into().unwrap_or(u64::MAX);
        if let Some(length) = heard.map(|track| track.started.duration_ms()).filter(|length| target >= *length) {
            return self.screen.line(format_args!("song {} is only {} long", wish.song, seconds(length)));
        }
        let content_tag = heard.map_or(wish.content_tag, |track| track.started.content_tag);
        let is_heard = heard.is_some();
        self.search = None;
        let ticket = self.next_ticket();
        self.want(Wish {
            ticket,
            at_ms: target,
            content_tag,
            join: Join::Switch,
            // A song that was asked for to begin with sound still does.
            keeps_pause: is_heard || wish.keeps_pause,
            is_announced: is_heard || wish.is_announced,
            asked: Some(now),
            ..wish
        });
    }

    fn volume(&mut self, volume: Option<Volume>) {
        match volume {
            None => self.screen.line(format_args!("volume {}", self.volume)),
            Some(volume) => {
                self.volume = volume.from(self.volume);
                self.controls.set_volume(self.volume);
            }
        }
    }
}
