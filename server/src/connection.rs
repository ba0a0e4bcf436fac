//! One client's connection, from accepting it to its end, on a thread of its own.
//!
//! ```text
//!          ┌──────────────────────────────────────────────────────────┐
//!          ▼                                                          │
//!   is it to end? ─▶ write what is to be said ─▶ has input come? ─yes─▶ answer it ─┐
//!          ▲                                     │ no                              │
//!          │                            credit for data? ─yes─▶ write one DATA frame
//!          │                                     │ no                              │
//!          └──────────── wait for input, at most until the next time-out ◀─────────┘
//! ```
//!
//! So a command is obeyed between two DATA frames, and a connection that has nothing to do costs nothing. Of a client that
//! sends thousands of commands no more than one in a millisecond is looked at on average.
//!
//! An answer may have to wait for a disk. Its client's music goes on meanwhile, and what the client sends is looked at:
//! credit and STOP count at once, what has to be answered waits for its turn.

mod answer;
mod cue;
mod data;
mod departure;
mod input;
mod playing;
mod request;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::{ReadReady, Write};
use log::Level;
use trill_proto::error::{ErrorCode, Refusal};
use trill_proto::message::{GoodbyeReason, refusal};
use trill_proto::session::server::Server as Machine;
use trill_proto::transport::blocking::{Received, transmit_server};

use crate::address::Address;
use crate::link::{Dismissal, bid_farewell};
use crate::payloads::SMALL_BUFFER_BYTES;
use crate::registry::Membership;
use crate::server::Shared;
use answer::LIST_ANSWER_BYTES;
use departure::Departure;
use input::Input;
use playing::Playing;
use request::Request;
use socket::Socket;

/// How long a full server waits for the HELLO of a client that may come back for its own place.
const HOLD_BACK: Duration = Duration::from_secs(1);

/// How long nothing is read of a client that sends too many commands: as long as is worth waking up for. What it may send
/// in that time is then taken at once.
const FLOOD_PAUSE: Duration = Duration::from_millis(50);

/// How long a client may take to hear the last words and close.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(1);

/// Memory that a connection holds besides its stack, at most: itself, its client's name, requests that wait, and an answer or a
/// payload that its client does not take.
pub(crate) const MAX_HEAP_BYTES: u64 = {
    let requests = 2 * answer::MAX_REQUESTS * size_of::<Request>();
    let unsent = if LIST_ANSWER_BYTES > SMALL_BUFFER_BYTES { LIST_ANSWER_BYTES } else { SMALL_BUFFER_BYTES };
    (size_of::<Connection>() + 1_024 + requests + unsent) as u64
};

/// A connection and its client.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    membership: Membership,
    socket: Socket,
    machine: Machine,
    /// What the log calls the client: its address, and its name once that is known.
    client: String,
    has_joined: bool,
    /// Since when the answer to its preamble is held back, because all places are taken.
    held_back: Option<Instant>,
    input: Input,
    /// What was asked while another answer took long.
    requests: VecDeque<Request>,
    playing: Playing,
}

impl Connection {
    /// Put together by whoever accepts it, and not on the stack of the connection's own thread: of that whole pages are
    /// taken, and this saves each of thousands of listeners one of three.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub(crate) fn accept(shared: Arc<Shared>, membership: Membership, peer: SocketAddr) -> io::Result<Box<Self>> {
        let client = Address::of(peer).with_port(peer.port());
        let socket = Socket::new(Arc::clone(membership.link()))?;
        let machine = Machine::new(shared.clock.now());
        Ok(Box::new(Self {
            shared,
            membership,
            socket,
            machine,
            client,
            has_joined: false,
            held_back: None,
            input: Input::new(),
            requests: VecDeque::new(),
            playing: Playing::default(),
        }))
    }

    /// Serves the client until one side has enough of the other.
    pub(crate) fn serve(mut self: Box<Self>) {
        let departure = self.run();
        self.take_leave(&departure);
    }

    fn run(&mut self) -> Departure {
        loop {
            if let Err(departure) = self.turn() {
                return departure;
            }
        }
    }

    fn turn(&mut self) -> Result<(), Departure> {
        self.check_dismissal()?;
        self.transmit()?;
        self.playing.let_go_unless(self.machine.current_stream());
        if self.has_data() && !self.has_input()? {
            self.send_data()?;
        } else {
            self.take_input()?;
        }
        Ok(self.machine.handle_timeout(self.shared.clock.now())?)
    }

    fn check_dismissal(&self) -> Result<(), Departure> {
        self.membership.link().dismissal().map_or(Ok(()), |why| Err(Departure::Dismissed(why)))
    }

    /// Writes what is to be said. The answer to a preamble takes a place, and is held back while there is none.
    fn transmit(&mut self) -> Result<(), Departure> {
        if self.machine.expects_hello() && !self.membership.take_seat() {
            let since = *self.held_back.get_or_insert_with(Instant::now);
            return if since.elapsed() < HOLD_BACK { Ok(()) } else { Err(Departure::Full) };
        }
        Ok(transmit_server(&mut self.machine, self.shared.clock.now(), &mut self.socket.writer())?)
    }

    /// Whether there is something to obey now.
    fn has_input(&mut self) -> Result<bool, Departure> {
        Ok(!self.requests.is_empty() || !self.input.is_empty() || self.socket.read_ready()?)
    }

    /// Waits for input until the session's next time-out, and obeys it.
    fn take_input(&mut self) -> Result<(), Departure> {
        if self.requests.is_empty() && self.input.is_empty() {
            self.socket.set_patience(self.patience())?;
            self.receive()?;
        }
        while let Some(request) = self.next_request()? {
            self.answer(request)?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), Departure> {
        match self.input.receive(&mut self.socket)? {
            Received::Bytes(_) | Received::Nothing => Ok(()),
            Received::Closed => Err(self.closed()),
        }
    }

    /// Why there is no more input: a dismissal ends it too.
    fn closed(&self) -> Departure {
        self.membership.link().dismissal().map_or(Departure::Closed, Departure::Dismissed)
    }

    /// What is to be answered next, of all that has been received.
    fn next_request(&mut self) -> Result<Option<Request>, Departure> {
        if let Some(request) = self.requests.pop_front() {
            return Ok(Some(request));
        }
        while !self.input.is_empty() {
            let (taken, request) = self.handle_input()?;
            if request.is_some() {
                return Ok(request);
            }
            if taken == 0 {
                self.transmit()?; // the replies fill the machine's output
                self.pause_input()?;
            }
        }
        Ok(None)
    }

    /// Lets the machine see the input that is left. Returns how much it took, and what it found there.
    fn handle_input(&mut self) -> Result<(usize, Option<Request>), Departure> {
        let (taken, event) = self.machine.handle_input(self.shared.clock.now(), self.input.bytes())?;
        let request = event.map(Request::from);
        self.input.take(taken);
        Ok((taken, request))
    }

    /// A client that sends more commands than it should is held back by TCP, and what it has asked for goes on.
    fn pause_input(&mut self) -> Result<(), Departure> {
        let Some(pause) = self.machine.input_pause(self.shared.clock.now()) else { return Ok(()) };
        if self.socket.is_deserted() {
            return Err(self.closed()); // its place is not kept until all that it left behind has been read
        }
        if self.has_data() {
            return self.send_data();
        }
        thread::sleep(pause.max(FLOOD_PAUSE));
        Ok(())
    }

    /// How long nothing has to be done if nothing happens.
    fn patience(&self) -> Duration {
        let now = self.shared.clock.now();
        let mut patience = self.machine.poll_timeout().map_or(Duration::ZERO, |at| at.saturating_since(now));
        if self.machine.has_data() {
            patience = patience.min(self.playing.pause());
        }
        let held_back = self.held_back.filter(|_| self.machine.expects_hello());
        held_back.map_or(patience, |since| patience.min(HOLD_BACK.saturating_sub(since.elapsed())))
    }

    /// Says the last words, if any are due, and sees to it that they arrive.
    fn take_leave(&mut self, departure: &Departure) {
        self.log(departure);
        self.playing = Playing::default(); // its file
        match departure {
            Departure::Goodbye | Departure::Closed | Departure::GaveUp(_) => return,
            Departure::Lost(_) | Departure::Unfinished => return,
            Departure::Dismissed(Dismissal::Crowded) => return,
            Departure::Dismissed(Dismissal::Superseded) => self.machine.goodbye(GoodbyeReason::Superseded),
            Departure::Dismissed(Dismissal::Restarting) => self.machine.goodbye(GoodbyeReason::Restarting),
            Departure::TooMany(_) => self.machine.reject(ErrorCode::TOO_MANY_CLIENTS, &departure.to_string()),
            Departure::Fault(_) | Departure::Full => {}
        }
        let mut writer = self.socket.last_writer();
        let written = match departure {
            Departure::Full => writer.write_all(&refusal(Refusal::Busy)),
            _ => transmit_server(&mut self.machine, self.shared.clock.now(), &mut writer),
        };
        if written.is_ok() {
            bid_farewell(self.membership.link().stream(), Instant::now() + FAREWELL_PATIENCE);
        }
    }

    /// Writes a line about the client to the log, unless there are too many of them.
    fn note(&self, level: Level, line: fmt::Arguments<'_>) {
        self.shared.client_log.write(level, self.membership.network(), line);
    }

    fn log(&self, departure: &Departure) {
        let client = &self.client;
        match departure {
            _ if self.has_joined => self.note(Level::Info, format_args!("{client} left: {departure}")),
            Departure::Fault(_) | Departure::Full | Departure::TooMany(_) => {
                log::debug!("{client} was turned away: {departure}")
            }
            // Whoever looks whether the port is open.
            _ => log::debug!("{client} left before it joined: {departure}"),
        }
    }
}
