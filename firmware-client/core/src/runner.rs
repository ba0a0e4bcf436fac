//! The player's memory, and the future that plays.

use embassy_futures::join::join;
use trill_decoder::Decoder;
use trill_player::QueueMemory;
use trill_proto::decoder::PCM_SAMPLES;
use trill_proto::limits::MIN_BUFFER_BYTES;
use trill_proto::session::client::Identity;

use crate::ServerAddress;
use crate::board::{Audio, Clock, Network};
use crate::decode_loop::DecodeLoop;
use crate::network::Connector;
use crate::pcm::Pcm;
use crate::remote::Remote;
use crate::shared::Shared;
use crate::state::{QUEUE_ENTRIES, State};

/// Bytes read from the socket at once.
const INPUT_BYTES: usize = 768;

/// The memory of the player, except the PCM ring: a static of the board. All zero, so that it takes no flash.
///
/// `BUFFER` bytes hold compressed music, at least 9,362. The player uses seven eighths: 16,384 bytes are 0.9 seconds at
/// 128 kbit/s. `SCREEN` bytes hold text on its way to the console, at least 1,280: `help` takes 900, and the help on the
/// board's own commands comes on top.
pub struct Memory<const BUFFER: usize, const SCREEN: usize> {
    decoder: Decoder,
    samples: [i16; PCM_SAMPLES],
    buffer: [u8; BUFFER],
    screen: [u8; SCREEN],
    queue: QueueMemory<QUEUE_ENTRIES>,
    input: [u8; INPUT_BYTES],
    shared: Option<Shared>,
}

impl<const BUFFER: usize, const SCREEN: usize> Memory<BUFFER, SCREEN> {
    /// The memory of a player.
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
            queue: QueueMemory::new(),
            input: [0; INPUT_BYTES],
            shared: None,
        }
    }
}

impl<const BUFFER: usize, const SCREEN: usize> Default for Memory<BUFFER, SCREEN> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a board provides to the player.
#[derive(Debug)]
pub struct Peripherals<C, N, A> {
    /// The clock.
    pub clock: C,
    /// The network.
    pub network: N,
    /// The sound output.
    pub audio: A,
}

/// Keeps a connection to the server and plays. Made by [`new`].
pub struct Runner<C, N, A, const FRAMES: usize> {
    connector: Connector<C, N>,
    decode_loop: DecodeLoop<C, A, FRAMES>,
}

/// Makes a player that introduces itself by `identity` and connects to `server` first.
///
/// [`Runner::run`] must run for the [`Remote`] to have an effect.
pub fn new<C, N, A, const BUFFER: usize, const SCREEN: usize, const FRAMES: usize>(
    memory: &'static mut Memory<BUFFER, SCREEN>,
    pcm: &'static Pcm<FRAMES>,
    peripherals: Peripherals<C, N, A>,
    identity: Identity<'static>,
    server: ServerAddress,
) -> (Remote<C>, Runner<C, N, A, FRAMES>)
where
    C: Clock + Copy,
    N: Network,
    A: Audio,
{
    let Memory { decoder, samples, buffer, screen, queue, input, shared } = memory;
    let Peripherals { clock, network, audio } = peripherals;
    let seed = identity.nonce.iter().fold(0_u32, |seed, byte| seed.rotate_left(5) ^ u32::from(*byte));
    let shared = shared.insert(Shared::new(State::new(screen, buffer, queue, pcm.controls(), server, seed)));
    let connector = Connector { shared, clock, network, identity, input };
    let decode_loop = DecodeLoop::new(shared, clock, decoder, samples, pcm, audio);
    (Remote { shared, clock }, Runner { connector, decode_loop })
}

impl<C: Clock, N: Network, A: Audio, const FRAMES: usize> Runner<C, N, A, FRAMES> {
    /// Plays for ever. Connects to the server again whenever the connection is lost.
    pub async fn run(&mut self) -> ! {
        join(self.connector.run(), self.decode_loop.run()).await.0
    }
}
