//! A board in QEMU, with the console on a pipe and the sound in a file.
//!
//! The board's clock counts its instructions. On a busy machine the clock runs late, but the board always gets the
//! instructions that it needs before the next sample is due. [`Board::while_stopped`] stops the clock too.

pub mod costs;

use crate::binaries;
use crate::pcm::Pcm;
use crate::process::{Process, system_program};
use crate::wait;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// An emulated second takes longer on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// A QEMU network with access to this machine.
const NETWORK: &str = "user,model=lan9118";

/// An instruction takes 8 ns, as on a core with 125 million per second. While the board waits, its clock follows the
/// host's.
const CLOCK: [&str; 2] = ["-icount", "shift=3"];

/// The address of this machine in QEMU's user network.
const HOST: &str = "10.0.2.2";

/// A board that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The constrained board. It writes raw samples by semihosting, without silence.
    Mps2An386,
    /// The board with a codec, whose sound is captured at the codec's rate, including silence.
    VexpressA9,
}

impl Kind {
    /// The name of the board's folder and of QEMU's machine.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mps2An386 => "mps2-an386",
            Self::VexpressA9 => "vexpress-a9",
        }
    }
}

/// A running board. Dropping it kills it.
#[derive(Debug)]
pub struct Board {
    process: Process,
    kind: Kind,
    directory: TempDir,
}

impl Board {
    /// Starts a board that connects to `server` on this machine's loopback address. A codec's sound is captured at
    /// `rate`; songs of other rates are resampled.
    ///
    /// # Panics
    /// When its program does not build, or QEMU is missing.
    #[track_caller]
    pub fn start(kind: Kind, server: SocketAddr, rate: u32) -> Self {
        Self::start_with(kind, server, rate, NETWORK)
    }

    /// Starts a board like [`start`](Self::start), but with a disconnected network cable.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[track_caller]
    pub fn start_without_network(kind: Kind, server: SocketAddr) -> Self {
        Self::start_with(kind, server, 0, "none")
    }

    #[track_caller]
    fn start_with(kind: Kind, server: SocketAddr, rate: u32, network: &str) -> Self {
        let program = binaries::board(kind.name());
        let directory = TempDir::with_prefix("trill-board-").expect("a temporary directory");
        let sound = sound_in(&directory);
        let mut qemu = system_program("qemu-system-arm", "qemu-system-arm");
        qemu.args(["-machine", kind.name(), "-nic", network]).args(CLOCK);
        qemu.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
        qemu.arg("-qmp").arg(format!("unix:{},server=on,wait=off", control_in(&directory).display()));
        let logs = directory.path().join("logs");
        let (port, logs) = (server.port(), logs.display());
        let mut semihosting = format!("enable=on,target=native,arg=trill,arg={HOST}:{port},arg={logs}");
        match kind {
            Kind::Mps2An386 => semihosting += &format!(",arg={}", sound.display()),
            Kind::VexpressA9 => {
                qemu.arg("-audiodev").arg(format!("wav,id=sound,path={},out.frequency={rate}", sound.display()));
                qemu.args(["-global", "pl041.audiodev=sound"]);
            }
        }
        qemu.args(["-semihosting-config", &semihosting]).arg("-kernel").arg(program);
        Self { process: Process::spawn(kind.name(), qemu), kind, directory }
    }

    /// Types a line at the console.
    #[track_caller]
    pub fn type_line(&mut self, line: &str) {
        self.process.write(format!("{line}\r").as_bytes());
    }

    /// Everything that the console has shown.
    pub fn said(&self) -> String {
        self.process.stdout()
    }

    /// Waits until the console has shown this text `count` times in total.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn wait_for_times(&mut self, count: usize, text: &str) {
        let found = wait::try_wait(DEADLINE, || {
            let ended = self.process.has_ended();
            let is_there = self.process.stdout().matches(text).count() >= count;
            (is_there || ended).then_some(is_there)
        });
        assert_eq!(found, Some(true), "{text:?} was not shown {count} times by {}", self.process);
    }

    /// Waits until the console has shown this.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.wait_for_times(1, text);
    }

    /// Types a line and waits for `answer` in a later line. Returns the console's text from there on.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn ask(&mut self, line: &str, answer: &str) -> String {
        let before = self.said().len();
        self.type_line(line);
        let ended = |board: &mut Self| board.process.has_ended();
        let found = wait::try_wait(DEADLINE, || {
            let said = self.said();
            let is_over = ended(self);
            let new = said.get(before..).unwrap_or_default();
            let place = new.find(answer).filter(|place| new[*place..].contains('\n'));
            (place.is_some() || is_over).then(|| place.map(|place| said[before + place..].to_owned()))
        });
        found.flatten().unwrap_or_else(|| panic!("no {answer:?} after {line:?} from {}", self.process))
    }

    /// Waits until nothing plays.
    ///
    /// # Panics
    /// When something still plays after a long time.
    #[track_caller]
    pub fn wait_for_the_end(&mut self) {
        wait::wait_for(DEADLINE, "the end of the music", || self.ask("status", "song    ").starts_with("song    none"));
    }

    /// Runs `act` while the board and its clock are stopped, so that the board does not notice the time that it takes.
    ///
    /// # Panics
    /// When QEMU refuses.
    #[track_caller]
    pub fn while_stopped<T>(&self, act: impl FnOnce() -> T) -> T {
        self.control("stop");
        let value = act();
        self.control("cont");
        value
    }

    /// Executes a command of QEMU's machine protocol (QMP).
    #[track_caller]
    fn control(&self, command: &str) {
        let socket = UnixStream::connect(control_in(&self.directory)).expect("QEMU listens");
        socket.set_read_timeout(Some(DEADLINE)).expect("a time-out above zero");
        let mut lines = BufReader::new(&socket).lines();
        for command in ["qmp_capabilities", command] {
            writeln!(&socket, r#"{{"execute": "{command}"}}"#).expect("QEMU reads");
            // QMP's greeting and events may come first.
            let answer = lines.by_ref().map(|line| line.expect("an answer")).find(|line| line.contains(r#""return""#));
            assert!(answer.is_some(), "no answer to {command:?} from {}", self.process);
        }
    }

    /// The sound so far, at `rate`: from [`Kind::Mps2An386`] only music, from [`Kind::VexpressA9`] also silence.
    ///
    /// # Panics
    /// When it cannot be read.
    #[track_caller]
    pub fn heard(&self, rate: u32) -> Pcm {
        let bytes = fs::read(sound_in(&self.directory)).unwrap_or_default();
        let samples = match self.kind {
            Kind::Mps2An386 => &bytes[..],
            // QEMU writes the length into the header only at its end.
            Kind::VexpressA9 => bytes.get(44..).unwrap_or_default(),
        };
        let samples = samples.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
        Pcm { rate, channels: 2, samples }
    }
}

fn sound_in(directory: &TempDir) -> PathBuf {
    directory.path().join("sound")
}

fn control_in(directory: &TempDir) -> PathBuf {
    directory.path().join("control")
}

/// The results of the constrained board's test program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Number of byte vectors that were decoded and encoded again to the same bytes.
    pub vectors: usize,
    /// Number of frames that the decoder found.
    pub frames: usize,
    /// Number of decoded samples per channel.
    pub samples: usize,
    /// Adler-32 of the samples, as bytes (RFC 1950).
    pub sum: u32,
    /// Number of instructions for decoding.
    pub decoder_instructions: u64,
}

/// Checks `vectors` and decodes `audio`, the frames of an MP3 file, on the constrained board. QEMU's instruction counts
/// are exact and reproducible.
///
/// # Panics
/// When a vector is wrong, or the board does not finish.
#[track_caller]
pub fn check(vectors: &[Vec<u8>], audio: &[u8]) -> Check {
    /// Instructions per cycle of the board's 25 MHz clock, at one instruction per nanosecond.
    const INSTRUCTIONS_PER_CYCLE: u64 = 40;

    let program = binaries::board(Kind::Mps2An386.name()).with_file_name("trill-mps2-an386-check");
    let directory = TempDir::with_prefix("trill-check-").expect("a temporary directory");
    let [vector_file, audio_file] = ["vectors", "audio"].map(|name| directory.path().join(name));
    let with_length = |vector: &Vec<u8>| [&(vector.len() as u16).to_be_bytes()[..], vector].concat();
    fs::write(&vector_file, vectors.iter().flat_map(with_length).collect::<Vec<_>>()).expect("a file");
    fs::write(&audio_file, audio).expect("a file");
    let mut qemu = system_program("qemu-system-arm", "qemu-system-arm");
    qemu.args(["-machine", Kind::Mps2An386.name(), "-display", "none", "-monitor", "none", "-serial", "none"]);
    qemu.args(["-icount", "shift=0,sleep=off", "-semihosting-config"]);
    qemu.arg(format!("enable=on,target=native,arg=check,arg={},arg={}", vector_file.display(), audio_file.display()));
    qemu.arg("-kernel").arg(program);
    let output = Process::spawn("the board's checks", qemu).wait(DEADLINE).expect_code(0);
    let number = |name: &str| -> u64 {
        let mut words = output.stdout.split_whitespace();
        let found = words.by_ref().any(|word| word == name).then(|| words.next()?.parse().ok()).flatten();
        found.unwrap_or_else(|| panic!("no {name} in {}", output.stdout))
    };
    Check {
        vectors: number("vectors") as usize,
        frames: number("frames") as usize,
        samples: number("samples") as usize,
        sum: number("sum") as u32,
        decoder_instructions: number("cycles") * INSTRUCTIONS_PER_CYCLE,
    }
}
