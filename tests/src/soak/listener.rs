//! A light client that receives at the speed of the music, uses the commands at random, and compares every byte.

use super::music::Take;
use super::shared::Shared;
use crate::session::{Listing, Session};
use fastrand::Rng;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use trill_proto::error::ErrorCode;
use trill_proto::message::{EndReason, Start};

/// Receive buffer: an eighth of a laptop's, 3 s of the highest bit rate.
const BUFFER_BYTES: u32 = 128 * 1024;

/// Interval between grants of credit.
const TICK: Duration = Duration::from_millis(100);

/// Silence of a paused client before its next request: shorter than the time after which a server pings.
const SILENCE: Duration = Duration::from_secs(10);

/// Connects, listens for a while and disconnects. `is_disturbed` allows underruns, because the path is bad.
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

/// Connects, and pauses most of the time.
pub(super) fn pause_often(shared: &Shared<'_>, random: &mut Rng) {
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
    playback: Option<Playback<'a>>,
}

/// The playing song.
struct Playback<'a> {
    stream: u32,
    song: u32,
    /// The bytes expected from the start position on.
    expected: &'a [u8],
    granted: usize,
    /// Bytes received and verified.
    received: usize,
    bytes_per_second: f64,
    /// When `played` was measured; `None` before the start and while paused.
    clock: Option<(Instant, f64)>,
    /// Bytes played at that time.
    played: f64,
}

impl<'a> Listener<'a> {
    fn open(shared: &'a Shared<'a>, address: SocketAddr, is_disturbed: bool) -> Self {
        let mut session = Session::open(address);
        let listed = session.list();
        Self { shared, session, is_disturbed, listed, playback: None }
    }

    /// Executes a random action.
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

    /// Seeks in the playing song, or plays another from within.
    fn seek(&mut self, random: &mut Rng) {
        let playing =
            self.playback.as_ref().and_then(|playback| self.listed.iter().find(|listed| listed.id == playback.song));
        let Listing { id, duration_ms, .. } = *playing.unwrap_or_else(|| self.any(random));
        self.play(id, Start::Time(random.u64(0..u64::from(duration_ms.unwrap_or(0)) + 1)));
    }

    fn play(&mut self, song: u32, start: Start) {
        let stream = self.session.request_play_of(song, start, 0, BUFFER_BYTES);
        self.await_start(stream);
    }

    /// Sends PLAY, STOP and PLAY at once. Only the last PLAY counts.
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
        // The previous song may have been replaced by the stopped one.
        if !has_started && let Some(playback) = &self.playback {
            self.session.stop(playback.stream);
            self.end(&[EndReason::Replaced, EndReason::Stopped, EndReason::Finished]);
        }
    }

    /// Returns whether the song has started.
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
        self.playback = Some(Playback {
            stream,
            song: started.song.0,
            expected: &take.audio[started.position as usize..],
            granted: BUFFER_BYTES as usize,
            received: 0,
            bytes_per_second: f64::from(started.bitrate.max(8_000)) / 8.0,
            clock: None,
            played: 0.0,
        });
        true
    }

    fn stop(&mut self) {
        if let Some(playback) = &self.playback {
            self.session.stop(playback.stream);
            self.end(&[EndReason::Stopped, EndReason::Finished]);
        }
    }

    /// Expects the end of the stream for one of these reasons.
    fn end(&mut self, reasons: &[EndReason]) {
        if let Some(playback) = self.playback.take() {
            let end = self.session.ended(playback.stream).end;
            assert!(end.is_some_and(|end| reasons.contains(&end)), "{end:?}");
        }
    }

    /// The song was removed or replaced since the list. The previous song continues.
    fn check_gone(&mut self, code: ErrorCode) {
        let codes = [ErrorCode::SONG_GONE, ErrorCode::BAD_POSITION];
        assert!(codes.contains(&code), "a song that was listed: {code:?}");
        self.listed = self.session.list();
    }

    /// Grants no credit for this time.
    fn pause(&mut self, length: Duration) {
        let end = Instant::now() + length;
        if let Some(playback) = &mut self.playback {
            playback.pause();
        }
        while Instant::now() < end {
            if self.shared.stop.wait(SILENCE.min(end.saturating_duration_since(Instant::now()))) {
                return;
            }
            self.listed = self.session.list();
        }
    }

    /// Listens for this time.
    fn listen(&mut self, length: Duration) {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.tick();
            if self.shared.stop.wait(TICK) {
                return;
            }
        }
    }

    /// Receives all granted bytes, and grants credit for the played ones.
    fn tick(&mut self) {
        let Some(playback) = &mut self.playback else { return };
        let due = playback.granted.min(playback.expected.len());
        let audio = &self.session.receive_audio(playback.stream, due)[playback.received..due];
        assert!(
            audio == &playback.expected[playback.received..due],
            "not the bytes of the file, between {} and {due}",
            playback.received
        );
        self.shared.tally.bytes.add(audio.len() as u64);
        let now = Instant::now();
        if playback.has_run_dry(now) {
            // After an underrun, playback restarts with the received bytes.
            playback.pause();
            playback.played = playback.received as f64;
            if !self.is_disturbed {
                self.shared.tally.underruns.add(1);
            }
        }
        playback.received = due;
        playback.clock.get_or_insert((now, playback.played));
        if due == playback.expected.len() {
            return self.end(&[EndReason::Finished]);
        }
        let room = (playback.position(now) as usize + BUFFER_BYTES as usize).saturating_sub(playback.granted);
        if let Ok(more @ 1..) = u32::try_from(room) {
            self.session.grant(playback.stream, more);
            playback.granted += room;
        }
    }
}

impl Playback<'_> {
    /// Bytes played.
    fn position(&self, now: Instant) -> f64 {
        let begun = self.clock.map(|(since, from)| from + (now - since).as_secs_f64() * self.bytes_per_second);
        begun.unwrap_or(self.played)
    }

    /// Whether playback had used up all bytes before the last ones arrived.
    fn has_run_dry(&self, now: Instant) -> bool {
        self.clock.is_some() && self.position(now) > self.received as f64
    }

    fn pause(&mut self) {
        (self.played, self.clock) = (self.position(Instant::now()), None);
    }
}
