//! The player, which every thread of the program uses under one lock.
//!
//! ```text
//!   app: commands, when to connect ──┐
//!   network reader: what came ───────┤                        ┌──▶ Controls: pause, discard
//!   network writer: what to say ─────┼─▶ Mutex<State: Player> ┼──▶ wakes the network writer
//!   decode loop: what was heard ─────┘                        └──▶ wakes the decode loop
//! ```
//!
//! Every change ends with [`State::settle`] under the same lock: what the player has to say to the server is collected, and
//! the sound output is brought in step, before another thread can look.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use trill_player::{Options, Ticket, Track};
use trill_proto::limits::MAX_CONTROL_BYTES;
use trill_proto::time;

use crate::network::ConnectionState;
use crate::output::Controls;

/// Most compressed bytes that are buffered: a minute at 128 kbit/s, 26 seconds at 320. Enough to sit out a change of
/// networks, and no more than a server is asked to send in vain when the listener changes their mind.
pub const CAPACITY_BYTES: u32 = 1 << 20;

/// An eighth of the player's memory is never promised to the server.
const MEMORY_BYTES: usize = (CAPACITY_BYTES as usize * 8).div_ceil(7);

/// Songs to ask for at once: a screen of them is there after the first round-trip, whatever the library's size.
pub const PAGE_SONGS: u32 = 500;

/// What the program decides with.
pub type Player = trill_player::Player<'static, MAX_CONTROL_BYTES>;

/// The player and what its threads wait for.
pub struct Shared {
    state: Mutex<State>,
    /// The buffer has changed, or the program ends.
    changed: Condvar,
    /// There is something to say to the server, or the time of the next timeout has changed; a connection has ended.
    pub(crate) network: Condvar,
    /// Where the decode loop may be waiting instead.
    controls: OnceLock<Controls>,
    epoch: Instant,
}

/// What the lock protects.
pub(crate) struct State {
    pub(crate) player: Player,
    /// The present connection.
    pub(crate) connection: ConnectionState,
    is_closed: bool,
}

/// What [`Shared::wait_for_song`] came back with.
pub enum NextSong {
    /// A song to play: the same as last time if it was not finished.
    Play(Box<Track>),
    /// Nothing for the time given.
    Idle,
    /// The program ends.
    Closed,
}

impl Shared {
    /// A player without a connection. `seed` differs in each run of the program.
    pub fn new(seed: u32, wants_titles: bool) -> Arc<Self> {
        // For as long as the program runs.
        let memory = Box::leak(vec![0; MEMORY_BYTES].into_boxed_slice());
        let mut player = Player::new(memory, Options { seed, is_persistent: false, wants_titles });
        player.set_room(PAGE_SONGS);
        Arc::new(Self {
            state: Mutex::new(State { player, connection: ConnectionState::default(), is_closed: false }),
            changed: Condvar::new(),
            network: Condvar::new(),
            controls: OnceLock::new(),
            epoch: Instant::now(),
        })
    }

    /// Names the output that the decode loop writes to. Once.
    pub fn connect_output(&self, controls: Controls) {
        controls.set_paused(self.with(|player, _| player.is_paused()));
        // A second output would be a second decode loop: there is none.
        let _ = self.controls.set(controls);
    }

    /// Does something with the player.
    pub fn with<T>(&self, work: impl FnOnce(&mut Player, time::Instant) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state.player, self.now());
        self.settle(state);
        result
    }

    /// Does something with the player if its first song is this one. `None` if it is not any more.
    pub fn with_song<T>(&self, ticket: Ticket, work: impl FnOnce(&mut Player, time::Instant) -> T) -> Option<T> {
        let is_first = |track: &Track| track.item.ticket == ticket;
        self.with(|player, now| player.first().is_some_and(is_first).then(|| work(player, now)))
    }

    /// Waits for a song to play, at most so long.
    pub fn wait_for_song(&self, at_most: Duration) -> NextSong {
        let is_idle = |state: &mut State| state.player.first().is_none() && !state.is_closed;
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, is_idle);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        match state.player.first() {
            _ if state.is_closed => NextSong::Closed,
            Some(track) => NextSong::Play(Box::new(track.clone())),
            None => NextSong::Idle,
        }
    }

    /// Waits until there is more of the first song than `received`, or it is over or gone; at most so long.
    pub fn wait_for_more(&self, ticket: Ticket, received: u64, at_most: Duration) {
        let is_same = |state: &mut State| {
            let track = state.player.first().filter(|track| track.item.ticket == ticket);
            track.is_some_and(|track| track.received == received && !track.is_over)
        };
        drop(self.changed.wait_timeout_while(self.lock(), at_most, is_same));
    }

    /// Ends the music, for good: the decode loop ends.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        // That nothing was playing is fine.
        let _ = state.player.stop();
        self.settle(state);
    }

    /// The system's clock that never goes back. On Linux and macOS it stands still while a laptop sleeps, so that the
    /// connection seems as fresh as before until something is due on it; elsewhere it jumps, which the machine takes for
    /// silence, and asks for a sign of life before it gives up. Either way a dead connection shows within seconds of its use.
    pub fn now(&self) -> time::Instant {
        let micros = self.epoch.elapsed().as_micros();
        time::Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The same instant on the system's clock.
    pub fn on_clock(&self, instant: time::Instant) -> Instant {
        self.epoch + Duration::from_micros(instant.as_micros())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A player that panicked would be a bug; the other threads go on to end the program in order.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a change of the player makes due, and gives the lock back.
    pub(crate) fn settle(&self, mut state: MutexGuard<'_, State>) {
        let wakeups = state.player.take_wakeups();
        if wakeups.network {
            state.collect(self.now());
        }
        if let Some(controls) = self.controls.get() {
            if wakeups.discard {
                controls.discard();
            }
            if wakeups.sound {
                controls.set_paused(state.player.is_paused());
            }
            if wakeups.decoder && state.player.is_followed() {
                // The decode loop may be waiting for the end of what is joined now.
                controls.interrupt();
            }
        }
        drop(state);
        if wakeups.network {
            self.network.notify_all();
        }
        if wakeups.decoder {
            self.changed.notify_all();
        }
    }
}

impl State {
    /// Takes from the player what it wants to say.
    pub(crate) fn collect(&mut self, now: time::Instant) {
        let Self { player, connection, .. } = self;
        while let Some(bytes) = player.poll_transmit(now) {
            connection.output.extend_from_slice(bytes);
        }
    }

    /// Gives what is to be written for a buffer whose bytes have been: two buffers last for the whole connection.
    pub(crate) fn swap_output(&mut self, written: &mut Vec<u8>) {
        written.clear();
        mem::swap(&mut self.connection.output, written);
    }
}
