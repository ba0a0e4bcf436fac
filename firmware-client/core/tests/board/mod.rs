//! A board of std: its network is this machine's, its console a pair of sockets, and its sound output plays as fast as
//! it is fed.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use embedded_io_adapters::futures_03::FromFutures;
use futures_lite::future;
use trill_firmware::board::{Audio, Clock, Commands, ConnectError, Network, UnsupportedRate};
use trill_firmware::pcm::{Feed, Frame, Pcm};
use trill_firmware::{Console, Memory, NowPlaying, Peripherals, Remote};
use trill_proto::session::client::Identity;
use trill_proto::time;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// As small as that of the smallest board.
const BUFFER_BYTES: usize = 12 * 1024;
const SCREEN_BYTES: usize = 1_536;
const RING_FRAMES: usize = 2_048;

/// Frames that the output takes at once.
const PERIOD: usize = 256;

/// A rate at which the output cannot play.
pub(crate) const REFUSED_RATE: u32 = 32_000;

/// A player that runs until it is dropped.
pub(crate) struct Board {
    console: UnixStream,
    said: Arc<Mutex<String>>,
    heard: Arc<Mutex<Vec<Frame>>>,
    rate: Arc<AtomicU32>,
    /// How often the sound output took something.
    periods: Arc<AtomicU32>,
    is_held: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    /// Closed when the player is to stop.
    stop: async_channel::Sender<()>,
    threads: Vec<JoinHandle<()>>,
}

impl Board {
    /// A board that connects to `server`, with a console.
    pub(crate) fn start(server: SocketAddr) -> Self {
        Self::start_with(server, |remote, console| {
            let typed = Async::new(console.try_clone().expect("a socket")).expect("a socket that does not block");
            let shown = Async::new(console).expect("a socket that does not block");
            let mut console = Console::new(remote, FromFutures::new(typed), FromFutures::new(shown), Lamp);
            async move { console.run().await }
        })
    }

    /// A board that connects to `server` and has no console. Its buttons are what `press` does with the remote.
    pub(crate) fn start_without_console<F: Future<Output = ()>>(
        server: SocketAddr,
        press: impl FnOnce(Remote<StdClock>) -> F + Send + 'static,
    ) -> Self {
        Self::start_with(server, |remote, _| press(remote))
    }

    /// A board beside whose runner `control` runs.
    fn start_with<T, F: Future<Output = T>>(
        server: SocketAddr,
        control: impl FnOnce(Remote<StdClock>, UnixStream) -> F + Send + 'static,
    ) -> Self {
        let pcm: &'static Pcm<RING_FRAMES> = Box::leak(Box::default());
        let (console, end) = UnixStream::pair().expect("a pair of sockets");
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let (said, heard) = (Arc::default(), Arc::default());
        let [rate, periods] = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
        let [is_held, is_over] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let audio = Output { rate: rate.clone() };
        let player = thread::spawn(move || {
            let memory: &'static mut Memory<BUFFER_BYTES, SCREEN_BYTES> = Box::leak(Box::default());
            let peripherals = Peripherals { clock: StdClock(Instant::now()), network: StdNetwork, audio };
            let identity = Identity { name: "board", nonce: [7; 16], roles: 0 };
            let server = server.to_string().parse().expect("an address");
            let (remote, mut runner) = trill_firmware::new(memory, pcm, peripherals, identity, server);
            let running = future::zip(runner.run(), control(remote, end));
            let stopped = async {
                let _ = stopped.recv().await;
            };
            future::block_on(future::or(async { match running.await.0 {} }, stopped));
        });
        let playing = thread::spawn({
            let heard: Arc<Mutex<Vec<Frame>>> = Arc::clone(&heard);
            let (periods, is_held, is_over) = (Arc::clone(&periods), Arc::clone(&is_held), Arc::clone(&is_over));
            move || play(pcm.feed(), &heard, &periods, &is_held, &is_over)
        });
        let listening = thread::spawn({
            let (said, mut console): (Arc<Mutex<String>>, _) =
                (Arc::clone(&said), console.try_clone().expect("a socket"));
            move || {
                let mut bytes = [0; 1024];
                while let Ok(count @ 1..) = console.read(&mut bytes) {
                    said.lock().expect("no thread panicked").push_str(&String::from_utf8_lossy(&bytes[..count]));
                }
            }
        });
        let threads = vec![player, playing, listening];
        Self { console, said, heard, rate, periods, is_held, is_over, stop, threads }
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.type_keys(line);
        self.type_keys("\r");
    }

    /// Types what is no whole line.
    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.console.write_all(keys.as_bytes()).expect("a console");
    }

    /// Stops the sound output's clock, or lets it run.
    pub(crate) fn hold_output(&self, is_held: bool) {
        self.is_held.store(is_held, Ordering::Relaxed);
    }

    /// Everything the console has shown.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("no thread panicked").clone()
    }

    /// All that was heard.
    pub(crate) fn heard(&self) -> Vec<Frame> {
        self.heard.lock().expect("no thread panicked").clone()
    }

    /// The rate at which the output plays; 0 before the first song.
    pub(crate) fn rate(&self) -> u32 {
        self.rate.load(Ordering::Relaxed)
    }

    /// Waits until this is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "never {what}; the console shows\n{}", self.said());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the sound output has taken so much from now on; after two periods a pause has taken effect.
    #[track_caller]
    pub(crate) fn wait_for_periods(&self, count: u32) {
        let wanted = self.periods.load(Ordering::Relaxed) + count;
        self.wait_until("plays", |board| board.periods.load(Ordering::Relaxed) >= wanted);
    }

    /// Waits until the console has shown this.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(&format!("showed {text:?}"), |board| board.said().contains(text));
    }

    /// Waits until nothing plays, or is looked for, any more.
    #[track_caller]
    pub(crate) fn wait_for_the_end(&mut self) {
        self.wait_for_song("none");
    }

    /// Waits until the status of the song begins like this.
    #[track_caller]
    pub(crate) fn wait_for_song(&mut self, status: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answered = self.said().len();
            self.type_line("status");
            self.wait_until("answered", |board| board.said()[answered..].contains("volume  "));
            let said = self.said();
            let (_, song) = said.rsplit_once("song    ").expect("a status");
            if song.starts_with(status) {
                return;
            }
            assert!(Instant::now() < deadline, "the song is never {status}; the console shows\n{said}");
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.close();
        let _ = self.console.shutdown(std::net::Shutdown::Both);
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() && !thread::panicking() {
                panic!("a thread of the board panicked");
            }
        }
    }
}

/// Waits until `is_so` of what is heard.
pub(crate) async fn wait_for_playing(remote: Remote<StdClock>, is_so: impl Fn(NowPlaying) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so(remote.status().now_playing) {
        assert!(Instant::now() < deadline, "never so: {:?}", remote.status());
        Timer::after(Duration::from_millis(2)).await;
    }
}

/// What an interrupt does on a board.
fn play(
    mut feed: Feed<'_, RING_FRAMES>,
    heard: &Mutex<Vec<Frame>>,
    periods: &AtomicU32,
    is_held: &AtomicBool,
    is_over: &AtomicBool,
) {
    let mut period = [[0; 2]; PERIOD];
    while !is_over.load(Ordering::Relaxed) {
        if is_held.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_micros(200));
            continue;
        }
        let filled = feed.fill(&mut period);
        heard.lock().expect("no thread panicked").extend_from_slice(&period[..filled]);
        periods.fetch_add(1, Ordering::Relaxed);
        if filled < PERIOD {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

struct Output {
    rate: Arc<AtomicU32>,
}

impl Audio for Output {
    fn set_rate(&mut self, rate: u32) -> Result<(), UnsupportedRate> {
        if rate == REFUSED_RATE {
            return Err(UnsupportedRate);
        }
        self.rate.store(rate, Ordering::Relaxed);
        Ok(())
    }
}

/// A command that only this board has.
struct Lamp;

impl Commands for Lamp {
    fn run(&mut self, line: &str, tell: &mut dyn FnMut(fmt::Arguments<'_>)) -> bool {
        let is_meant = line == "lamp";
        if is_meant {
            tell(format_args!("the lamp is lit"));
        }
        is_meant
    }

    fn help(&self, tell: &mut dyn FnMut(fmt::Arguments<'_>)) {
        tell(format_args!("lamp lights the lamp"));
    }
}

#[derive(Clone, Copy)]
pub(crate) struct StdClock(Instant);

impl Clock for StdClock {
    fn now(&self) -> time::Instant {
        time::Instant::from_micros(self.0.elapsed().as_micros() as u64)
    }

    async fn wait_until(&self, deadline: time::Instant) {
        Timer::at(self.0 + Duration::from_micros(deadline.as_micros())).await;
    }
}

struct StdNetwork;

impl Network for StdNetwork {
    type Socket<'a> = FromFutures<Async<std::net::TcpStream>>;

    async fn connect(&mut self, host: &str, port: u16) -> Result<Self::Socket<'_>, ConnectError> {
        let address: IpAddr = host.parse().map_err(|_| ConnectError::UnknownHost)?;
        let socket = Async::<std::net::TcpStream>::connect((address, port)).await;
        socket.map(FromFutures::new).map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => ConnectError::Refused,
            _ => ConnectError::TimedOut,
        })
    }
}
