//! What the parts of the radio share, and everything that is decided about it.
//!
//! ```text
//!   console: execute ──▶ ┌────────────────────────────────┐ ◀── player: what is in the buffer, how far it is
//!                        │ what is wanted, and under which │
//!   network: take    ──▶ │ request it was asked for        │ ──▶ screen, buffer, session machine
//!                        └────────────────────────────────┘
//! ```
//!
//! Whatever is to come from the server is written down here as *wanted*: songs to play, the song that follows, a list,
//! a title. Beside it stands the request under which it was asked for, if it was. [`State::ask`] asks for what has no
//! request. When a connection is lost, only the requests are forgotten: what was wanted still is, so on the next
//! connection the same few lines resume the music, go on with the list and look the title up again.

mod commands;
mod news;
mod report;

pub(crate) use news::Loss;

use core::time::Duration;

use heapless::{Deque, Vec};
use trill_proto::error::SessionError;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::list::Pager;
use trill_proto::message::{GoodbyeReason, Start};
use trill_proto::playlist::Search;
use trill_proto::session::OutboxFull;
use trill_proto::session::client::{Client, Identity, PlayRequest};
use trill_proto::ticks::Ticks;
use trill_proto::time::Instant;

use crate::buffer::Buffer;
use crate::pcm::Controls;
use crate::screen::Screen;
use crate::server::Server;
use crate::wish::{Join, Ticket, Wish};

/// Largest control payload that a board takes, in bytes: a song with its texts, cut by the server where they are longer.
pub(crate) const CONTROL_BYTES: usize = 512;

/// Most room on the screen that one song of a list takes: its texts fill at most the control payload, and its number and
/// length are short. With less, no answer is asked for.
pub(crate) const SONG_LINE_BYTES: usize = CONTROL_BYTES + 32;

/// Room that it takes mostly. Of a page whose songs take more, the rest is asked for again.
const TYPICAL_SONG_LINE_BYTES: usize = 64;

/// Songs that were asked for and have not started. The session machine takes one more, for the song that goes on after a
/// cut; where there is none, it may still start one that was given up here, which is then not heard.
const PLAYS: usize = 3;

/// Questions that wait for an answer.
const QUESTIONS: usize = 4;

/// Something to be told on the screen.
#[derive(Clone, Copy, Debug)]
enum Question {
    /// All songs that are not on the screen yet.
    List(Pager),
    /// One song.
    Info(SongId),
}

/// A look for a song that is to be heard.
#[derive(Clone, Copy, Debug)]
struct Lookup {
    search: Search,
    join: Join,
    /// A pause goes on when the song begins.
    keeps_pause: bool,
    /// It passes over a song that was refused: where no other comes, the music goes on.
    is_detour: bool,
    asked: Option<Instant>,
}

/// Something wanted, and the request under which it was asked for on this connection.
#[derive(Clone, Copy, Debug)]
struct Wanted<T> {
    what: T,
    request: Option<RequestId>,
}

impl<T> Wanted<T> {
    const fn new(what: T) -> Self {
        Self { what, request: None }
    }

    fn is_answered_by(&self, request: RequestId) -> bool {
        self.request == Some(request)
    }
}

/// Who has something to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) network: bool,
    pub(crate) player: bool,
}

/// The state of the radio.
pub(crate) struct State<'m> {
    pub(crate) screen: Screen<'m>,
    pub(crate) buffer: Buffer<'m>,
    pub(crate) calls: Calls,
    pub(crate) server: Server,
    controls: &'m Controls,

    // ── the connection ──
    client: Option<Client<CONTROL_BYTES>>,
    /// The server has welcomed us on the present connection, or on the one that has just ended.
    was_open: bool,
    /// Servers take connections and bring no music that is wanted. That was told.
    is_flapping: bool,
    /// Another connection took the place of the last one: none is made before there is a command.
    is_superseded: bool,
    /// Why the last attempt failed, if that was told.
    told: Option<Loss>,
    /// The connection is to be closed, to make another.
    is_leaving: bool,
    /// There was a connection, so the next is another one.
    was_connected: bool,

    // ── the music ──
    /// The server is to be told that nothing is wanted any more, before it is told of what is wanted after that.
    is_stopping: bool,
    tickets: u32,
    /// Songs that were asked for, in that order, and the streams under which.
    plays: Vec<(Wish, Option<StreamId>), PLAYS>,
    /// The stream that brings the last song of the buffer, or is to go on with it.
    bringing: Option<StreamId>,
    lookup: Option<Wanted<Lookup>>,
    volume: u8,
    /// Where in the song heard the output's position is 0.
    counted_from: Ticks,
    /// Sample rate of what is counted.
    counted_rate: u32,
    /// From the last `play` to its first sample.
    first_sample_after: Duration,
    is_buffering: bool,

    // ── what is to be told ──
    title: Option<Wanted<Ticket>>,
    questions: Deque<Wanted<Question>, QUESTIONS>,
}

impl<'m> State<'m> {
    pub(crate) fn new(screen: &'m mut [u8], buffer: &'m mut [u8], controls: &'m Controls, server: Server) -> Self {
        Self {
            screen: Screen::new(screen),
            buffer: Buffer::new(buffer),
            calls: Calls::default(),
            server,
            controls,
            client: None,
            was_open: false,
            is_flapping: false,
            is_superseded: false,
            told: None,
            is_leaving: false,
            was_connected: false,
            is_stopping: false,
            tickets: 0,
            plays: Vec::new(),
            bringing: None,
            lookup: None,
            volume: 100,
            counted_from: Ticks::default(),
            counted_rate: 0,
            first_sample_after: Duration::ZERO,
            is_buffering: false,
            title: None,
            questions: Deque::new(),
        }
    }

    // ── the connection, as the network sees it ──

    /// The server that is wanted, to which a connection will be tried.
    pub(crate) fn begin_attempt(&mut self) -> Server {
        self.is_leaving = false;
        self.server.clone()
    }

    /// A connection was made.
    pub(crate) fn on_connected(&mut self, now: Instant, identity: &Identity<'_>) {
        self.client = Some(Client::new(now, identity));
    }

    /// Takes what came from the server.
    ///
    /// # Errors
    /// What the server did wrong. Transmit once more, then close the connection.
    pub(crate) fn take(&mut self, now: Instant, mut input: &[u8]) -> Result<(), SessionError> {
        // Out of its place while its events, which borrow from it, are acted on.
        let Some(mut client) = self.client.take() else { return Ok(()) };
        let result = loop {
            if input.is_empty() {
                break Ok(());
            }
            match client.handle_input(now, input) {
                Ok((taken, event)) => {
                    if let Some(event) = event {
                        self.on_event(event);
                    }
                    input = input.get(taken..).unwrap_or_default();
                }
                Err(error) => break Err(error),
            }
        };
        self.client = Some(client);
        result
    }

    /// What time brings. See [`Client::handle_timeout`].
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        self.client.as_mut().map_or(Ok(()), |client| client.handle_timeout(now))
    }

    /// See [`Client::poll_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.client.as_ref()?.poll_timeout()
    }

    /// The next bytes to send, asking for what is wanted first.
    pub(crate) fn transmit<'o>(&mut self, now: Instant, out: &'o mut [u8]) -> &'o [u8] {
        if self.is_leaving
            && let Some(client) = &mut self.client
        {
            client.goodbye(GoodbyeReason::Done);
        }
        // What does not fit into the machine's outbox now does after this was sent.
        let _ = self.ask(now);
        let bytes = self.client.as_mut().and_then(|client| client.poll_transmit(now)).unwrap_or_default();
        let out = out.split_at_mut(bytes.len().min(out.len())).0;
        out.copy_from_slice(bytes);
        out
    }

    /// Whether the session is over.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.as_ref().is_none_or(Client::is_closed)
    }

    /// Whether the server has welcomed us on this connection.
    pub(crate) fn is_open(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_open)
    }

    /// Whether no connection may be made before there is a command.
    pub(crate) const fn is_superseded(&self) -> bool {
        self.is_superseded
    }

    /// Whether the music is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.controls.is_paused()
    }

    /// Whether the connection is to be closed, to make another.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Whether music is wanted from the server.
    pub(crate) fn needs_server(&self) -> bool {
        let is_cut = self.buffer.last().is_some_and(|track| !track.is_over);
        is_cut || !self.plays.is_empty() || self.lookup.is_some()
    }

    /// The server did not answer: what it was asked is not asked again. The rest of a song is.
    fn give_up_asked(&mut self) {
        self.plays.retain(|(_, stream)| stream.is_none());
        self.lookup.take_if(|lookup| lookup.request.is_some());
        self.title.take_if(|title| title.request.is_some());
        self.give_up_question();
    }

    /// The first question is not asked again, if it was asked.
    fn give_up_question(&mut self) {
        if self.waits_for_answer() {
            self.questions.pop_front();
        }
    }

    /// The connection is over. What was wanted still is; it has to be asked for again.
    pub(crate) fn on_disconnected(&mut self) {
        self.client = None;
        self.bringing = None;
        self.was_open = false;
        self.is_stopping = false;
        // Of several songs in a row only the last can be meant now.
        while self.plays.len() > 1 {
            self.plays.remove(0);
        }
        self.plays.iter_mut().for_each(|(_, stream)| *stream = None);
        let requests = [
            self.lookup.as_mut().map(|lookup| &mut lookup.request),
            self.title.as_mut().map(|title| &mut title.request),
            self.questions.front_mut().map(|question| &mut question.request),
        ];
        requests.into_iter().flatten().for_each(|request| *request = None);
    }

    // ── asking ──

    /// Asks for what is wanted and was not asked for on this connection.
    fn ask(&mut self, now: Instant) -> Result<(), OutboxFull> {
        let Some(client) = self.client.as_mut().filter(|client| client.is_open()) else { return Ok(()) };
        if self.is_stopping {
            client.stop()?;
            self.is_stopping = false;
        }
        let capacity = self.buffer.capacity() as u32;
        let occupied = self.buffer.len() as u32;

        // Not behind others: it would take the place of one that starts.
        let is_first = self.plays.iter().all(|(_, stream)| stream.is_none());
        if self.bringing.is_none()
            && is_first
            && let Some(track) = self.buffer.last().filter(|track| !track.is_over)
        {
            let start = Start::Resume(track.started.position + track.received);
            let content_tag = track.started.content_tag;
            let wanted = PlayRequest { song: track.started.song, start, content_tag, capacity, occupied };
            self.bringing = Some(client.play(now, &wanted)?);
        }
        for (wish, stream) in self.plays.iter_mut().filter(|(_, stream)| stream.is_none()) {
            let occupied = if wish.join == Join::Switch { 0 } else { occupied };
            let Wish { song, at_ms, content_tag, .. } = *wish;
            let wanted = PlayRequest { song, start: Start::Time(at_ms), content_tag, capacity, occupied };
            *stream = Some(client.play(now, &wanted)?);
        }
        if let Some(lookup) = self.lookup.as_mut().filter(|lookup| lookup.request.is_none()) {
            let (first, at_most) = lookup.what.search.ask();
            lookup.request = Some(client.list(first, at_most)?);
        }
        let wish_of = |ticket| self.buffer.tracks().map(|track| track.wish).find(|wish| wish.ticket == ticket);
        if let Some(title) = self.title.as_mut().filter(|title| title.request.is_none())
            && let Some(wish) = wish_of(title.what)
        {
            title.request = Some(client.info(wish.song)?);
        }
        let room = self.screen.room();
        let is_due = |question: &&mut Wanted<_>| question.request.is_none() && room >= SONG_LINE_BYTES;
        if let Some(question) = self.questions.front_mut().filter(is_due) {
            question.request = Some(match question.what {
                Question::List(pager) => {
                    client.list(pager.next(), ((room - SONG_LINE_BYTES) / TYPICAL_SONG_LINE_BYTES + 1) as u32)?
                }
                Question::Info(song) => client.info(song)?,
            });
        }
        Ok(())
    }

    /// No answer is waited for any more.
    pub(crate) fn cancel_questions(&mut self) {
        self.questions.clear();
    }

    /// Whether there are questions whose answer is on its way.
    pub(crate) fn is_answering(&self) -> bool {
        self.is_open() && !self.questions.is_empty()
    }

    /// Whether the first question was asked.
    fn waits_for_answer(&self) -> bool {
        self.questions.front().is_some_and(|question| question.request.is_some())
    }

    /// Whether somebody waits for an answer for which there has to be room on the screen.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.questions.front().is_some_and(|question| question.request.is_none())
    }

    // ── the player's side ──

    /// `bytes` of the first song are not needed any more.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.buffer.consume(bytes);
        self.release(bytes);
    }

    /// The first song was heard to its end.
    pub(crate) fn finish(&mut self) {
        // Its END, at which that is done mostly, may be still to come, or lost.
        self.look_for_next();
        let rest = self.buffer.finish();
        self.release(rest);
        self.look_for_next();
    }

    fn release(&mut self, bytes: usize) {
        // What is in the buffer leaves it for the stream that fills it, or is about to.
        let following = self.plays.iter().rev().filter(|(wish, _)| wish.join == Join::Follow).find_map(|play| play.1);
        let streams = [self.bringing, following];
        if let Some(client) = &mut self.client {
            for stream in streams.into_iter().flatten() {
                self.calls.network |= client.release(stream, bytes);
            }
        }
    }

    /// How fast music arrives in bytes per second, and the smallest round-trip.
    pub(crate) fn delivery(&self, now: Instant) -> (u64, Duration) {
        self.client.as_ref().map_or((0, Duration::ZERO), |client| (client.delivery_rate(now), client.round_trip()))
    }

    /// The song heard is counted from this position on, in frames of `rate`.
    pub(crate) const fn count_from(&mut self, position: Ticks, rate: u32) {
        (self.counted_from, self.counted_rate) = (position, rate);
    }

    /// Whether the music waits for more to arrive.
    pub(crate) const fn show_buffering(&mut self, is_buffering: bool) {
        self.is_buffering = is_buffering;
    }

    // ── wishes ──

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Wants a song. Of too many that wait for their start the oldest is given up.
    fn want(&mut self, wish: Wish) {
        if self.plays.is_full() {
            self.plays.remove(0);
        }
        let _ = self.plays.push((wish, None));
        self.calls.network = true;
    }

    /// What the user means by "the song": the one asked for last, or the one that is heard.
    fn meant(&self) -> Option<&Wish> {
        let asked = |join| self.plays.iter().rev().map(|(wish, _)| wish).find(move |wish| wish.join == join);
        let heard = self.buffer.first().map(|track| &track.wish);
        asked(Join::Switch).or(heard).or_else(|| asked(Join::Follow))
    }
}

#[cfg(test)]
mod tests {
    use trill_proto::command::Command;
    use trill_proto::message::Song;
    use trill_proto::session::client::Event;

    use super::*;
    use crate::pcm::Pcm;

    #[test]
    fn a_connection_whose_place_was_taken_is_made_again_by_a_command() {
        let (mut screen, mut buffer, pcm) = ([0; 99], [0; 16], Pcm::<16>::new());
        let mut state = State::new(&mut screen, &mut buffer, pcm.controls(), "attic".parse().expect("a server"));
        state.on_event(Event::Goodbye(GoodbyeReason::Superseded));
        let _ = state.on_loss(Instant::from_micros(0), Loss::Told);
        state.on_disconnected();
        assert!(state.is_superseded());
        state.execute(Instant::from_micros(0), Command::Volume(None));
        assert!(!state.is_superseded());
        let told = b"another connection took this one's place; the next command connects again\nvolume 100\n";
        assert_eq!(state.screen.take(&mut [0; 99]), told.as_slice());
    }

    #[test]
    fn a_song_for_which_there_is_no_room_is_asked_for_again() {
        let (mut screen, mut buffer, pcm) = ([0; SONG_LINE_BYTES + 20], [0; 16], Pcm::<16>::new());
        let server = "attic".parse().expect("a server");
        let mut state = State::new(&mut screen, &mut buffer, pcm.controls(), server);
        let request = RequestId(1);
        let question = Wanted { what: Question::List(Pager::new(SongId(1))), request: Some(request) };
        state.questions.push_back(question).expect("room");
        for song in 1..=4 {
            state.on_event(Event::Song(Song { request, song: SongId(song), title: "short", ..Song::default() }));
        }
        assert_eq!(state.screen.take(&mut [0; 40]), b"    1  short\n    2  short\n");
        let front = state.questions.front().expect("the question");
        let asks_from = |pager: Pager| pager.next() == SongId(3);
        assert!(
            matches!(front, Wanted { what: Question::List(pager), request: None } if asks_from(*pager)),
            "{front:?}"
        );
    }
}
