//! What the server says.

use core::fmt::{self, Write};

use trill_proto::error::{ErrorCode, SessionError};
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::list::PageEnd;
use trill_proto::message::{self, EndReason, GoodbyeReason, ListEnd, Song, Started, Welcome};
use trill_proto::playlist::{Direction, Playlist, Progress, Search};
use trill_proto::retry::Outcome;
use trill_proto::session::client::Event;
use trill_proto::time::Instant;

use super::report::{Names, SongLine, Text, write_info};
use super::{Lookup, Question, SONG_LINE_BYTES, State, Wanted};
use crate::board::ConnectError;
use crate::log;
use crate::wish::{Join, Ticket, Wish};

/// Why there is no connection, or none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Loss {
    /// It could not be made.
    Unreachable(ConnectError),
    /// It broke.
    Broken,
    /// One of the sides did something wrong, or was silent for too long.
    Session(SessionError),
    /// The server ended it, and has been heard to say why.
    Told,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => error.fmt(f),
            Self::Broken => f.write_str("the connection broke"),
            Self::Session(error) => error.fmt(f),
            Self::Told => f.write_str("the server ended the connection"),
        }
    }
}

impl State<'_> {
    pub(super) fn on_event(&mut self, event: Event<'_>) {
        match event {
            Event::Welcome(welcome) => self.on_welcome(&welcome),
            Event::Song(song) => self.on_song(&song),
            Event::ListEnd(end) => self.on_list_end(end),
            Event::Started(started) => self.on_started(started),
            Event::Data { stream, bytes } if self.bringing == Some(stream) => {
                self.buffer.push(bytes);
                self.calls.player = true;
            }
            Event::Data { .. } => {}
            Event::Ended { stream, reason } => self.on_ended(stream, reason),
            Event::Failed(error) => self.on_failed(&error),
            Event::Goodbye(GoodbyeReason::Restarting) => self.screen.line(format_args!("the server is shutting down")),
            Event::Goodbye(GoodbyeReason::Superseded) => {
                self.silence();
                self.is_superseded = true;
                self.screen
                    .line(format_args!("another connection took this one's place; the next command connects again"));
            }
            Event::Goodbye(_) => self.screen.line(format_args!("the server said goodbye")),
        }
    }

    fn on_welcome(&mut self, welcome: &Welcome<'_>) {
        log::info!("welcome, {=u32} songs", welcome.song_count);
        self.was_open = true;
        // All of a song may have come before its END was lost.
        self.look_for_next();
        if self.was_connected {
            if !self.is_flapping {
                self.screen.line(format_args!("connected again"));
            }
            return;
        }
        self.was_connected = true;
        let Self { screen, server, .. } = self;
        let name = Text(if welcome.server_name.is_empty() { "a server" } else { welcome.server_name });
        match (welcome.generation, welcome.song_count) {
            // Its library is still being looked through.
            (0, _) => screen.line(format_args!("connected to {name} at {server}; help lists the commands")),
            (_, 1) => screen.line(format_args!("connected to {name} at {server}, 1 song; help lists the commands")),
            (_, count) => {
                screen.line(format_args!("connected to {name} at {server}, {count} songs; help lists the commands"));
            }
        }
    }

    /// Says why there is no connection, unless that was said before. Returns what came of it.
    pub(crate) fn on_loss(&mut self, now: Instant, loss: Loss) -> Outcome {
        log::warning!("no connection: {}", loss);
        let outcome = match (loss, &self.client) {
            (Loss::Unreachable(_), _) => Outcome::Unreachable,
            (_, Some(client)) if client.was_useful(now) => Outcome::Useful,
            _ => Outcome::Useless,
        };
        if outcome == Outcome::Useful {
            self.is_flapping = false;
        }
        if self.is_leaving || self.is_superseded {
            return outcome;
        }
        if self.is_news(loss) {
            self.screen.line(format_args!("{}: {loss}; trying again", self.server));
        }
        self.told = Some(loss);
        match loss {
            Loss::Session(SessionError::Unanswered) => self.give_up_asked(),
            Loss::Session(SessionError::Silent | SessionError::Stalled) => {}
            // It may have been the answer that was wrong.
            Loss::Session(_) => self.give_up_question(),
            _ => {}
        }
        self.is_flapping |= outcome == Outcome::Useless && self.needs_server();
        outcome
    }

    /// Whether the loss of the present connection has not been told: it was one, or was none for another reason.
    fn is_news(&self, loss: Loss) -> bool {
        (self.was_open && !self.is_flapping) || self.told != Some(loss)
    }

    // ── answers ──

    fn on_song(&mut self, song: &Song<'_>) {
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.is_answered_by(song.request)) {
            lookup.what.search.on_song(song.song);
        } else if self.title.take_if(|title| title.is_answered_by(song.request)).is_some() {
            self.screen.line(format_args!("playing {} {}", song.song, Names(song)));
        } else if let Some(question) = self.answered(song.request).map(|question| question.what) {
            self.show_song(question, song);
        }
    }

    /// Shows a song that was asked for. One for which there is no room is asked for again when there is, with all that come
    /// after it.
    fn show_song(&mut self, question: Question, song: &Song<'_>) {
        let shown = match question {
            // The rest is for what else there is to tell.
            Question::List(_) if self.screen.room() < SONG_LINE_BYTES => Err(fmt::Error),
            Question::List(_) => self.screen.lines(|out| writeln!(out, "{}", SongLine(song))),
            Question::Info(_) => self.screen.lines(|out| write_info(out, song)),
        };
        let Some(front) = self.questions.front_mut() else { return };
        match (shown, &mut front.what) {
            (Err(_), _) => front.request = None,
            (Ok(()), Question::List(pager)) => pager.on_song(song.song),
            (Ok(()), Question::Info(_)) => drop(self.questions.pop_front()),
        }
    }

    fn on_list_end(&mut self, end: ListEnd) {
        if let Some(lookup) = self.lookup.take_if(|lookup| lookup.is_answered_by(end.request)) {
            return self.on_searched(lookup.what, end.next);
        }
        let Some(Wanted { what: Question::List(pager), request }) = self.answered(end.request) else { return };
        match pager.on_page(end.total, end.next) {
            PageEnd::More => *request = None,
            PageEnd::Complete => {
                self.questions.pop_front();
                if end.total == 0 {
                    self.screen.line(format_args!("the server has no songs"));
                }
            }
            PageEnd::Overlong(why) => {
                self.questions.pop_front();
                self.screen.line(format_args!("list: {why}"));
            }
        }
    }

    fn answered(&mut self, request: RequestId) -> Option<&mut Wanted<Question>> {
        self.questions.front_mut().filter(|question| question.is_answered_by(request))
    }

    fn on_searched(&mut self, mut lookup: Lookup, next: Option<SongId>) {
        let (song, is_step) = match lookup.search.on_page(next) {
            Progress::Asks => {
                self.lookup = Some(Wanted::new(lookup));
                return;
            }
            Progress::Found(song) => (song, lookup.search.origin().is_some()),
            Progress::Edge(..) if lookup.is_detour => return self.look_for_next(),
            Progress::Edge(..) if lookup.join == Join::Follow => return self.buffer.end_with_last(),
            Progress::Edge(song, direction) => {
                self.tell_edge(song, direction);
                (song, true)
            }
            Progress::Nothing if lookup.search.playlist() == Playlist::ALL => {
                return self.screen.line(format_args!("the server has no songs"));
            }
            Progress::Nothing => {
                let Playlist { first, last, .. } = lookup.search.playlist();
                return self.screen.line(format_args!("no songs from {first} to {last}; list shows what there is"));
            }
        };
        // After next and previous the listener is where they were.
        let is_there = is_step && lookup.join == Join::Switch && self.meant().is_some_and(|wish| wish.song == song);
        if !is_there {
            let Lookup { search, join, keeps_pause, asked, .. } = lookup;
            let ticket = self.next_ticket();
            self.want(Wish { join, keeps_pause, asked, ..Wish::new(ticket, song, search.playlist()) });
        }
    }

    // ── streams ──

    fn on_started(&mut self, started: Started) {
        log::info!("song {=u32} from byte {=u64}", started.song.0, started.position);
        if self.bringing == Some(started.stream) {
            // The machine has made sure that it does so at the right byte of the same song.
            return self.buffer.go_on_with(started.song);
        }
        self.bringing = None;
        let Some(place) = self.plays.iter().position(|(_, stream)| *stream == Some(started.stream)) else { return };
        let (mut wish, _) = self.plays.remove(place);
        // Other than the one that was asked for if that has other music by now: next and previous count from here.
        wish.song = started.song;
        // What was asked for before it can only be answered by now with the end of it.
        for _ in 0..place {
            self.plays.remove(0);
        }
        self.bringing = Some(started.stream);
        self.calls.player = true;
        if wish.join == Join::Follow && !self.buffer.is_followed() {
            return self.buffer.follow_with(wish, started);
        }
        self.controls.discard();
        if !wish.keeps_pause {
            self.controls.set_paused(false);
        }
        self.buffer.switch_to(wish, started);
    }

    fn on_ended(&mut self, stream: StreamId, reason: EndReason) {
        // Another takes its place, if one was asked for.
        let is_replaced = reason == EndReason::Replaced && self.plays.iter().any(|(_, asked)| *asked != Some(stream));
        let is_early = reason != EndReason::Finished && !is_replaced;
        if self.bringing == Some(stream) {
            if is_replaced && self.buffer.last().is_some_and(|track| !track.is_over) {
                // Until then it is only cut off: its rest is asked for if none starts.
                self.bringing = None;
                return;
            }
            if let Some(track) = self.buffer.last().filter(|_| is_early) {
                let song = track.started.song;
                self.screen.line(format_args!("the server ended song {song} before its end"));
            }
            self.on_over();
        } else if let Some(wish) = self.take_play(stream).filter(|_| is_early) {
            self.screen.line(format_args!("the server ended song {} before its end", wish.song));
            self.on_not_started(&wish);
        }
    }

    /// No more of the last song comes.
    fn on_over(&mut self) {
        self.bringing = None;
        self.buffer.end();
        self.calls.player = true;
        self.look_for_next();
    }

    /// Looks for the song after the last one, once all of that is here and there is a place for another.
    pub(super) fn look_for_next(&mut self) {
        let is_free = self.plays.is_empty() && self.lookup.is_none() && !self.buffer.is_followed();
        let last = self.buffer.last().filter(|track| is_free && track.is_over && !track.is_final);
        if let Some(wish) = last.map(|track| track.wish) {
            self.look_after(&wish);
        }
    }

    /// Goes on without this song.
    fn on_not_started(&mut self, wish: &Wish) {
        let is_asked_for = self.plays.iter().any(|(other, _)| other.join == Join::Switch);
        let is_looked_for = self.lookup.is_some_and(|lookup| lookup.what.join == Join::Switch);
        let is_place_in_song = wish.at_ms > 0 || wish.content_tag != 0;
        if wish.join == Join::Follow {
            self.look_after(wish);
        } else if !is_asked_for && !is_looked_for && !is_place_in_song {
            self.look_around(wish);
        }
        self.look_for_next();
    }

    /// Looks for the song after this one, if there is to be one.
    fn look_after(&mut self, wish: &Wish) {
        if let Some(search) = following(wish) {
            let lookup = Lookup { search, join: Join::Follow, keeps_pause: true, is_detour: false, asked: None };
            self.lookup = Some(Wanted::new(lookup));
            self.calls.network = true;
        }
    }

    /// Looks for the song after this one, which was refused, to be heard in its place.
    fn look_around(&mut self, wish: &Wish) {
        if let Some(search) = following(wish) {
            let Wish { keeps_pause, asked, .. } = *wish;
            self.lookup = Some(Wanted::new(Lookup { search, join: Join::Switch, keeps_pause, is_detour: true, asked }));
            self.calls.network = true;
        }
    }

    /// The song that was asked for under this stream and has not started; it is not waited for any more.
    fn take_play(&mut self, stream: StreamId) -> Option<Wish> {
        let place = self.plays.iter().position(|(_, asked)| *asked == Some(stream))?;
        Some(self.plays.remove(place).0)
    }

    fn on_failed(&mut self, error: &message::Error<'_>) {
        if error.code.is_fatal() {
            if self.is_news(Loss::Told) {
                self.screen.line(format_args!("the server gave up: {}", Refusal(error)));
            }
            return;
        }
        if self.bringing == Some(StreamId(error.id)) {
            if let Some(track) = self.buffer.last() {
                self.screen.line(format_args!("song {} ends here: {}", track.started.song, Refusal(error)));
            }
            self.on_over();
        } else if let Some(wish) = self.take_play(StreamId(error.id)) {
            self.screen.line(format_args!("play {}: {}", wish.song, Refusal(error)));
            self.on_not_started(&wish);
        } else if let Some(question) = self.answered(RequestId(error.id)).map(|question| question.what) {
            self.questions.pop_front();
            match question {
                Question::Info(song) => self.screen.line(format_args!("info {song}: {}", Refusal(error))),
                Question::List(_) => self.screen.line(format_args!("list: {}", Refusal(error))),
            }
        } else {
            let request = RequestId(error.id);
            if self.lookup.take_if(|lookup| lookup.is_answered_by(request)).is_some() {
                self.screen.line(format_args!("no other song: {}", Refusal(error)));
            }
            self.title.take_if(|title| title.is_answered_by(request));
        }
    }

    // ── the player ──

    /// The song of this ticket is the one heard now.
    pub(crate) fn on_began(&mut self, ticket: Ticket) {
        if let Some(track) = self.buffer.find_mut(ticket)
            && !core::mem::replace(&mut track.wish.is_announced, true)
        {
            self.title = Some(Wanted::new(ticket));
            self.calls.network = true;
        }
    }

    /// The first sample of a song that the user asked for went out, so long after that.
    pub(crate) fn on_sounded(&mut self, after: core::time::Duration) {
        self.first_sample_after = after;
    }

    /// The song heard cannot be played.
    pub(crate) fn on_unplayable(&mut self, why: fmt::Arguments<'_>) {
        if let Some(track) = self.buffer.first() {
            self.screen.line(format_args!("song {} {why}", track.started.song));
        }
    }
}

/// The look for the song that follows this one by itself.
fn following(&Wish { song, playlist, .. }: &Wish) -> Option<Search> {
    Search::step(playlist, song, Direction::Next).filter(|_| playlist.advances)
}

/// Why a server refused something.
struct Refusal<'a>(&'a message::Error<'a>);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0.code {
            ErrorCode::NO_SUCH_SONG => "there is no such song; list shows what there is",
            ErrorCode::SONG_GONE => "it is gone; list shows what there is",
            ErrorCode::SONG_CHANGED => "it has changed on the server; play it anew",
            ErrorCode::NO_AUDIO => "it contains no MP3 audio",
            ErrorCode::BAD_POSITION => "it is not that long",
            _ if self.0.text.is_empty() => return write!(f, "error {}", self.0.code.0),
            _ => return Text(self.0.text).fmt(f),
        };
        f.write_str(text)
    }
}
