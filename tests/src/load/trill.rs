//! A listener on a Trill server.

use super::{Listener, Tick, Traffic, closed};
use rustix::event::epoll::EventFlags;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::Instant;
use trill_proto::ids::SongId;
use trill_proto::message::{EndReason, Start};
use trill_proto::playback::{Playback, Supply};
use trill_proto::session::client::{Client, Event, Identity, PlayRequest};
use trill_proto::time;

/// The compressed buffer's capacity, as in the laptop's client.
const CAPACITY_BYTES: u32 = 1 << 20;

/// The song of every listener.
const SONG: SongId = SongId(1);

/// Space for unsent commands, which are small.
const CONTROL_BYTES: usize = 256;

/// The origin of the machines' clock.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

fn machine_time(now: Instant) -> time::Instant {
    time::Instant::from_micros(now.saturating_duration_since(*BEGINNING).as_micros() as u64)
}

pub(super) struct TrillListener {
    stream: TcpStream,
    client: Client<CONTROL_BYTES>,
    /// Bytes that the socket did not accept yet.
    unsent: Vec<u8>,
    /// Set from STARTED on.
    playback: Option<Playback>,
    /// Music bytes received but not played.
    buffered: u32,
    /// Whether it reads without a rate limit.
    is_greedy: bool,
    is_over: bool,
    traffic: Traffic,
}

impl TrillListener {
    pub(super) fn new(stream: TcpStream, now: Instant, is_greedy: bool) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut nonce = [0; 16];
        fastrand::fill(&mut nonce);
        let mut client = Client::new(machine_time(now), &Identity { name: "load", nonce, roles: 0 });
        let song =
            PlayRequest { song: SONG, start: Start::Time(0), content_tag: 0, capacity: CAPACITY_BYTES, occupied: 0 };
        client.play(machine_time(now), &song).map_err(|_| io::Error::other("no room for a PLAY"))?;
        let (unsent, traffic) = (Vec::new(), Traffic::default());
        let mut listener =
            Self { stream, client, unsent, playback: None, buffered: 0, is_greedy, is_over: false, traffic };
        listener.transmit(now)?;
        Ok(listener)
    }

    /// Passes input to the machine and counts the results.
    fn take(&mut self, now: Instant, mut input: &[u8]) -> io::Result<()> {
        let mut released = None;
        while !input.is_empty() {
            let (taken, event) = self.client.handle_input(machine_time(now), input).map_err(io::Error::other)?;
            input = &input[taken..];
            match event {
                Some(Event::Data { stream, bytes }) => {
                    let count = bytes.len();
                    self.traffic.payload_bytes += count as u64;
                    self.buffered += count as u32;
                    if self.is_greedy {
                        released = Some(stream);
                    }
                }
                Some(Event::Started(started)) => self.playback = Some(Playback::new(&started)),
                Some(Event::Ended { reason: EndReason::Finished, .. }) => self.is_over = true,
                Some(Event::Ended { reason, .. }) => {
                    return Err(io::Error::other(format!("the song ended: {reason:?}")));
                }
                Some(Event::Failed(error)) => return Err(io::Error::other(error.text.to_owned())),
                Some(Event::Goodbye(_)) => return Err(io::Error::other("the server sent GOODBYE")),
                Some(Event::Welcome(_) | Event::Song(_) | Event::ListEnd(_)) | None => {}
            }
        }
        if let Some(stream) = released {
            self.client.release(stream, std::mem::take(&mut self.buffered) as usize);
        }
        Ok(())
    }

    fn transmit(&mut self, now: Instant) -> io::Result<()> {
        while let Some(bytes) = self.client.poll_transmit(machine_time(now)) {
            self.unsent.extend_from_slice(bytes);
        }
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => {
                    self.traffic.sent_bytes += count as u64;
                    self.unsent.drain(..count);
                }
                // Sent with the next tick.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether playback runs, by the laptop's start rule. A listener without a rate has no buffer to fill.
    fn is_sounding(&mut self, now: Instant) -> bool {
        if self.is_greedy {
            return self.traffic.payload_bytes > 0;
        }
        let Some(playback) = &mut self.playback else { return false };
        let supply = Supply {
            buffered: self.buffered as usize,
            received: self.traffic.payload_bytes,
            capacity: CAPACITY_BYTES as usize,
            delivery_rate: self.client.delivery_rate(machine_time(now)),
            round_trip: self.client.round_trip(),
        };
        let _ = playback.next_action(&supply);
        !playback.is_buffering()
    }
}

impl Listener for TrillListener {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn interest(&self) -> EventFlags {
        EventFlags::IN
    }

    fn on_input(&mut self, now: Instant, scratch: &mut [u8]) -> io::Result<()> {
        match self.stream.read(scratch) {
            Ok(0) => return Err(closed()),
            Ok(count) => {
                self.traffic.received_bytes += count as u64;
                self.take(now, &scratch[..count])?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        self.transmit(now)
    }

    fn on_tick(&mut self, now: Instant, needed: u32, _scratch: &mut [u8]) -> io::Result<Tick> {
        self.client.handle_timeout(machine_time(now)).map_err(io::Error::other)?;
        let tick = if !self.is_sounding(now) {
            Tick::Silent
        } else {
            let taken = needed.min(self.buffered);
            self.buffered -= taken;
            if let Some(stream) = self.client.current_stream() {
                self.client.release(stream, taken as usize);
            }
            if taken == needed { Tick::Full } else { Tick::Short }
        };
        if let (Tick::Short, Some(playback)) = (tick, &mut self.playback) {
            playback.on_dry();
        }
        self.transmit(now)?;
        Ok(tick)
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Options, Report, Service, run};
    use crate::messages::encode;
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;
    use trill_proto::ids::StreamId;
    use trill_proto::message::{End, Message, PREAMBLE, Started, Welcome};

    /// Runs one listener against a server that sends these messages and no music.
    fn listen(song: SongId, reason: EndReason) -> Report {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = server.local_addr().expect("a bound socket has an address");
        let stream = StreamId(1);
        let started = Started { stream, song, content_tag: 1, rate: 0, channels: 0, ..Started::default() };
        let said = [Message::Welcome(Welcome::new()), Message::Started(started), Message::End(End { stream, reason })];
        let said = [PREAMBLE.to_vec(), said.iter().flat_map(encode).collect()].concat();
        let serving = thread::spawn(move || {
            let (mut client, _) = server.accept()?;
            let _ = client.read(&mut [0; 1_024])?;
            client.write_all(&said)?;
            io::copy(&mut client, &mut io::sink()) // until it goes
        });
        let report = run(&Options { window: Duration::from_secs(60), ..Options::new(Service::Trill, address, 1) });
        let _ = serving.join().expect("the thread does not panic"); // how it goes does not matter
        report.expect("a server that is there")
    }

    #[test]
    fn only_the_song_that_was_asked_for_up_to_its_end_counts() {
        let failure = |song, reason| listen(song, reason).first_failure.unwrap_or_default();
        assert_eq!(listen(SONG, EndReason::Finished).failed, 0.0);
        for reason in [EndReason::Stopped, EndReason::Replaced, EndReason::Failed] {
            assert!(failure(SONG, reason).contains("the song ended"), "{reason:?}");
        }
        assert!(failure(SongId(2), EndReason::Finished).contains("STARTED message out of place"));
    }

    #[test]
    fn a_listener_has_the_buffer_of_the_laptops_client() {
        assert_eq!(CAPACITY_BYTES, trill::shared::CAPACITY_BYTES);
    }
}
