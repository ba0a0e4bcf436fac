//! From the socket to requests.

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use embedded_io::ReadReady;
use heapless::String;
use trill_proto::error::ErrorCode;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::limits::{MAX_NAME_BYTES, MAX_QUERY_BYTES};
use trill_proto::message::{Info, List, Play, Search};
use trill_proto::session::server::Event;
use trill_proto::transport::blocking::{Received, receive};

use super::Connection;
use crate::close::CloseReason;

/// Bytes read from the socket at once. Commands are small; larger ones come in pieces.
const INPUT_BYTES: usize = 512;

/// Requests that may wait while another is answered. Further ones stay in the socket.
pub(super) const MAX_REQUESTS: usize = 16;

/// Memory of the queue of requests at most. A growing queue doubles its memory.
pub(super) const MAX_QUEUE_BYTES: usize = MAX_REQUESTS * (2 * size_of::<Request>() + MAX_QUERY_BYTES);

/// How long nothing is read at once from a client that sends too many commands. Shorter pauses would cost more than they save.
const FLOOD_PAUSE: Duration = Duration::from_millis(50);

/// An [`Event`] that borrows nothing from the session: answering it needs the session.
#[derive(Debug)]
pub(super) enum Request {
    Hello { nonce: [u8; 16], name: String<MAX_NAME_BYTES> },
    List(ListRequest),
    Info(Info),
    Play(Play),
    Stopped(StreamId),
    Failed(ErrorCode),
    Goodbye,
}

/// A [`List`] that borrows nothing.
#[derive(Debug)]
pub(super) struct ListRequest {
    pub(super) request: RequestId,
    pub(super) first: SongId,
    pub(super) at_most: u32,
    /// `None` for all songs in the order of their ids.
    search: Option<SearchRequest>,
}

/// A [`Search`] that borrows nothing.
#[derive(Debug)]
pub(super) struct SearchRequest {
    query: Box<str>,
    /// The search without its query.
    rest: Search<'static>,
}

impl ListRequest {
    pub(super) fn search(&self) -> Option<Search<'_>> {
        self.search.as_ref().map(|SearchRequest { query, rest }| Search { query, ..*rest })
    }

    /// Whether the answer needs a look at every song.
    pub(super) fn looks_through_songs(&self) -> bool {
        let is_plain = |Search { query, within, numbers, group, is_best, .. }: Search<'_>| {
            query.trim().is_empty() && within.is_none() && numbers.is_none() && group.is_none() && !is_best
        };
        self.search().is_some_and(|search| !is_plain(search))
    }

    /// Which changes of the library the answer shows.
    pub(super) fn freshness(&self) -> Freshness {
        let Some(Search { query, rank, group, within, numbers, is_best }) = self.search() else {
            return if self.first.0 <= 1 { Freshness::Latest } else { Freshness::Any };
        };
        let begins = self.first.0 == 0 && rank == 0 && within.is_none() && numbers.is_none() && !is_best;
        match (begins, query.trim().is_empty(), group) {
            (false, ..) => Freshness::Any,
            (_, false, _) => Freshness::Soon,
            (_, _, Some(_)) => Freshness::Recent,
            (_, _, None) => Freshness::Latest,
        }
    }
}

/// Which changes of the library the answer to a LIST shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// All that were made before the request.
    Latest,
    /// The same, if they are found in a moment.
    Recent,
    /// Those that are known. The answer to a later request shows the others.
    Soon,
    /// Those that are known: it is a further page, or what follows a song.
    Any,
}

impl From<Search<'_>> for SearchRequest {
    fn from(search: Search<'_>) -> Self {
        let Search { query, rank, group, within, numbers, is_best } = search;
        Self { query: query.into(), rest: Search { query: "", rank, group, within, numbers, is_best } }
    }
}

/// Input that the session has not taken yet, and requests that wait for their answers.
pub(super) struct Input {
    buffer: [u8; INPUT_BYTES],
    start: usize,
    end: usize,
    requests: VecDeque<Request>,
}

impl Connection {
    /// Whether there is input to handle now.
    pub(super) fn has_input(&mut self) -> Result<bool, CloseReason> {
        Ok(!self.input.is_empty() || self.socket.read_ready()?)
    }

    /// Waits for input, at most for `timeout`, unless there is some already.
    pub(super) fn read_unless_queued(&mut self, timeout: Duration) -> Result<(), CloseReason> {
        if self.input.is_empty() {
            self.socket.set_read_timeout(timeout)?;
            self.read()?;
        }
        Ok(())
    }

    /// The next request in the input that was read. `None` although there is some if the session takes none of it now.
    pub(super) fn next_request(&mut self) -> Result<Option<Request>, CloseReason> {
        if let Some(request) = self.input.requests.pop_front() {
            return Ok(Some(request));
        }
        while self.input.has_bytes() {
            let (taken, request) = self.handle_input()?;
            if request.is_some() {
                return Ok(request);
            }
            if taken == 0 {
                self.transmit()?; // makes room for replies
                self.pause_flood()?;
                break;
            }
        }
        Ok(None)
    }

    /// Handles the input that is there, while another request is answered. Requests that need an answer are queued. While the
    /// queue is full, nothing is read.
    pub(super) fn drain_input(&mut self) -> Result<(), CloseReason> {
        if !self.input.has_bytes() && self.socket.read_ready()? {
            self.read()?;
        }
        while self.input.has_bytes() {
            if self.input.requests.len() >= MAX_REQUESTS {
                return if self.socket.is_closed_by_peer() { Err(self.end_of_input()) } else { Ok(()) };
            }
            let (taken, request) = self.handle_input()?;
            match request {
                Some(request) if request.needs_answer() => self.input.requests.push_back(request),
                Some(request) => self.answer(request)?,
                None if taken == 0 => break, // a flood of commands, or replies that must be transmitted first
                None => {}
            }
        }
        Ok(self.session.handle_timeout(self.shared.clock.now())?)
    }

    fn read(&mut self) -> Result<(), CloseReason> {
        let Input { buffer, start, end, .. } = &mut self.input;
        (*start, *end) = (0, 0);
        match receive(&mut self.socket, buffer)? {
            Received::Bytes(count) => *end = count,
            Received::Nothing => {}
            Received::Closed => return Err(self.end_of_input()),
        }
        Ok(())
    }

    /// Why there is no more input. A close by another thread ends it, too.
    fn end_of_input(&self) -> CloseReason {
        self.entry.handle().close_reason().unwrap_or(CloseReason::ClosedByClient)
    }

    /// Gives input to the session. Returns how many bytes it took, and the request that they complete.
    fn handle_input(&mut self) -> Result<(usize, Option<Request>), CloseReason> {
        let (taken, event) = self.session.handle_input(self.shared.clock.now(), self.input.bytes())?;
        let request = event.map(Request::from);
        self.input.start += taken;
        Ok((taken, request))
    }

    /// Reads nothing for a while from a client that sends too many commands, so that TCP slows it down. Its music goes on.
    fn pause_flood(&mut self) -> Result<(), CloseReason> {
        if self.session.input_pause(self.shared.clock.now()).is_none() {
            return Ok(());
        }
        if self.socket.is_closed_by_peer() {
            return Err(self.end_of_input()); // frees its slot before all of its commands have been read
        }
        if self.has_data() {
            return self.send_data();
        }
        thread::sleep(FLOOD_PAUSE);
        Ok(())
    }
}

impl Default for Input {
    fn default() -> Self {
        Self { buffer: [0; INPUT_BYTES], start: 0, end: 0, requests: VecDeque::new() }
    }
}

impl Input {
    fn is_empty(&self) -> bool {
        self.requests.is_empty() && !self.has_bytes()
    }

    const fn has_bytes(&self) -> bool {
        self.start < self.end
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }
}

impl Request {
    /// Whether the answer may take long.
    const fn needs_answer(&self) -> bool {
        matches!(self, Self::Hello { .. } | Self::List(_) | Self::Info(_) | Self::Play(_))
    }
}

impl From<Event<'_>> for Request {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Hello(hello) => {
                // The name fits: the session takes no longer one.
                Self::Hello { nonce: hello.nonce, name: String::try_from(hello.name).unwrap_or_default() }
            }
            Event::List(List { request, first, at_most, search }) => {
                let search = search.map(SearchRequest::from);
                Self::List(ListRequest { request, first, at_most, search })
            }
            Event::Info(info) => Self::Info(info),
            Event::Play(play) => Self::Play(play),
            Event::Stopped(stream) => Self::Stopped(stream),
            Event::Failed(error) => Self::Failed(error.code),
            Event::Goodbye(_) => Self::Goodbye,
        }
    }
}
