//! A listener at the speed of the music, which other clients must not disturb.

use crate::session::Session;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};
use trill_proto::message::{EndReason, Start};

/// Plays song 1 repeatedly with a buffer of two seconds, and compares every byte.
#[derive(Debug)]
pub struct Listener<'scope> {
    stop: Sender<()>,
    thread: ScopedJoinHandle<'scope, Heard>,
}

/// The measurements of a listener.
#[derive(Debug, Default)]
struct Heard {
    bytes: usize,
    /// The longest time from a grant to its last byte.
    longest_wait: Duration,
}

/// Buffer size: two seconds of 128 kbit/s.
const BUFFER_BYTES: u32 = 32_000;
const BUFFER_TIME: Duration = Duration::from_secs(2);

/// Interval and size of its grants.
const TICK: Duration = Duration::from_millis(50);
const TICK_BYTES: u32 = 800;

impl<'scope> Listener<'scope> {
    /// Starts the listener. `audio` is the content of song 1, at 128 kbit/s.
    pub fn start(scope: &'scope Scope<'scope, '_>, address: SocketAddr, audio: &'scope [u8]) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = scope.spawn(move || listen(address, audio, &stopped));
        Self { stop, thread }
    }

    /// Stops the listener and prints its measurements under the name of `test`.
    ///
    /// # Panics
    /// When a byte was wrong or too late.
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
