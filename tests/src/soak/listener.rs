//! A light client that listens at the pace of the music, does what people do meanwhile, and compares every byte.

use super::music::Take;
use super::shared::Shared;
use crate::session::{Listing, Session};
use fastrand::Rng;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use trill_proto::error::ErrorCode;
use trill_proto::message::{EndReason, Start};

/// What its buffer holds: an eighth of a laptop's, 3 s of the largest songs.
const BUFFER_BYTES: u32 = 128 * 1024;

/// How often it makes room there.
const TICK: Duration = Duration::from_millis(100);

/// How long one that is paused is silent before it asks for something: below the time after which a server pings.
const SILENCE: Duration = Duration::from_secs(10);

/// Comes, listens for a while, and leaves. `is_disturbed` is whether its path is so bad that the music may stop.
pub(super) fn visit(shared: &Shared<'_>, address: SocketAddr, is_disturbed: bool, random: &mut Rng) {
    let mut listener = Listener::open(shared, address, is_disturbed);
    for _ in 0..random.u8(5..60) {
        listener.act(random);
        listener.listen(Duration::from_millis(random.u64(200..5_000)));
        if shared.stop.is_set() {
            break;
        }
    }
    listener.session.leave();
}

/// Comes, and is paused nearly all of the time.
pub(super) fn linger(shared: &Shared<'_>, random: &mut Rng) {
    let mut listener = Listener::open(shared, shared.address, false);
    for _ in 0..random.u8(1..5) {
        listener.play_any(random);
        listener.listen(Duration::from_secs(1));
        listener.pause(Duration::from_secs(random.u64(5..60)));
        listener.listen(Duration::from_secs(2));
    }
    listener.session.leave();
}

struct Listener<'a> {
    shared: &'a Shared<'a>,
    session: Session,
    is_disturbed: bool,
    listed: Vec<Listing>,
    heard: Option<Heard<'a>>,
}

/// The song that plays.
struct Heard<'a> {
    stream: u32,
    song: u32,
    /// What is still to come when it starts.
    rest: &'a [u8],
    granted: usize,
    /// Bytes that have come and were right.
    here: usize,
    bytes_per_second: f64,
    /// How much of it had been played at a moment, unless it has not begun or is paused.
    clock: Option<(Instant, f64)>,
    /// … and then, how much of it had.
    played: f64,
}

impl<'a> Listener<'a> {
    fn open(shared: &'a Shared<'a>, address: SocketAddr, is_disturbed: bool) -> Self {
        let mut session = Session::open(address);
        let listed = session.list();
        Self { shared, session, is_disturbed, listed, heard: None }
    }

    /// Does one of the things that people do.
    fn act(&mut self, random: &mut Rng) {
        self.shared.tally.operations.add(1);
        match random.u8(0..12) {
            0 => self.listed = self.session.list(),
            1 => self.info(random),
            2..5 => self.play_any(random),
            5..7 => self.seek(random),
            7 => self.stop(),
            8 => self.play_stop_play(random),
            9 => self.pause(Duration::from_secs(random.u64(1..20))),
            _ => {}
        }
    }

    fn any(&self, random: &mut Rng) -> &Listing {
        &self.listed[random.usize(0..self.listed.len())]
    }

    fn info(&mut self, random: &mut Rng) {
        let song = self.any(random).id;
        let request = self.session.request_info(song);
        match self.session.info(request) {
            Ok(info) => drop(self.shared.music.of_size(info.size_bytes)),
            Err(code) => self.check_gone(code),
        }
    }

    fn play_any(&mut self, random: &mut Rng) {
        let song = self.any(random).id;
        self.play(song, Start::Time(0));
    }

    /// To somewhere in the song that plays, or else in another.
    fn seek(&mut self, random: &mut Rng) {
        let playing = self.heard.as_ref().and_then(|heard| self.listed.iter().find(|listed| listed.id == heard.song));
        let Listing { id, duration_ms, .. } = *playing.unwrap_or_else(|| self.any(random));
        self.play(id, Start::Time(random.u64(0..u64::from(duration_ms.unwrap_or(0)) + 1)));
    }

    fn play(&mut self, song: u32, start: Start) {
        let stream = self.session.request_play_of(song, start, 0, BUFFER_BYTES);
        self.await_start(stream);
    }

    /// All of it at once: only the last counts.
    fn play_stop_play(&mut self, random: &mut Rng) {
        let (first, second) = (self.any(random).id, self.any(random).id);
        let (stopped, stream) = self.session.together(|session| {
            let stopped = session.request_play_of(first, Start::Time(0), 0, BUFFER_BYTES);
            session.stop(stopped);
            (stopped, session.request_play_of(second, Start::Time(0), 0, BUFFER_BYTES))
        });
        let has_started = self.await_start(stream);
        match self.session.ended_or_failed(stopped) {
            Ok(stopped) => assert!(stopped.audio.is_empty(), "only the last counts"),
            Err(code) => self.check_gone(code),
        }
        // What played before may have made way for the one that was stopped.
        if !has_started && let Some(heard) = &self.heard {
            self.session.stop(heard.stream);
            self.end(&[EndReason::Replaced, EndReason::Stopped, EndReason::Finished]);
        }
    }

    /// Returns whether the song plays now.
    fn await_start(&mut self, stream: u32) -> bool {
        let started = match self.session.started(stream) {
            Ok(started) => started,
            Err(code) => {
                self.check_gone(code);
                return false;
            }
        };
        self.end(&[EndReason::Replaced, EndReason::Stopped, EndReason::Finished]);
        self.shared.tally.songs.add(1);
        let take: &'a Take = self.shared.music.of_size(started.size_bytes);
        self.heard = Some(Heard {
            stream,
            song: started.song.0,
            rest: &take.audio[started.position as usize..],
            granted: BUFFER_BYTES as usize,
            here: 0,
            bytes_per_second: f64::from(started.bitrate.max(8_000)) / 8.0,
            clock: None,
            played: 0.0,
        });
        true
    }

    fn stop(&mut self) {
        if let Some(heard) = &self.heard {
            self.session.stop(heard.stream);
            self.end(&[EndReason::Stopped, EndReason::Finished]);
        }
    }

    /// What plays is over, for one of these reasons.
    fn end(&mut self, reasons: &[EndReason]) {
        if let Some(heard) = self.heard.take() {
            let end = self.session.ended(heard.stream).end;
            assert!(end.is_some_and(|end| reasons.contains(&end)), "{end:?}");
        }
    }

    /// The song is not there any more, or is another: the list is not what it was. What played before plays on.
    fn check_gone(&mut self, code: ErrorCode) {
        let codes = [ErrorCode::SONG_GONE, ErrorCode::BAD_POSITION];
        assert!(codes.contains(&code), "a song that was listed: {code:?}");
        self.listed = self.session.list();
    }

    /// Grants nothing for so long.
    fn pause(&mut self, length: Duration) {
        let end = Instant::now() + length;
        if let Some(heard) = &mut self.heard {
            heard.pause();
        }
        while Instant::now() < end {
            if self.shared.stop.wait(SILENCE.min(end.saturating_duration_since(Instant::now()))) {
                return;
            }
            self.listed = self.session.list();
        }
    }

    /// Listens for so long.
    fn listen(&mut self, length: Duration) {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.tick();
            if self.shared.stop.wait(TICK) {
                return;
            }
        }
    }

    /// Takes all that was granted, and grants what was played since.
    fn tick(&mut self) {
        let Some(heard) = &mut self.heard else { return };
        let due = heard.granted.min(heard.rest.len());
        let audio = &self.session.receive_audio(heard.stream, due)[heard.here..due];
        assert!(audio == &heard.rest[heard.here..due], "not the bytes of the file, between {} and {due}", heard.here);
        self.shared.tally.bytes.add(audio.len() as u64);
        let now = Instant::now();
        if heard.has_run_dry(now) {
            // The music begins anew with what has come.
            heard.pause();
            heard.played = heard.here as f64;
            if !self.is_disturbed {
                self.shared.tally.underruns.add(1);
            }
        }
        heard.here = due;
        heard.clock.get_or_insert((now, heard.played));
        if due == heard.rest.len() {
            return self.end(&[EndReason::Finished]);
        }
        let room = (heard.position(now) as usize + BUFFER_BYTES as usize).saturating_sub(heard.granted);
        if let Ok(more @ 1..) = u32::try_from(room) {
            self.session.grant(heard.stream, more);
            heard.granted += room;
        }
    }
}

impl Heard<'_> {
    /// Bytes that have been played.
    fn position(&self, now: Instant) -> f64 {
        let begun = self.clock.map(|(since, from)| from + (now - since).as_secs_f64() * self.bytes_per_second);
        begun.unwrap_or(self.played)
    }

    /// Whether it has played all that had come before the last.
    fn has_run_dry(&self, now: Instant) -> bool {
        self.clock.is_some() && self.position(now) > self.here as f64
    }

    fn pause(&mut self) {
        (self.played, self.clock) = (self.position(Instant::now()), None);
    }
}
