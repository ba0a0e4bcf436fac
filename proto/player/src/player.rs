//! The player: one per client, whatever connections come and go.

use core::iter;
use core::time::Duration;

use trill_proto::decoder::{FrameDecoder, PCM_SAMPLES};
use trill_proto::error::SessionError;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::MIN_BUFFER_BYTES;
use trill_proto::message::{Error, GoodbyeReason, Song, Welcome};
use trill_proto::playback::{Playback, Supply};
use trill_proto::retry::Outcome;
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{self, Client, Identity};
use trill_proto::time::Instant;

use crate::buffer::Track;
use crate::command::{Play, Seek};
use crate::decoding::{Decoding, Sound, Step};
use crate::item::QueueItem;
use crate::link::{Link, News};
use crate::music::Music;
use crate::playlist::{Direction, Playlist, Search};
use crate::questions::{Question, Questions};
use crate::{Event, NotPossible, Refused, Wakeups};

/// How a client differs from others.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Spreads the attempts to connect of clients that lost the same server: another number in each.
    pub seed: u32,
    /// Keeps a connection even when nothing is wanted of the server.
    pub is_persistent: bool,
    /// Asks for the title of each song that is heard.
    pub wants_titles: bool,
}

/// What a listener wants, and what was asked for it. `CONTROL` is the largest control payload it takes, in bytes: at least
/// 256.
#[derive(Debug)]
pub struct Player<'m, const CONTROL: usize> {
    /// Apart from the rest, which handles what is borrowed from it.
    client: Option<Client<CONTROL>>,
    core: Core<'m>,
}

#[derive(Debug)]
struct Core<'m> {
    link: Link,
    music: Music<'m>,
    questions: Questions,
    wants_titles: bool,
    /// The song that has begun, until another does.
    decoding: Option<Decoding>,
    /// The song that was played to its end before.
    ended: Option<Playback>,
}

/// A deadline of the player has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedOut {
    /// The server took the connection and said no WELCOME: close the connection.
    NoWelcome,
    /// See [`Client::handle_timeout`]: transmit once more, then close the connection.
    Session(SessionError),
}

impl<'m, const CONTROL: usize> Player<'m, CONTROL> {
    /// A player with this memory for compressed music. It uses seven eighths. Call [`set_room`](Self::set_room) before the first
    /// question.
    ///
    /// # Panics
    /// The memory has less than 9,362 bytes, of which seven eighths are the least that a server sends music into.
    pub fn new(storage: &'m mut [u8], options: Options) -> Self {
        let Options { seed, is_persistent, wants_titles } = options;
        let capacity = storage.len() - storage.len() / 8;
        assert!(capacity >= MIN_BUFFER_BYTES as usize, "with so little memory, music would stop and never go on");
        let core = Core {
            link: Link::new(seed, is_persistent),
            music: Music::new(storage),
            questions: Questions::new(),
            wants_titles,
            decoding: None,
            ended: None,
        };
        Self { client: None, core }
    }

    // ── getters ──

    /// Whether the server has welcomed us on this connection.
    pub fn is_open(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_open)
    }

    /// Whether the server has welcomed us on this connection, even if that is over.
    pub fn was_open(&self) -> bool {
        self.core.link.was_open()
    }

    /// Whether the session is over: close the connection.
    pub fn is_closed(&self) -> bool {
        self.client.as_ref().is_none_or(Client::is_closed)
    }

    /// Whether a connection is being made, or has not brought WELCOME.
    pub fn is_connecting(&self) -> bool {
        !self.core.link.is_idle() && !self.is_open()
    }

    /// Whether the connection is to be closed, to make another.
    pub fn is_leaving(&self) -> bool {
        self.core.link.is_leaving()
    }

    /// Whether the next connection is made without a command. It is not after a lasting refusal, nor after a GOODBYE *done* or
    /// *superseded*: [`play`](Self::play), [`step`](Self::step), [`seek`](Self::seek) or [`ask`](Self::ask) connects again.
    pub fn retries(&self) -> bool {
        self.core.link.retries()
    }

    /// Whether the present connection brought music, or has lasted: see [`Client::was_useful`].
    pub fn was_useful(&self, now: Instant) -> bool {
        self.client.as_ref().is_some_and(|client| client.was_useful(now))
    }

    /// What a listener would be told if the connection ended now.
    pub fn loss_news(&self) -> News {
        self.core.link.is_news()
    }

    /// Whether the music is paused.
    pub fn is_paused(&self) -> bool {
        self.core.music.is_paused()
    }

    /// Whether the music waits for more to arrive.
    pub fn is_buffering(&self) -> bool {
        self.core.decoding().is_none_or(|decoding| decoding.playback().is_buffering())
    }

    /// Whether nothing is to be heard, now or later.
    pub fn is_silent(&self) -> bool {
        self.core.music.is_empty()
    }

    /// Whether a song that will take the place of what is heard was asked for, or is looked for.
    pub fn is_switching(&self) -> bool {
        self.core.music.is_switching()
    }

    /// Whether music is wanted from the server.
    pub fn needs_server(&self) -> bool {
        self.core.music.needs_server()
    }

    /// Whether nothing is under way: a connection, an answer, a title, or a song in place of what is heard.
    pub fn is_settled(&self) -> bool {
        self.core.questions.is_settled(|ticket| self.core.music.number_of(ticket))
            && !self.is_switching()
            && !self.is_connecting()
    }

    /// Whether questions wait whose answer is on its way.
    pub fn is_answering(&self) -> bool {
        self.is_open() && !self.core.questions.is_empty()
    }

    /// Whether the first question waits for room on the screen, or for a connection.
    pub fn waits_for_room(&self) -> bool {
        self.core.questions.is_unasked()
    }

    /// The song that was asked for last and has not started, or from which one is looked for.
    pub fn asked_for(&self) -> Option<SongId> {
        self.core.music.asked_for()
    }

    /// The song that a listener means: the one asked for last, or the one that is heard.
    pub fn meant(&self) -> Option<&QueueItem> {
        self.core.music.meant()
    }

    /// The song that is heard, or is about to be.
    pub fn heard(&self) -> Option<&Track> {
        self.core.music.buffer.first()
    }

    /// Where the song heard is, in milliseconds of its music, after `frames` of it were heard since
    /// [`count_from`](Self::count_from).
    pub fn position_ms(&self, frames: u64) -> u64 {
        self.heard().map_or(0, |track| {
            let begin = || track.started.position_of(track.started.first_heard());
            let position = self.core.decoding().map_or_else(begin, |decoding| decoding.position(frames));
            track.started.millis_at(position)
        })
    }

    /// Bytes in the buffer.
    pub fn buffered_bytes(&self) -> usize {
        self.core.music.buffer.buffered_bytes()
    }

    /// Bytes that the buffer may be asked to hold.
    pub fn capacity_bytes(&self) -> usize {
        self.core.music.buffer.capacity_bytes()
    }

    // ── the network: what happened ──

    /// A connection is being tried for.
    pub fn begin_attempt(&mut self) {
        self.core.link.begin_attempt();
    }

    /// A connection was made.
    pub fn handle_connected(&mut self, now: Instant, identity: &Identity<'_>) {
        self.client = Some(Client::new(now, identity));
        self.core.link.on_connected(now);
    }

    /// There is no connection, or none any more: because of `error`, if the session machine found one. What was wanted still is, and is
    /// asked for on the next connection, with these exceptions; `given_up` gets each song and question that will not come:
    ///
    /// - Songs in place of what is heard are given up where no connection follows by itself, if the server did not answer, and
    ///   after an attempt without WELCOME, unless the client is [persistent](Options::is_persistent).
    /// - Questions are given up where no connection follows by itself without them, or if the server did not answer.
    ///
    /// Returns what the listener should be told.
    pub fn handle_disconnected(
        &mut self,
        now: Instant,
        error: Option<SessionError>,
        mut given_up: impl FnMut(Refused),
    ) -> News {
        let outcome = match self.client.take() {
            None => Outcome::Unreachable,
            Some(client) if client.was_useful(now) => Outcome::Useful,
            Some(_) => Outcome::Useless,
        };
        let Core { link, music, questions, .. } = &mut self.core;
        let error = error.filter(|_| !link.is_expected());
        error.into_iter().for_each(|error| link.on_error(error));
        let is_unanswered = error == Some(SessionError::Unanswered);
        if is_unanswered {
            questions.give_up_title();
        }
        if is_unanswered || !link.repeats_switches() {
            iter::from_fn(|| music.give_up_switch()).for_each(&mut given_up);
        }
        if is_unanswered || !link.follows(music.needs_server()) {
            iter::from_fn(|| questions.pop()).map(Question::refused).for_each(given_up);
        }
        let news = link.on_disconnected(now, outcome, music.needs_server());
        music.on_disconnected();
        questions.on_disconnected(|ticket| music.buffer.find(ticket).is_some());
        music.wakeups.network = true;
        news
    }

    /// Takes bytes off the front of `input`, which came from the server. Returns how many, at least one, and the event that
    /// they complete, if any. Call again with the rest until nothing is left.
    ///
    /// # Errors
    /// What the server did wrong. Transmit once more, then close the connection.
    pub fn handle_input<'a>(
        &'a mut self,
        now: Instant,
        input: &'a [u8],
    ) -> Result<(usize, Option<Event<'a>>), SessionError> {
        let Some(client) = &mut self.client else { return Ok((input.len(), None)) };
        let (taken, event) = client.handle_input(now, input)?;
        Ok((taken, event.and_then(|event| self.core.on_event(event))))
    }

    /// Does what is due at `now`.
    ///
    /// # Errors
    /// The server is gone: [`TimedOut`].
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), TimedOut> {
        if self.core.link.welcome_by().is_some_and(|by| now >= by) {
            return Err(TimedOut::NoWelcome);
        }
        self.client.as_mut().map_or(Ok(()), |client| client.handle_timeout(now)).map_err(TimedOut::Session)
    }

    /// Ends the session. Transmit once more, then close the connection.
    pub fn goodbye(&mut self) {
        if let Some(client) = &mut self.client {
            client.goodbye(GoodbyeReason::Done);
        }
    }

    // ── the network: what to do ──

    /// When to connect, if a connection is wanted and there is none: then call [`begin_attempt`](Self::begin_attempt).
    pub fn poll_connect(&self) -> Option<Instant> {
        let Core { link, music, questions, .. } = &self.core;
        link.poll_connect(music.needs_server() || !questions.is_empty())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing happens before; `None` without a connection.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.client.as_ref().and_then(Client::poll_timeout);
        [due, self.core.link.welcome_by()].into_iter().flatten().min()
    }

    /// The next bytes to send, all of them, before anything else is sent: first it is asked for what is wanted.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        let client = self.client.as_mut()?;
        if self.core.link.is_leaving() {
            client.goodbye(GoodbyeReason::Done);
        }
        // What does not fit into the machine's outbox now does after this was sent.
        let _ = self.core.ask(now, client);
        client.poll_transmit(now)
    }

    /// Who has something to do because of the calls since the last of these.
    pub fn take_wakeups(&mut self) -> Wakeups {
        core::mem::take(&mut self.core.music.wakeups)
    }

    // ── commands ──

    /// Plays, whatever is playing now.
    pub fn play(&mut self, now: Instant, play: Play) {
        self.core.hasten();
        let music = &mut self.core.music;
        match play {
            Play::Song { song, at } => music.play_song(now, song, at),
            Play::Range { first, last } => {
                music.look_for(now, Search::first(Playlist { first, last, advances: true }));
            }
            Play::All => music.look_for(now, Search::first(Playlist::ALL)),
        }
    }

    /// Ends the music, and its transmission.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`]; the server is told to stop all the same.
    pub fn stop(&mut self) -> Result<(), NotPossible> {
        self.core.questions.forget_title();
        self.core.music.stop()
    }

    /// Pauses the music, or goes on. Songs that were asked for and have not started begin like this, too.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`].
    pub fn set_paused(&mut self, is_paused: bool) -> Result<(), NotPossible> {
        self.core.music.set_paused(is_paused)
    }

    /// Goes to the song before or after the one that is meant.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`], [`NotPossible::Edge`] if it is the playlist's first or last number.
    pub fn step(&mut self, now: Instant, direction: Direction) -> Result<(), NotPossible> {
        self.core.hasten();
        self.core.music.step(now, direction)
    }

    /// Goes to another place in the song that is meant. If that is still being looked for, it begins there. `frames` is as for
    /// [`position_ms`](Self::position_ms). Returns the song, if it is known, and the place in milliseconds.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`], [`NotPossible::TooShort`].
    pub fn seek(&mut self, now: Instant, seek: Seek, frames: u64) -> Result<(Option<SongId>, u64), NotPossible> {
        let position_ms = self.position_ms(frames);
        self.core.hasten();
        self.core.music.seek(now, seek, position_ms)
    }

    /// Asks for something to be shown. One question is asked after the other.
    ///
    /// # Errors
    /// [`NotPossible::TooManyQuestions`].
    pub fn ask(&mut self, question: Question) -> Result<(), NotPossible> {
        self.core.hasten();
        self.core.questions.push(question).map_err(|_| NotPossible::TooManyQuestions)
    }

    /// For how many songs of an answer the screen has room. With 0, as in the beginning, no question is asked.
    pub fn set_room(&mut self, songs: u32) {
        self.core.questions.set_room(songs);
    }

    /// There was no room to show the song that came last, with [`Event::Listed`] or [`Event::Info`]. It is asked for again, with
    /// all that come after it, when there is.
    pub fn ask_again(&mut self) {
        self.core.questions.ask_again();
    }

    /// The room on the screen has changed: the first question may be asked.
    pub fn wake_network(&mut self) {
        self.core.music.wakeups.network = true;
    }

    /// Gives up the first question. Returns it, if there was one.
    pub fn give_up_question(&mut self) -> Option<Question> {
        self.core.questions.pop()
    }

    /// Wants no more music of the server. What has come is played to its end.
    pub fn give_up_rest(&mut self) {
        self.core.music.give_up_rest();
    }

    /// Connects to another server from now on. What was wanted of the last one is not.
    pub fn change_server(&mut self) {
        // That nothing was playing is fine.
        let _ = self.stop();
        while self.give_up_question().is_some() {}
        self.core.link.leave();
    }

    /// Failed attempts until now do not put off the next.
    pub fn forget_failures(&mut self) {
        self.core.link.forget();
    }

    // ── the decoder ──

    /// Takes the decoder's next step for the song heard: decodes at most one frame, into `pcm`.
    pub fn decode(&mut self, now: Instant, decoder: &mut impl FrameDecoder, pcm: &mut [i16; PCM_SAMPLES]) -> Step {
        let supply = self.supply(now);
        let Core { music, decoding, .. } = &mut self.core;
        let Some(track) = music.buffer.first() else { return Step::Idle };
        let Some(decoding) = decoding.as_mut().filter(|decoding| decoding.ticket == track.item.ticket) else {
            return Step::Begin(track.started);
        };
        let (step, consumed) = decoding.step(track, &supply, music.buffer.front(), decoder, pcm);
        self.consume(consumed);
        step
    }

    /// Whether the song that has begun is still the one to be heard.
    pub fn has_begun(&self) -> bool {
        self.core.decoding().is_some()
    }

    /// Whether another song follows the one heard without a gap.
    pub fn is_followed(&self) -> bool {
        self.core.music.buffer.is_followed()
    }

    /// The song heard begins: of other songs, only the end of one that it follows is heard from now on. The output counts its
    /// frames from the first that is heard, at the rate that STARTED says. Returns whether it is another song than before.
    pub fn handle_began(&mut self) -> bool {
        let Core { music, decoding, ended, .. } = &mut self.core;
        let Some(track) = music.buffer.first() else { return false };
        *decoding = Some(Decoding::new(track, ended.take()));
        self.core.want_title();
        self.core.music.buffer.announce()
    }

    /// The output counts the frames of the song heard from this sound on, at its rate.
    pub fn count_from(&mut self, sound: &Sound) {
        if let Some(decoding) = &mut self.core.decoding {
            decoding.count_from(sound);
        }
    }

    /// The output has played all that it had. The music waits for more to arrive, as at its beginning.
    pub fn handle_dry(&mut self) {
        let Core { music, decoding, .. } = &mut self.core;
        if let Some(decoding) = decoding.as_mut().filter(|_| !music.is_paused()) {
            decoding.on_dry();
        }
    }

    /// The song heard was played to its end. Returns its number if all of it came and the decoder made no sound of it.
    pub fn handle_finished(&mut self) -> Option<SongId> {
        let Core { music, questions, decoding, ended, .. } = &mut self.core;
        let mut undecodable = None;
        if let Some(track) = music.buffer.first() {
            let decoded = decoding.take().filter(|decoding| decoding.ticket == track.item.ticket);
            let is_silent = decoded.as_ref().is_some_and(|decoding| !decoding.has_sound());
            undecodable = Some(track.started.song).filter(|_| is_silent && track.is_complete());
            *ended = decoded.map(|decoding| *decoding.playback());
            questions.on_finished(track.item.ticket);
        }
        let rest = music.on_finished();
        self.release(rest);
        undecodable
    }

    /// What decides whether the song heard may start: see [`Playback::next_action`].
    fn supply(&self, now: Instant) -> Supply {
        let (buffered, received) = self.heard().map_or((0, 0), |track| (track.buffered, track.received));
        let (delivery_rate, round_trip) =
            self.client.as_ref().map_or((0, Duration::ZERO), |client| (client.delivery_rate(now), client.round_trip()));
        Supply { buffered, received, capacity: self.capacity_bytes(), delivery_rate, round_trip }
    }

    /// `bytes` of the song heard are decoded.
    fn consume(&mut self, bytes: usize) {
        self.core.music.buffer.consume(bytes);
        self.release(bytes);
    }

    /// What leaves the buffer leaves it for the stream that fills it, or is about to.
    fn release(&mut self, bytes: usize) {
        let Self { client, core: Core { music, .. } } = self;
        if let Some(client) = client {
            for stream in music.filling().into_iter().flatten() {
                music.wakeups.network |= client.release(stream, bytes);
            }
        }
    }
}

impl Core<'_> {
    fn ask<const CONTROL: usize>(&mut self, now: Instant, client: &mut Client<CONTROL>) -> Result<(), OutboxFull> {
        if !client.is_open() {
            return Ok(());
        }
        self.music.ask(now, client)?;
        self.questions.ask(client, |ticket| self.music.number_of(ticket))
    }

    /// The song heard, if it has begun.
    fn decoding(&self) -> Option<&Decoding> {
        let heard = self.music.buffer.first()?.item.ticket;
        self.decoding.as_ref().filter(|decoding| decoding.ticket == heard)
    }

    /// The title of the song that is heard, or about to be, is wanted if the listener does not know it. For one that takes the
    /// place of others that is as soon as it starts, so that nothing seems settled before.
    fn want_title(&mut self) {
        let heard = self.music.buffer.first().map(|track| track.item);
        if let Some(item) = heard.filter(|item| self.wants_titles && !item.is_announced) {
            self.questions.want_title(item.ticket);
            self.music.wakeups.network = true;
        }
    }

    fn hasten(&mut self) {
        self.link.hasten();
        self.music.wakeups.network = true;
    }

    fn on_event<'a>(&mut self, event: client::Event<'a>) -> Option<Event<'a>> {
        match event {
            client::Event::Welcome(welcome) => self.on_welcome(welcome),
            client::Event::Song(song) => self.on_song(song),
            client::Event::ListEnd(end) => {
                self.music.on_list_end(end).unwrap_or_else(|| self.questions.on_list_end(end))
            }
            client::Event::Started(started) => {
                self.music.on_started(started);
                self.want_title();
                Some(Event::Started(started))
            }
            client::Event::Data { stream, bytes } => {
                self.music.on_data(stream, bytes);
                None
            }
            client::Event::Ended { stream, reason } => self.music.on_ended(stream, reason),
            client::Event::Failed(error) => self.on_failed(error),
            client::Event::Goodbye(reason) => {
                self.link.on_goodbye(reason);
                if reason == GoodbyeReason::Superseded {
                    // That nothing was playing is fine.
                    let _ = self.music.stop();
                    self.questions.forget_title();
                }
                Some(Event::Goodbye(reason))
            }
        }
    }

    fn on_welcome<'a>(&mut self, welcome: Welcome<'a>) -> Option<Event<'a>> {
        // All of a song may have come before its END was lost.
        self.music.look_for_next();
        match self.link.on_welcome() {
            true => Some(Event::Connected(welcome)),
            false if self.link.is_flapping() => None,
            false => Some(Event::Reconnected),
        }
    }

    fn on_song<'a>(&mut self, song: Song<'a>) -> Option<Event<'a>> {
        if self.music.on_song(song.request, song.song) { None } else { self.questions.on_song(song) }
    }

    fn on_failed<'a>(&mut self, error: Error<'a>) -> Option<Event<'a>> {
        if error.code.is_fatal() {
            self.link.on_error(SessionError::Peer(error.code));
            return Some(Event::Failed(error));
        }
        let (stream, request) = (StreamId(error.id), RequestId(error.id));
        let refused = match self.music.on_stream_failed(stream).or_else(|| self.music.on_search_failed(request)) {
            Some(refused) => refused,
            None => self.questions.on_failed(request)?.refused(),
        };
        Some(Event::Refused(refused, error))
    }
}
