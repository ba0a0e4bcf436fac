//! What the parts of the player share, and how they wake each other.

use core::cell::{RefCell, RefMut};

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;

use crate::state::State;

/// The state of the player. Everything that uses it runs on one executor, so it needs no lock.
pub(crate) struct Shared {
    state: RefCell<State<'static>>,
    pub(crate) network: Signal<NoopRawMutex, ()>,
    pub(crate) decoder: Signal<NoopRawMutex, ()>,
    pub(crate) console: Signal<NoopRawMutex, ()>,
}

impl Shared {
    pub(crate) const fn new(state: State<'static>) -> Self {
        Self { state: RefCell::new(state), network: Signal::new(), decoder: Signal::new(), console: Signal::new() }
    }

    /// Works on the state, and wakes the parts that have something to do afterwards.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State<'static>) -> T) -> T {
        let mut state = self.state.borrow_mut();
        let room = state.screen.room();
        let result = work(&mut state);
        self.wake(state, room);
        result
    }

    /// Wakes the parts that have something to do after a change of the state. The screen had this `room` before it.
    // Not inlined: `with` is generic and has many callers.
    #[inline(never)]
    fn wake(&self, mut state: RefMut<'_, State<'static>>, room: usize) {
        let wakeups = state.sync_sound();
        if wakeups.network {
            self.network.signal(());
        }
        if wakeups.decoder {
            self.decoder.signal(());
        }
        if state.screen.room() < room {
            self.console.signal(());
        }
    }
}
