//! What a connection's lock protects: the session machine, what waits to be written, and what was asked for.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use trill_proto::error::SessionError;
use trill_proto::ids::{RequestId, SongId, StreamId};
use trill_proto::message::{self, EndReason, GoodbyeReason, ListEnd, MessageType, Start, Started};
use trill_proto::session::client::{self, Client, PlayRequest};
use trill_proto::time;

use super::{Ask, CloseReason, Event, Identity, Notify, Refusal, Song};
use crate::buffer::{Arrival, Buffer, CAPACITY_BYTES, Delivery, Supplier, Ticket};

/// The state of one connection.
pub(super) struct Session {
    client: Client,
    output: Vec<u8>,
    asked: Asked,
    /// Why the session is over; set once.
    ending: Option<CloseReason>,
    /// The writer has written its last.
    is_written: bool,
    /// The reader has read its last.
    is_read: bool,
}

impl Session {
    pub(super) fn new(now: time::Instant, identity: &Identity) -> Self {
        let Identity { name, nonce } = identity;
        Self {
            client: Client::new(now, &client::Identity { name, nonce: *nonce, roles: 0 }),
            output: Vec::with_capacity(client::OUTBOX_BYTES),
            asked: Asked::default(),
            ending: None,
            is_written: false,
            is_read: false,
        }
    }

    // ── commands: the outbox has room for them, for it was emptied after whatever came before; but a session that is over
    //    takes none, and no more requests than may wait for an answer ──

    pub(super) fn list(&mut self, first: SongId, at_most: u32) -> Option<RequestId> {
        let request = self.client.list(first, at_most).ok()?;
        self.asked.requests.insert(request, Request::List(Vec::new()));
        Some(request)
    }

    pub(super) fn info(&mut self, song: SongId) -> Option<RequestId> {
        let request = self.client.info(song).ok()?;
        self.asked.requests.insert(request, Request::Info);
        Some(request)
    }

    pub(super) fn play(
        &mut self,
        now: time::Instant,
        ask: &Ask,
        buffer: &Buffer,
        supplier: &dyn Fn(StreamId) -> Arc<dyn Supplier>,
        notify: &Notify,
    ) {
        let Self { client, asked, .. } = self;
        let mut play = |occupied| {
            let Ask { song, start, content_tag, .. } = *ask;
            let wanted = PlayRequest { song, start, content_tag, capacity: CAPACITY_BYTES, occupied };
            let stream = client.play(now, &wanted).ok()?;
            asked.pending.insert(stream, *ask);
            Some(supplier(stream))
        };
        match ask.start {
            // Every song has the whole buffer to itself.
            Start::Time(_) => drop(play(0)),
            Start::Resume(_) => buffer.entrust(ask.ticket, |level| play(u32::try_from(level).unwrap_or(u32::MAX))),
        }
        // Of many that wait for an answer the machine gives up the oldest that goes on with nothing.
        for (_, Ask { ticket, .. }) in self.asked.pending.extract_if(.., |stream, _| !self.client.is_pending(*stream)) {
            notify(Event::Ended { ticket, reason: EndReason::Replaced });
        }
    }

    pub(super) fn stop(&mut self) {
        if self.client.stop().is_ok() {
            self.asked.current = None;
            self.asked.pending.clear();
        }
    }

    pub(super) fn close(&mut self, now: time::Instant) {
        self.client.goodbye(GoodbyeReason::Done);
        self.end(CloseReason::Done);
        self.collect(now);
    }

    // ── the reader's side ──

    /// Hands `input` to the machine, and acts on what it makes of it.
    pub(super) fn take(
        &mut self,
        now: time::Instant,
        mut input: &[u8],
        buffer: &Buffer,
        supplier: &dyn Fn(StreamId) -> Arc<dyn Supplier>,
        notify: &Notify,
    ) -> Result<(), CloseReason> {
        while !input.is_empty() {
            let (taken, event) = self.client.handle_input(now, input)?;
            if let Some(event) = event
                && let Err(reason) = self.asked.act_on(event, buffer, supplier, notify)
            {
                if let CloseReason::Session(error) = reason {
                    self.client.reject(error);
                }
                return Err(reason);
            }
            input = &input[taken..];
        }
        Ok(())
    }

    /// The session is over. What was said first is why.
    pub(super) fn end(&mut self, reason: CloseReason) {
        if self.client.is_open() {
            // The machine ended itself if it was its error; what the threads noticed it has to be told.
            self.client.goodbye(GoodbyeReason::Done);
        }
        self.ending.get_or_insert(reason);
    }

    /// Why the session is over, if it is.
    pub(super) fn ending(&self) -> Option<CloseReason> {
        self.ending.clone()
    }

    // ── the writer's side ──

    pub(super) fn handle_timeout(&mut self, now: time::Instant) {
        if let Err(error) = self.client.handle_timeout(now) {
            self.ending.get_or_insert(error.into());
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<time::Instant> {
        self.client.poll_timeout().filter(|_| self.ending.is_none())
    }

    /// Takes from the machine what it wants to say.
    pub(super) fn collect(&mut self, now: time::Instant) {
        while let Some(bytes) = self.client.poll_transmit(now) {
            self.output.extend_from_slice(bytes);
        }
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Gives what is to be written for a buffer whose bytes have been: two buffers last for the whole connection.
    pub(super) fn swap_output(&mut self, written: &mut Vec<u8>) {
        written.clear();
        mem::swap(&mut self.output, written);
    }

    pub(super) fn set_written(&mut self) {
        self.is_written = true;
    }

    pub(super) fn set_read(&mut self) {
        self.is_read = true;
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// Whether the last words have reached the operating system and, if they are an ERROR, the server has had time to read it.
    pub(super) fn is_finished(&self) -> bool {
        self.is_written && (self.is_read || !self.ends_with_error())
    }

    /// Whether the server is told by an ERROR that it did wrong. One that is silent will not read it.
    pub(super) fn ends_with_error(&self) -> bool {
        let Some(CloseReason::Session(error)) = self.ending else { return false };
        error.code().is_some() && error != SessionError::Silent
    }

    // ── the buffer's side ──

    /// Whether the connection was of use: see [`Client::was_useful`].
    pub(super) fn was_useful(&self, now: time::Instant) -> bool {
        self.client.was_useful(now)
    }

    /// Returns whether there is something to write now.
    pub(super) fn release(&mut self, stream: StreamId, bytes: usize) -> bool {
        self.client.release(stream, bytes)
    }

    pub(super) fn delivery(&self, now: time::Instant) -> Delivery {
        Delivery { bytes_per_second: self.client.delivery_rate(now), round_trip: self.client.round_trip() }
    }
}

/// What was asked for and is not answered.
#[derive(Default)]
struct Asked {
    requests: BTreeMap<RequestId, Request>,
    pending: BTreeMap<StreamId, Ask>,
    current: Option<(StreamId, Ticket)>,
}

/// What was asked, and what of the answer has come.
enum Request {
    List(Vec<Song>),
    Info,
}

impl Asked {
    fn act_on(
        &mut self,
        event: client::Event<'_>,
        buffer: &Buffer,
        supplier: &dyn Fn(StreamId) -> Arc<dyn Supplier>,
        notify: &Notify,
    ) -> Result<(), CloseReason> {
        match event {
            client::Event::Welcome(welcome) => notify(Event::Welcome {
                server_name: welcome.server_name.to_owned(),
                song_count: (welcome.generation != 0).then_some(welcome.song_count),
            }),
            client::Event::Song(song) => self.on_song(&song, notify),
            client::Event::ListEnd(end) => self.on_list_end(end, notify),
            client::Event::Started(started) => self.on_started(started, buffer, supplier, notify)?,
            client::Event::Data { stream, bytes } => {
                if let Some((_, ticket)) = self.current.filter(|(current, _)| *current == stream) {
                    buffer.push(ticket, bytes);
                }
            }
            client::Event::Ended { stream, reason } => self.on_ended(stream, reason, notify),
            client::Event::Failed(error) => self.on_failed(&error, notify)?,
            client::Event::Goodbye(reason) => return Err(CloseReason::Goodbye(reason)),
        }
        Ok(())
    }

    fn on_song(&mut self, song: &message::Song<'_>, notify: &Notify) {
        let request = song.request;
        match self.requests.get_mut(&request) {
            Some(Request::List(songs)) => songs.push(Song::from(song)),
            Some(Request::Info) => {
                self.requests.remove(&request);
                notify(Event::Info { request, song: Song::from(song) });
            }
            None => {}
        }
    }

    fn on_list_end(&mut self, ListEnd { request, total, next, .. }: ListEnd, notify: &Notify) {
        if let Some(Request::List(songs)) = self.requests.remove(&request) {
            notify(Event::Page { request, songs, total, next });
        }
    }

    fn on_started(
        &mut self,
        started: Started,
        buffer: &Buffer,
        supplier: &dyn Fn(StreamId) -> Arc<dyn Supplier>,
        notify: &Notify,
    ) -> Result<(), CloseReason> {
        let stream = started.stream;
        let Some(ask) = self.pending.remove(&stream) else { return Ok(()) };
        // What was asked for before has been answered, or given up.
        self.pending.retain(|pending, _| *pending > stream);
        let Ask { ticket, asked, .. } = ask;
        // Before the player can know: what it reports of the song comes after this.
        notify(Event::Started { ticket, started });
        match ask.start {
            Start::Time(_) => {
                let supplier = supplier(stream);
                buffer.start(Arrival { ticket, started, asked, join: ask.join, supplier });
            }
            Start::Resume(_) if buffer.is_rest(ticket, &started) => {}
            Start::Resume(_) => return Err(SessionError::Unexpected(MessageType::Started).into()),
        }
        self.current = Some((stream, ticket));
        Ok(())
    }

    fn on_ended(&mut self, stream: StreamId, reason: EndReason, notify: &Notify) {
        let pending = self.pending.remove(&stream).map(|ask| ask.ticket);
        let current = self.current.take_if(|(current, _)| *current == stream).map(|(_, ticket)| ticket);
        if let Some(ticket) = current.or(pending) {
            notify(Event::Ended { ticket, reason });
        }
    }

    fn on_failed(&mut self, error: &message::Error<'_>, notify: &Notify) -> Result<(), CloseReason> {
        let refusal = Refusal { code: error.code, text: error.text.to_owned() };
        if error.code.is_fatal() {
            return Err(CloseReason::Peer(refusal));
        }
        if self.requests.remove(&RequestId(error.id)).is_some() {
            notify(Event::RequestRefused { request: RequestId(error.id), refusal });
        } else if let Some(ask) = self.pending.remove(&StreamId(error.id)) {
            notify(Event::PlayRefused { ticket: ask.ticket, refusal });
        } else if let Some((_, ticket)) = self.current.take_if(|(stream, _)| stream.0 == error.id) {
            notify(Event::Ended { ticket, reason: EndReason::Failed });
        }
        Ok(())
    }
}

impl From<&message::Song<'_>> for Song {
    fn from(song: &message::Song<'_>) -> Self {
        Self {
            id: song.song,
            duration: song.duration_ms.map(|ms| Duration::from_millis(ms.into())),
            size_bytes: song.size_bytes,
            bitrate: song.bitrate,
            rate: song.rate,
            channels: song.channels,
            track: song.track,
            title: song.title.to_owned(),
            artist: song.artist.to_owned(),
            album: song.album.to_owned(),
        }
    }
}
