//! The player, which all threads of the program share under one lock.
//!
//! ```text
//!   app: commands, when to connect ──┐
//!   network: bytes received ─────────┼─▶ Mutex<State: Player> ┬──▶ socket: bytes to send
//!   decode loop: bytes decoded ──────┘                        ├──▶ Controls: pause, discard
//!                                                             └──▶ wakes the decode loop
//! ```
//!
//! Every change ends with `Shared::settle`: it updates the sound output under the same lock, wakes the decode loop, and
//! sends the player's output to the server.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use trill_player::{Options, QueueMemory, Step};
use trill_proto::decoder::PCM_SAMPLES;
use trill_proto::limits::MAX_CONTROL_BYTES;
use trill_proto::time;

use crate::decoder::Decoder;
use crate::network::{self, ConnectionState};
use crate::output::Controls;

/// Maximum compressed bytes in the buffer: a minute at 128 kbit/s, 26 seconds at 320 kbit/s. This bridges a change of
/// networks and limits the bytes that are wasted when the user switches songs.
pub const CAPACITY_BYTES: u32 = 1 << 20;

/// The most entries of the queue. Each is a song, an album or another selection.
const QUEUE_ENTRIES: usize = 1_000;

/// The player keeps an eighth of its memory free and grants the rest to the server.
const MEMORY_BYTES: usize = (CAPACITY_BYTES as usize * 8).div_ceil(7);

/// Songs per request: enough to fill a screen after the first round-trip.
pub const PAGE_SONGS: u32 = 500;

/// The player of this program.
pub type Player = trill_player::Player<'static, MAX_CONTROL_BYTES>;

/// The player, and the conditions that threads wait for.
pub struct Shared {
    state: Mutex<State>,
    /// The decode loop waits on this: the buffer has changed, or the program ends.
    changed: Condvar,
    /// The end of the program waits on this: a connection has ended.
    pub(crate) disconnected: Condvar,
    /// The output. The decode loop also waits there, for room in the ring.
    controls: OnceLock<Controls>,
    epoch: Instant,
}

/// The data under the lock.
pub(crate) struct State {
    pub(crate) player: Player,
    /// Changes of the player's buffer so far.
    buffer_changes: u64,
    /// At the last change, another song followed the one that is heard.
    was_followed: bool,
    /// The open connection.
    pub(crate) connection: Option<ConnectionState>,
    /// Events that the app has not taken. They are under the lock, so that the app sees a change of the player together with
    /// its events.
    pub(crate) events: Vec<network::Event>,
    is_closed: bool,
}

impl Shared {
    /// A player without a connection. `seed` differs in each run of the program.
    pub fn new(seed: u32, wants_titles: bool) -> Arc<Self> {
        // Never freed: the player lives as long as the program.
        let memory = Box::leak(vec![0; MEMORY_BYTES].into_boxed_slice());
        let entries = Box::leak(Box::new(QueueMemory::<QUEUE_ENTRIES>::new()));
        let mut player = Player::new(memory, entries, Options { seed, is_persistent: false, wants_titles });
        player.set_page_songs(PAGE_SONGS);
        Arc::new(Self {
            state: Mutex::new(State {
                player,
                buffer_changes: 0,
                was_followed: false,
                connection: None,
                events: Vec::new(),
                is_closed: false,
            }),
            changed: Condvar::new(),
            disconnected: Condvar::new(),
            controls: OnceLock::new(),
            epoch: Instant::now(),
        })
    }

    /// Sets the output that the decode loop writes to. Call it once.
    pub fn connect_output(&self, controls: Controls) {
        controls.set_paused(self.with(|player, _| player.is_paused()));
        // There is only one decode loop, so only one output.
        let _ = self.controls.set(controls);
    }

    /// Runs `work` with the player under the lock.
    pub fn with<T>(&self, work: impl FnOnce(&mut Player, time::Instant) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state.player, self.now());
        self.settle(state);
        result
    }

    /// Takes the decoder's next step, under the lock. Returns it with the number of the buffer's last change; `None` when the
    /// program ends.
    pub fn decode(&self, decoder: &mut Decoder, pcm: &mut [i16; PCM_SAMPLES]) -> Option<(Step, u64)> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        let step = state.player.decode(self.now(), decoder, pcm);
        let change = state.buffer_changes;
        self.settle(state);
        Some((step, change))
    }

    /// Waits at most `at_most` for a change of the buffer after number `change`. Returns whether there was one.
    pub fn wait_for_change(&self, change: u64, at_most: Duration) -> bool {
        let is_same = |state: &mut State| state.buffer_changes == change;
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, is_same);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Takes the events of the network since the last call.
    pub(crate) fn take_events(&self) -> Vec<network::Event> {
        mem::take(&mut self.lock().events)
    }

    /// Stops the music and ends the decode loop.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        // It does not matter if nothing was playing.
        let _ = state.player.stop();
        self.settle(state);
    }

    /// The current time on the system's monotonic clock. On Linux and macOS this clock stops while a laptop sleeps, so a
    /// timeout fires only some time after it wakes. On other systems it jumps; the session machine sees silence and sends a
    /// PING before it gives up. In both cases a dead connection is found within seconds of its use.
    pub fn now(&self) -> time::Instant {
        let micros = self.epoch.elapsed().as_micros();
        time::Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Converts an instant of the player to the system's clock.
    pub fn on_clock(&self, instant: time::Instant) -> Instant {
        self.epoch + Duration::from_micros(instant.as_micros())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug. The other threads go on, so that the program ends in order.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out the effects of a change of the player, and releases the lock.
    pub(crate) fn settle(&self, mut state: MutexGuard<'_, State>) {
        let wakeups = state.player.take_wakeups();
        state.buffer_changes += u64::from(wakeups.decoder);
        let is_followed = state.player.is_followed();
        let was_followed = mem::replace(&mut state.was_followed, is_followed);
        if let Some(controls) = self.controls.get() {
            if wakeups.discard {
                controls.discard();
            }
            if wakeups.sound {
                controls.set_paused(state.player.is_paused());
            }
            if is_followed && !was_followed {
                // The decode loop may be waiting for the end of the song that another one now follows.
                controls.interrupt();
            }
        }
        drop(state);
        if wakeups.decoder {
            self.changed.notify_all();
        }
        if wakeups.network {
            // After the decode loop was woken, and while it wakes: a write takes longer than the rest.
            self.lock().transmit(self.now());
        }
    }
}
