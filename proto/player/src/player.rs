//! The player: one per client, whatever connections come and go.

use core::iter;
use core::time::Duration;

use heapless::VecView;
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
use crate::command::{GainMode, Repeat, Seek, Selection, Shuffle};
use crate::connector::{Connector, LossNotice};
use crate::decoding::{Decoding, Sound, Step};
use crate::gain::{Factor, Sleep};
use crate::item::{ItemId, QueueItem};
use crate::music::Music;
use crate::questions::{Question, Questions};
use crate::queue::{Entry, Queue};
use crate::{Direction, Event, NotPossible, Refused, Wakeups};

/// What differs from client to client.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A number that differs from client to client. It spreads the attempts of clients that lost the same server.
    pub seed: u32,
    /// Keeps a connection even when nothing is wanted of the server.
    pub is_persistent: bool,
    /// Asks for the title of each song that is heard.
    pub wants_titles: bool,
}

/// Holds what a listener wants, and the requests sent for it. `CONTROL` is the largest control payload that the client takes, in
/// bytes: at least 256.
#[derive(Debug)]
pub struct Player<'m, const CONTROL: usize> {
    /// Separate from `core`, which handles events that borrow from it.
    client: Option<Client<CONTROL>>,
    core: Core<'m>,
}

#[derive(Debug)]
struct Core<'m> {
    connector: Connector,
    music: Music<'m>,
    questions: Questions,
    wants_titles: bool,
    /// The song that began last.
    decoding: Option<Decoding>,
    /// The song before it, if it was played to its end.
    ended: Option<Playback>,
    gain: GainMode,
    sleep: Option<Sleep>,
}

/// A deadline of the player has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedOut {
    /// The server accepted the connection and sent no WELCOME: close the connection.
    NoWelcome,
    /// See [`Client::handle_timeout`]: transmit once more, then close the connection.
    Session(SessionError),
}

impl<'m, const CONTROL: usize> Player<'m, CONTROL> {
    /// Makes a player that keeps compressed music in `storage`, and fills seven eighths of it, and the queue in `entries`. Call
    /// [`set_page_songs`](Self::set_page_songs) before the first question.
    ///
    /// # Panics
    /// `storage` has less than 9,362 bytes: seven eighths of it are less than the protocol's smallest buffer.
    pub fn new(storage: &'m mut [u8], entries: &'m mut VecView<Entry>, options: Options) -> Self {
        let Options { seed, is_persistent, wants_titles } = options;
        let capacity = storage.len() - storage.len() / 8;
        assert!(capacity >= MIN_BUFFER_BYTES as usize, "with so little memory, music would stop and never go on");
        let core = Core {
            connector: Connector::new(seed, is_persistent),
            music: Music::new(storage, Queue::new(entries, seed)),
            questions: Questions::new(),
            wants_titles,
            decoding: None,
            ended: None,
            gain: GainMode::Off,
            sleep: None,
        };
        Self { client: None, core }
    }

    // ── getters ──

    /// Whether the server has welcomed us on this connection.
    pub fn is_open(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_open)
    }

    /// Whether the server has welcomed us on this connection, even if the session is over.
    pub fn was_open(&self) -> bool {
        self.core.connector.was_open()
    }

    /// Whether the session is over: close the connection.
    pub fn is_closed(&self) -> bool {
        self.client.as_ref().is_none_or(Client::is_closed)
    }

    /// Whether a connection is being made, or waits for WELCOME.
    pub fn is_connecting(&self) -> bool {
        !self.core.connector.is_idle() && !self.is_open()
    }

    /// Whether to close the connection and connect to another server.
    pub fn is_leaving(&self) -> bool {
        self.core.connector.is_leaving()
    }

    /// Whether the client connects again without a command. It does not after a lasting refusal or a GOODBYE *done* or
    /// *superseded*. Then [`play`](Self::play), [`step`](Self::step), [`seek`](Self::seek) or [`ask`](Self::ask) connects again.
    pub fn retries(&self) -> bool {
        self.core.connector.retries()
    }

    /// Whether the present connection brought music, or has lasted: see [`Client::was_useful`].
    pub fn was_useful(&self, now: Instant) -> bool {
        self.client.as_ref().is_some_and(|client| client.was_useful(now))
    }

    /// Whether to tell the listener if the connection ended now.
    pub fn loss_notice(&self) -> LossNotice {
        self.core.connector.loss_notice()
    }

    /// Whether the music is paused.
    pub fn is_paused(&self) -> bool {
        self.core.music.is_paused()
    }

    /// Whether the music waits for more to arrive.
    pub fn is_buffering(&self) -> bool {
        self.core.decoding().is_none_or(|decoding| decoding.playback().is_buffering())
    }

    /// Whether no song plays, was requested or is searched for.
    pub fn is_silent(&self) -> bool {
        self.core.music.is_empty()
    }

    /// Whether a song that will replace the one heard was requested, or is searched for.
    pub fn is_switching(&self) -> bool {
        self.core.music.is_switching()
    }

    /// Whether music is wanted from the server.
    pub fn needs_server(&self) -> bool {
        self.core.music.needs_server()
    }

    /// Whether every command has taken effect: no connection, answer, title or switch is pending.
    pub fn is_settled(&self) -> bool {
        self.core.questions.is_settled(|id| self.core.music.number_of(id))
            && self.core.music.is_settled()
            && !self.is_switching()
            && !self.is_connecting()
    }

    /// Whether questions wait for answers on an open connection.
    pub fn is_answering(&self) -> bool {
        self.is_open() && !self.core.questions.is_empty()
    }

    /// Whether questions wait for answers, or for a connection.
    pub fn has_questions(&self) -> bool {
        !self.core.questions.is_empty()
    }

    /// The first question: the one that is being answered, or sent next.
    pub fn question(&self) -> Option<&Question> {
        self.core.questions.first()
    }

    /// Whether the first question was not sent yet: it waits for room on the screen, or for a connection.
    pub fn waits_to_ask(&self) -> bool {
        self.core.questions.is_unasked()
    }

    /// The song that was requested last and has not started.
    pub fn asked_for(&self) -> Option<SongId> {
        self.core.music.asked_for()
    }

    /// The song that follows the song heard by itself, if it was found.
    pub fn following(&self) -> Option<SongId> {
        self.core.music.following()
    }

    /// The song that commands act on: the one requested last, or the one heard.
    pub fn target(&self) -> Option<&QueueItem> {
        self.core.music.target()
    }

    /// The song heard: it plays, or is about to.
    pub fn heard(&self) -> Option<&Track> {
        self.core.music.buffer.first()
    }

    /// The position in the song heard, in milliseconds. `frames` is how many the output has played since
    /// [`handle_began`](Self::handle_began) or [`count_from`](Self::count_from).
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

    /// The most bytes that the buffer holds.
    pub fn capacity_bytes(&self) -> usize {
        self.core.music.buffer.capacity_bytes()
    }

    // ── the network: what happened ──

    /// An attempt to connect begins.
    pub fn begin_attempt(&mut self) {
        self.core.connector.begin_attempt();
    }

    /// A connection was made.
    pub fn handle_connected(&mut self, now: Instant, identity: &Identity<'_>) {
        self.client = Some(Client::new(now, identity));
        self.core.connector.on_connected(now);
    }

    /// The attempt to connect failed, or the connection ended. `error` is what the session machine found, if anything.
    ///
    /// The next connection asks again for what is wanted. Some of it is given up instead, and `given_up` gets each:
    ///
    /// - Everything that the listener waits for, if the server did not answer a request or the client does not
    ///   [connect again](Self::retries).
    /// - A switch, after an attempt without WELCOME, unless the client is [persistent](Options::is_persistent).
    /// - A question, unless the client is persistent or connects again for music.
    ///
    /// Returns whether to tell the listener.
    pub fn handle_disconnected(
        &mut self,
        now: Instant,
        error: Option<SessionError>,
        given_up: impl FnMut(Refused),
    ) -> LossNotice {
        let outcome = match self.client.take() {
            None => Outcome::Unreachable,
            Some(client) if client.was_useful(now) => Outcome::Useful,
            Some(_) => Outcome::Useless,
        };
        let Core { connector, music, questions, .. } = &mut self.core;
        let error = error.filter(|_| !connector.is_expected());
        error.into_iter().for_each(|error| connector.on_error(error));
        let is_unanswered = error == Some(SessionError::Unanswered);
        if is_unanswered {
            questions.give_up_title();
        }
        let next = || {
            let gives_up_switch = is_unanswered || !connector.repeats_switches();
            if let Some(refused) = gives_up_switch.then(|| music.give_up_switch()).flatten() {
                return Some(refused);
            }
            let gives_up_question = is_unanswered || !connector.follows(music.needs_server());
            gives_up_question.then(|| questions.pop())?.map(|question| question.refused())
        };
        iter::from_fn(next).for_each(given_up);
        let notice = connector.on_disconnected(now, outcome, music.needs_server());
        music.on_disconnected();
        questions.on_disconnected(|id| music.buffer.find(id).is_some());
        music.wakeups.network = true;
        notice
    }

    /// Takes bytes from the front of `input`, which came from the server. Returns how many it took, at least one, and the event
    /// that they complete, if any. Call it with the rest until nothing is left.
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
        self.core.sleep_if_due(now);
        if self.core.connector.welcome_by().is_some_and(|by| now >= by) {
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

    /// When to call [`begin_attempt`](Self::begin_attempt) and connect. `None` if there is a connection, or none is wanted.
    pub fn poll_connect(&self) -> Option<Instant> {
        let Core { connector, music, questions, .. } = &self.core;
        connector.poll_connect(music.needs_server() || !questions.is_empty())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.client.as_ref().and_then(Client::poll_timeout);
        [due, self.core.connector.welcome_by(), self.core.sleep.map(|sleep| sleep.at)].into_iter().flatten().min()
    }

    /// Requests what is wanted. Returns the next bytes to send; send all of them.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<&[u8]> {
        let client = self.client.as_mut()?;
        if self.core.connector.is_leaving() {
            client.goodbye(GoodbyeReason::Done);
        }
        // If the outbox is full, the next call requests the rest.
        let _ = self.core.ask(now, client);
        client.poll_transmit(now)
    }

    /// Who has something to do because of the calls since the last `take_wakeups`.
    pub fn take_wakeups(&mut self) -> Wakeups {
        core::mem::take(&mut self.core.music.wakeups)
    }

    // ── commands ──

    /// Plays other music, in place of the queue. The queue stays as it is until the first song starts.
    pub fn play(&mut self, now: Instant, selection: Selection<'_>) {
        self.core.reconnect_now();
        self.core.music.play(now, &selection);
    }

    /// Whether [`add`](Self::add) and [`play_next`](Self::play_next) have room for a further addition now. They have it again when
    /// earlier additions were answered.
    pub fn can_add(&self, selection: &Selection<'_>) -> bool {
        self.core.music.can_add(selection)
    }

    /// Adds songs at the end of the queue: [`Event::Added`]. If nothing plays, they begin to play.
    ///
    /// # Errors
    /// [`NotPossible::QueueFull`], [`NotPossible::TooManyQuestions`].
    pub fn add(&mut self, selection: Selection<'_>) -> Result<(), NotPossible> {
        self.core.reconnect_now();
        self.core.music.add(&selection, false)
    }

    /// Adds songs that play after the present song and those that were added in this way before: [`Event::Added`]. Each leaves
    /// the queue when it was heard. If nothing plays, they begin to play.
    ///
    /// # Errors
    /// [`NotPossible::QueueFull`], [`NotPossible::TooManyQuestions`].
    pub fn play_next(&mut self, selection: Selection<'_>) -> Result<(), NotPossible> {
        self.core.reconnect_now();
        self.core.music.add(&selection, true)
    }

    /// Goes to the song at a position of the queue, counted from 1. If it is the present song, goes to its beginning.
    ///
    /// # Errors
    /// [`NotPossible::NoSuchPlace`].
    pub fn jump(&mut self, now: Instant, position: u32) -> Result<(), NotPossible> {
        self.core.reconnect_now();
        self.core.music.jump(now, position)
    }

    /// Removes the songs at the positions from `first` to `last` of the queue, counted from 1. If the present song is one of them,
    /// the player goes to the song that follows, or stops.
    ///
    /// # Errors
    /// [`NotPossible::NoSuchPlace`], [`NotPossible::QueueFull`] if there is no room to divide an entry.
    pub fn remove(&mut self, now: Instant, first: u32, last: u32) -> Result<(), NotPossible> {
        self.core.reconnect_now();
        self.core.music.remove(now, first, last)
    }

    /// Removes what follows the present song; in a shuffled queue, all other songs.
    pub fn clear(&mut self) {
        self.core.music.clear_queue();
    }

    /// The position in the queue of the song that follows the one heard by itself, from 1. `None` if none follows, or if albums are
    /// shuffled and the player has not found it yet.
    pub fn following_position(&self) -> Option<u32> {
        self.core.music.following_position()
    }

    /// Sets the order of the queue. The present song plays on. If the queue is shuffled, every other song plays once after it,
    /// or every other album after the rest of its album.
    pub fn set_shuffle(&mut self, shuffle: Shuffle) {
        self.core.music.set_shuffle(shuffle);
    }

    /// The order of the queue.
    pub fn shuffle(&self) -> Shuffle {
        self.core.music.queue.shuffle()
    }

    /// Sets what is repeated.
    pub fn set_repeat(&mut self, repeat: Repeat) {
        self.core.music.set_repeat(repeat);
    }

    /// What is repeated.
    pub fn repeat(&self) -> Repeat {
        self.core.music.queue.repeat
    }

    /// Sets whether the music ends after the present song. The queue stays; [`step`](Self::step) or [`resume`](Self::resume)
    /// goes on.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`].
    pub fn set_stop_after(&mut self, stops_after: bool) -> Result<(), NotPossible> {
        self.core.music.set_stop_after(stops_after)
    }

    /// Whether the music ends after the present song.
    pub fn stops_after(&self) -> bool {
        self.core.music.queue.stops_after
    }

    /// Sets which gain evens out the loudness of songs. It changes the samples that are decoded from now on.
    pub fn set_gain(&mut self, gain: GainMode) {
        self.core.gain = gain;
    }

    /// Which gain evens out the loudness of songs.
    pub fn gain(&self) -> GainMode {
        self.core.gain
    }

    /// Ends the music after this time, faded in its last ten seconds, or in all of a shorter time. With `None` it does not end. The
    /// queue stays.
    pub fn sleep(&mut self, now: Instant, after: Option<Duration>) {
        self.core.sleep = after.map(|after| Sleep::after(now, after));
        self.core.music.wakeups.network = true;
    }

    /// How long until the music ends, if [`sleep`](Self::sleep) was called.
    pub fn sleep_left(&self, now: Instant) -> Option<Duration> {
        self.core.sleep.map(|sleep| sleep.at.saturating_since(now))
    }

    /// Whether there may be a song before or after the present one: the player does not know where the library ends.
    pub fn can_step(&self, direction: Direction) -> bool {
        self.core.music.can_step(direction)
    }

    /// The queue, for screens.
    pub fn queue(&self) -> &Queue<'m> {
        &self.core.music.queue
    }

    /// Ends the music, and its transmission. The queue stays.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`]; the player sends STOP all the same.
    pub fn stop(&mut self) -> Result<(), NotPossible> {
        self.core.questions.forget_title();
        self.core.music.stop()
    }

    /// Pauses the music, or resumes it. Songs that were requested and have not started begin in the same state.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`].
    pub fn set_paused(&mut self, is_paused: bool) -> Result<(), NotPossible> {
        self.core.music.set_paused(is_paused)
    }

    /// Ends a pause. If nothing plays, the queue goes on: with its current song, or with the next if that was heard to its end.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`].
    pub fn resume(&mut self, now: Instant) -> Result<(), NotPossible> {
        self.core.music.resume(now)?;
        self.core.reconnect_now();
        Ok(())
    }

    /// Goes to the song before or after [`target`](Self::target) in the queue. If the queue is one song that was named by its
    /// number, goes to its neighbour in the library.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`], [`NotPossible::Edge`] if it is the queue's first or last song.
    pub fn step(&mut self, now: Instant, direction: Direction) -> Result<(), NotPossible> {
        self.core.reconnect_now();
        self.core.music.step(now, direction)
    }

    /// Goes to another position in [`target`](Self::target). During a search, the song that is found begins there. `frames` is as
    /// for [`position_ms`](Self::position_ms). Returns the song, `None` during a search, and the position in milliseconds.
    ///
    /// # Errors
    /// [`NotPossible::NothingPlays`], [`NotPossible::TooShort`].
    pub fn seek(&mut self, now: Instant, seek: Seek, frames: u64) -> Result<(Option<SongId>, u64), NotPossible> {
        let position_ms = self.position_ms(frames);
        self.core.reconnect_now();
        self.core.music.seek(now, seek, position_ms)
    }

    /// Asks the server a question. Questions wait in order; one is sent at a time.
    ///
    /// # Errors
    /// [`NotPossible::TooManyQuestions`].
    pub fn ask(&mut self, question: Question) -> Result<(), NotPossible> {
        self.core.reconnect_now();
        self.core.questions.push(question)
    }

    /// Sets how many songs of a list the screen has room for. With 0, as at the beginning, no question is sent.
    pub fn set_page_songs(&mut self, songs: u32) {
        self.core.questions.set_page_songs(songs);
    }

    /// The screen had no room for the song of the last [`Event::Listed`] or [`Event::Info`]. The player asks for it again, and for
    /// the rest of the list, when there is room.
    pub fn ask_again(&mut self) {
        self.core.questions.ask_again();
    }

    /// The room on the screen has changed: the first question may be sent.
    pub fn wake_network(&mut self) {
        self.core.music.wakeups.network = true;
    }

    /// Gives up the first question. Returns it, if there was one.
    pub fn give_up_question(&mut self) -> Option<Question> {
        self.core.questions.pop()
    }

    /// Gives up the music that has not arrived. What has arrived is played to its end.
    pub fn give_up_rest(&mut self) {
        self.core.music.give_up_rest();
    }

    /// Ends the music and the questions, and connects to another server from now on.
    pub fn change_server(&mut self) {
        // It does not matter if nothing was playing.
        let _ = self.stop();
        self.core.music.queue.clear_all();
        while self.give_up_question().is_some() {}
        self.core.connector.leave();
    }

    /// Resets the back-off: the attempts that failed until now do not delay the next.
    pub fn forget_failures(&mut self) {
        self.core.connector.reset_backoff();
    }

    // ── the decoder ──

    /// Takes the decoder's next step for the song heard: decodes at most one frame, into `pcm`.
    pub fn decode(&mut self, now: Instant, decoder: &mut impl FrameDecoder, pcm: &mut [i16; PCM_SAMPLES]) -> Step {
        self.core.sleep_if_due(now);
        let supply = self.supply(now);
        let Core { music, decoding, gain, sleep, .. } = &mut self.core;
        let Some(track) = music.buffer.first() else { return Step::Idle };
        let Some(decoding) = decoding.as_mut().filter(|decoding| decoding.id == track.item.id) else {
            return Step::Begin { id: track.item.id, started: track.started };
        };
        let (step, consumed) = decoding.step(track, &supply, music.buffer.front(), decoder, pcm);
        if let Step::Sound(sound) = &step {
            let is_album = music.queue.plays_album(track.item.place);
            let factor = Factor::of(&track.started.gain, *gain, is_album).faded(now, *sleep);
            factor.apply(pcm.get_mut(sound.samples()).unwrap_or_default());
        }
        self.consume(consumed);
        step
    }

    /// Whether the song that began last is still the song heard.
    pub fn has_begun(&self) -> bool {
        self.core.decoding().is_some()
    }

    /// Whether another song follows the song heard without a gap.
    pub fn is_followed(&self) -> bool {
        self.core.music.buffer.is_followed()
    }

    /// The output is ready for the song `id`, and counts its frames from the first that is heard, at the rate of STARTED. If
    /// another song has taken its place meanwhile, nothing happens. Returns whether a new song begins, not another position in
    /// the same song.
    pub fn handle_began(&mut self, id: ItemId) -> bool {
        let Core { music, decoding, ended, .. } = &mut self.core;
        let Some(track) = music.buffer.first().filter(|track| track.item.id == id) else { return false };
        *decoding = Some(Decoding::new(track, ended.take()));
        self.core.want_title();
        self.core.music.buffer.announce()
    }

    /// The output counts its frames from this sound on, at the sound's rate.
    pub fn count_from(&mut self, sound: &Sound) {
        if let Some(decoding) = &mut self.core.decoding {
            decoding.count_from(sound);
        }
    }

    /// The output ran out of samples. Unless it is paused, the music buffers as at its beginning.
    pub fn handle_dry(&mut self) {
        let Core { music, decoding, .. } = &mut self.core;
        if let Some(decoding) = decoding.as_mut().filter(|_| !music.is_paused()) {
            decoding.on_dry();
        }
    }

    /// The output has played the song heard to its end. Returns the song's number if all of it arrived and none of it could be
    /// decoded.
    pub fn handle_finished(&mut self) -> Option<SongId> {
        let Core { music, questions, decoding, ended, .. } = &mut self.core;
        let mut undecodable = None;
        if let Some(track) = music.buffer.first() {
            let decoded = decoding.take().filter(|decoding| decoding.id == track.item.id);
            let is_silent = decoded.as_ref().is_some_and(|decoding| !decoding.has_sound());
            undecodable = Some(track.started.song).filter(|_| is_silent && track.is_complete());
            *ended = decoded.map(|decoding| *decoding.playback());
            questions.on_finished(track.item.id);
        }
        let rest = music.on_finished();
        self.release(rest);
        undecodable
    }

    /// The figures by which [`Playback::next_action`] decides whether the song heard may start.
    fn supply(&self, now: Instant) -> Supply {
        let (buffered, received) = self.heard().map_or((0, 0), |track| (track.buffered, track.received));
        let (delivery_rate, round_trip) =
            self.client.as_ref().map_or((0, Duration::ZERO), |client| (client.delivery_rate(now), client.round_trip()));
        Supply { buffered, received, capacity: self.capacity_bytes(), delivery_rate, round_trip }
    }

    /// Drops `bytes` from the front of the song heard.
    fn consume(&mut self, bytes: usize) {
        self.core.music.buffer.consume(bytes);
        self.release(bytes);
    }

    /// Tells the session machine of free room in the buffer, for the streams that fill it.
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
        self.questions.ask(client, |id| self.music.number_of(id))
    }

    /// The song heard, if it has begun.
    fn decoding(&self) -> Option<&Decoding> {
        let heard = self.music.buffer.first()?.item.id;
        self.decoding.as_ref().filter(|decoding| decoding.id == heard)
    }

    /// Asks for the title of the song heard, if the listener does not know it. After a switch this happens at STARTED, so that
    /// the player does not seem settled in between.
    fn want_title(&mut self) {
        let heard = self.music.buffer.first().map(|track| track.item);
        if let Some(item) = heard.filter(|item| self.wants_titles && !item.is_announced) {
            self.questions.want_title(item.id);
            self.music.wakeups.network = true;
        }
    }

    /// Ends the music at the time of [`Player::sleep`].
    fn sleep_if_due(&mut self, now: Instant) {
        if self.sleep.take_if(|sleep| now >= sleep.at).is_some() {
            self.questions.forget_title();
            // It does not matter if nothing was playing.
            let _ = self.music.stop();
        }
    }

    fn reconnect_now(&mut self) {
        self.connector.reconnect_now();
        self.music.wakeups.network = true;
    }

    fn on_event<'a>(&'a mut self, event: client::Event<'a>) -> Option<Event<'a>> {
        match event {
            client::Event::Welcome(welcome) => self.on_welcome(welcome),
            client::Event::Song(song) => self.on_song(song),
            client::Event::ListEnd(end) if self.music.has_asked(end.request) => self.music.on_list_end(&end),
            client::Event::ListEnd(end) => self.questions.on_list_end(end),
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
                self.connector.on_goodbye(reason);
                if reason == GoodbyeReason::Superseded {
                    // It does not matter if nothing was playing.
                    let _ = self.music.stop();
                    self.questions.forget_title();
                }
                Some(Event::Goodbye(reason))
            }
        }
    }

    fn on_welcome<'a>(&mut self, welcome: Welcome<'a>) -> Option<Event<'a>> {
        // All of a song may have arrived before its END was lost.
        self.music.look_for_next();
        match self.connector.on_welcome() {
            true => Some(Event::Connected(welcome)),
            false if self.connector.is_flapping() => None,
            false => Some(Event::Reconnected),
        }
    }

    fn on_song<'a>(&mut self, song: Song<'a>) -> Option<Event<'a>> {
        if self.music.has_asked(song.request) { self.music.on_song(song) } else { self.questions.on_song(song) }
    }

    fn on_failed<'a>(&mut self, error: Error<'a>) -> Option<Event<'a>> {
        if error.code.is_fatal() {
            self.connector.on_error(SessionError::Peer(error.code));
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
