//! The radio: three loops around one state, in one future.

use core::cell::RefCell;

use embassy_futures::join::join3;
use embassy_futures::select::select;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embedded_io_async::{Read, Write};
use trill_decoder::Decoder;
use trill_proto::decoder::PCM_SAMPLES;
use trill_proto::limits::MIN_BUFFER_BYTES;
use trill_proto::session::client::Identity;

use crate::ServerAddress;
use crate::board::{Audio, Clock, Commands, Network};
use crate::console::Console;
use crate::line::Line;
use crate::network::Link;
use crate::pcm::Pcm;
use crate::player::{Next, Player};
use crate::state::State;

/// Bytes read from the socket at once.
const INPUT_BYTES: usize = 1024;

/// The radio's memory but for the PCM ring: a static of the board's. All zero, so that it takes no flash.
///
/// `BUFFER` bytes hold compressed music. The player uses seven eighths: 16,384 bytes are 0.9 seconds at 128 kbit/s.
/// At least 9,362. `SCREEN` bytes hold text on its way to the console: at least 1,280, of which `help` takes 900 and the
/// board's own commands what they say of themselves.
#[derive(Debug)]
pub struct Memory<const BUFFER: usize, const SCREEN: usize> {
    decoder: Decoder,
    samples: [i16; PCM_SAMPLES],
    buffer: [u8; BUFFER],
    screen: [u8; SCREEN],
    input: [u8; INPUT_BYTES],
}

impl<const BUFFER: usize, const SCREEN: usize> Memory<BUFFER, SCREEN> {
    /// The memory of a radio.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(BUFFER - BUFFER / 8 >= MIN_BUFFER_BYTES as usize, "music would stop and never go on");
            assert!(SCREEN >= 1_280, "help and songs would never be shown");
        }
        Self {
            decoder: Decoder::new(),
            samples: [0; PCM_SAMPLES],
            buffer: [0; BUFFER],
            screen: [0; SCREEN],
            input: [0; INPUT_BYTES],
        }
    }
}

impl<const BUFFER: usize, const SCREEN: usize> Default for Memory<BUFFER, SCREEN> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a board gives the radio.
#[derive(Debug)]
pub struct Parts<C, N, A, I, O, X> {
    /// Its clock.
    pub clock: C,
    /// Its network.
    pub network: N,
    /// Its sound output.
    pub audio: A,
    /// What is typed on its console. `read` must lose nothing when it is dropped before it is done.
    pub input: I,
    /// What its console shows.
    pub output: O,
    /// Commands of its own; `()` if it has none.
    pub commands: X,
    /// How it introduces itself to servers.
    pub identity: Identity<'static>,
    /// The server to begin with.
    pub server: ServerAddress,
}

/// What the loops share. All of them are in one task, so no lock is needed, and what one does the others see.
pub(crate) struct Shared<'m> {
    state: RefCell<State<'m>>,
    pub(crate) network: Signal<NoopRawMutex, ()>,
    pub(crate) player: Signal<NoopRawMutex, ()>,
    pub(crate) console: Signal<NoopRawMutex, ()>,
}

impl<'m> Shared<'m> {
    const fn new(state: State<'m>) -> Self {
        Self { state: RefCell::new(state), network: Signal::new(), player: Signal::new(), console: Signal::new() }
    }

    /// Does something with the state, and wakes whom it concerns.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State<'m>) -> T) -> T {
        let mut state = self.state.borrow_mut();
        let room = state.screen.room();
        let result = work(&mut state);
        let wakeups = state.sync_sound();
        if wakeups.network {
            self.network.signal(());
        }
        if wakeups.decoder {
            self.player.signal(());
        }
        if state.screen.room() < room {
            self.console.signal(());
        }
        result
    }
}

/// Plays music for ever: connects to the server and, when the connection breaks, connects again.
///
/// One future for the board's executor. It is as large as its parts, and so belongs into a static, where executors have
/// the tasks they run.
pub async fn run<C, N, A, I, O, X, const BUFFER: usize, const SCREEN: usize, const FRAMES: usize>(
    memory: &'static mut Memory<BUFFER, SCREEN>,
    pcm: &'static Pcm<FRAMES>,
    parts: Parts<C, N, A, I, O, X>,
) -> !
where
    C: Clock,
    N: Network,
    A: Audio,
    I: Read,
    O: Write,
    X: Commands,
{
    let Memory { decoder, samples, buffer, screen, input } = memory;
    let Parts { clock, network, audio, input: typed, output, commands, identity, server } = parts;
    let seed = identity.nonce.iter().fold(0_u32, |seed, byte| seed.rotate_left(5) ^ u32::from(*byte));
    let shared = Shared::new(State::new(screen, buffer, pcm.controls(), server, seed));
    let mut link = Link { shared: &shared, clock: &clock, network, identity, input };
    let mut player = Player::new(decoder, samples, pcm, audio);
    let (line, is_prompting) = (Line::new(), false);
    let mut console = Console { shared: &shared, clock: &clock, input: typed, output, commands, line, is_prompting };
    join3(link.run(), play(&shared, &clock, &mut player), console.run()).await.0
}

async fn play<C: Clock, A: Audio, const FRAMES: usize>(
    shared: &Shared<'_>,
    clock: &C,
    player: &mut Player<'_, A, FRAMES>,
) -> ! {
    loop {
        match shared.with(|state| player.advance(clock.now(), state)) {
            Next::Now => yield_now().await,
            Next::After(span) => {
                let _ = select(clock.wait(span), shared.player.wait()).await;
            }
            Next::Idle => shared.player.wait().await,
        }
    }
}
