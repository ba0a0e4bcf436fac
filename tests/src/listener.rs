//! An honest listener at the speed of the music, whom nothing that happens to others may disturb.

use crate::session::Session;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};
use trill_proto::message::{EndReason, Start};

/// Plays song 1 over and over out of a buffer of two seconds, and compares every byte.
#[derive(Debug)]
pub struct Listener<'scope> {
    stop: Sender<()>,
    thread: ScopedJoinHandle<'scope, Heard>,
}

/// What a listener can tell.
#[derive(Debug, Default)]
struct Heard {
    bytes: usize,
    /// The longest time from a grant to the last byte that was granted.
    longest_wait: Duration,
}

/// What a listener's buffer holds: two seconds of 128 kbit/s.
const BUFFER_BYTES: u32 = 32_000;
const BUFFER_TIME: Duration = Duration::from_secs(2);

/// How often it makes room in its buffer, and for how much.
const TICK: Duration = Duration::from_millis(50);
const TICK_BYTES: u32 = 800;

impl<'scope> Listener<'scope> {
    /// Starts to listen; `audio` is what song 1 must be, at 128 kbit/s.
    pub fn start(scope: &'scope Scope<'scope, '_>, address: SocketAddr, audio: &'scope [u8]) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = scope.spawn(move || listen(address, audio, &stopped));
        Self { stop, thread }
    }

    /// Ends it and prints what it says as a figure of `test`.
    ///
    /// # Panics
    /// When a byte was wrong, or came so late that the music would have stopped.
    #[track_caller]
    pub fn check(self, test: &str) {
        drop(self.stop);
        let heard = self.thread.join().expect("the listener panics for itself");
        println!(
            "figure: {test}: an honest client heard {} bytes and waited {:?} at most",
            heard.bytes, heard.longest_wait
        );
        assert!(heard.bytes > 0 && heard.longest_wait < BUFFER_TIME, "the music stopped: {heard:?}");
    }
}

fn listen(address: SocketAddr, audio: &[u8], stopped: &Receiver<()>) -> Heard {
    let mut session = Session::open(address);
    let mut heard = Heard::default();
    loop {
        let stream = session.request_play_of(1, Start::Time(0), 0, BUFFER_BYTES);
        let mut granted = BUFFER_BYTES as usize;
        loop {
            let asked = Instant::now();
            let due = granted.min(audio.len());
            assert!(session.receive_audio(stream, due) == &audio[..due], "the bytes are not those of the file");
            heard.longest_wait = heard.longest_wait.max(asked.elapsed());
            if due == audio.len() {
                break;
            }
            if stopped.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                heard.bytes += due;
                session.leave();
                return heard;
            }
            session.grant(stream, TICK_BYTES);
            granted += TICK_BYTES as usize;
        }
        assert_eq!(session.ended(stream).end, Some(EndReason::Finished));
        heard.bytes += audio.len();
    }
}
