//! What the user asks for.

use core::fmt::Write;
use core::time::Duration;

use trill_proto::command::{Command, Play, Seek, Volume, write_help, write_help_on};
use trill_proto::ids::SongId;
use trill_proto::list::Pager;
use trill_proto::playlist::{Direction, Playlist, Search};
use trill_proto::time::Instant;

use super::report::seconds;
use super::{Lookup, Question, State, Wanted};
use crate::server::Server;
use crate::wish::{Join, Wish};

impl State<'_> {
    pub(crate) fn execute(&mut self, now: Instant, command: Command) {
        self.calls.network = true;
        self.is_superseded = false;
        match command {
            Command::List => self.question(Question::List(Pager::new(SongId(1)))),
            Command::Info(song) => self.question(Question::Info(song)),
            Command::Play(Play::Song { song, at }) => self.play_one(now, song, at),
            Command::Play(Play::Range { first, last }) => {
                self.look_for(now, Search::first(Playlist { first, last, advances: true }));
            }
            Command::Play(Play::All) => self.look_for(now, Search::first(Playlist::ALL)),
            Command::Stop => self.stop(),
            Command::Pause => self.set_paused(true),
            Command::Resume => self.set_paused(false),
            Command::Next => self.step(now, Direction::Next),
            Command::Previous => self.step(now, Direction::Previous),
            Command::Seek(seek) => self.seek(now, seek),
            Command::Volume(volume) => self.volume(volume),
            Command::Status => self.write_status(),
            Command::Help(Some(command)) => {
                let _ = self.screen.lines(|out| write_help_on(out, command));
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
        (self.was_connected, self.is_superseded, self.is_flapping) = (false, false, false);
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
        if !self.is_open() {
            self.screen.line(format_args!("not connected to {}; song {song} plays when it is", self.server));
        }
        self.lookup = None;
        let at_ms = at.as_millis().try_into().unwrap_or(u64::MAX);
        let ticket = self.next_ticket();
        self.want(Wish { at_ms, asked: Some(now), ..Wish::new(ticket, song, Playlist::SINGLE) });
    }

    /// Looks for a song to be heard in place of all there is.
    fn look_for(&mut self, now: Instant, search: Search) {
        if !self.is_open() {
            self.screen.line(format_args!("not connected to {}; the music plays when it is", self.server));
        }
        let lookup = Lookup { search, join: Join::Switch, keeps_pause: false, is_detour: false, asked: Some(now) };
        self.lookup = Some(Wanted::new(lookup));
    }

    /// Ends the song, and its transmission.
    fn stop(&mut self) {
        if self.meant().is_none() && self.lookup.is_none() {
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
        self.lookup = None;
        self.title = None;
        self.is_stopping = true;
        self.calls.player = true;
    }

    fn set_paused(&mut self, paused: bool) {
        if self.meant().is_none() && self.lookup.is_none() {
            return self.nothing_plays();
        }
        // One that is on its way, or looked for, begins as it is told now.
        let asked = self.plays.iter_mut().map(|(wish, _)| &mut wish.keeps_pause);
        let looked_for = self.lookup.iter_mut().map(|lookup| &mut lookup.what.keeps_pause);
        asked.chain(looked_for).for_each(|keeps_pause| *keeps_pause = true);
        self.controls.set_paused(paused);
        let heard = self.heard();
        self.screen.line(format_args!("{heard}"));
    }

    fn nothing_plays(&mut self) {
        self.screen.line(format_args!("nothing is playing; play N plays song N"));
    }

    /// To the song before or after the one that is meant: if that is still being looked for, once it is found.
    fn step(&mut self, now: Instant, direction: Direction) {
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.what.join == Join::Switch) {
            return lookup.what.search.add(direction);
        }
        let Some(&Wish { song, playlist, .. }) = self.meant() else { return self.nothing_plays() };
        match Search::step(playlist, song, direction) {
            Some(search) => self.look_for(now, search),
            None => self.tell_edge(song, direction),
        }
    }

    /// Says that there is no song beyond this one.
    pub(super) fn tell_edge(&mut self, song: SongId, direction: Direction) {
        let place = if direction == Direction::Next { "last" } else { "first" };
        self.screen.line(format_args!("song {song} is the {place}"));
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
        self.screen.line(format_args!("song {} from {}", wish.song, seconds(target)));
        self.lookup = None;
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
        if let Some(volume) = volume {
            self.volume = volume.from(self.volume);
            self.controls.set_volume(self.volume);
        }
        self.screen.line(format_args!("volume {}", self.volume));
    }
}
