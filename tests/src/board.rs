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

/// An emulated second takes longer than a second on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// A network in QEMU, behind which is this machine.
const NETWORK: &str = "user,model=lan9118";

/// An instruction takes 8 ns, as on a core that does 125 million a second. While the board waits, its clock follows this
/// machine's.
const CLOCK: [&str; 2] = ["-icount", "shift=3"];

/// What the emulated network calls this machine.
const HOST: &str = "10.0.2.2";

/// A board that QEMU emulates, by the name of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The constrained one, whose sound is written by semihosting: music only, bare samples.
    Mps2An386,
    /// The one with a codec, whose sound is captured at the codec's pace, silence included.
    VexpressA9,
}

impl Kind {
    /// The board's folder, and QEMU's machine.
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
    /// Starts a board that connects to `server`, which listens on this machine's loopback address. What comes out of a
    /// codec is captured at `rate`: songs of other rates are resampled on the way.
    ///
    /// # Panics
    /// When its program does not build, or QEMU is not there.
    #[track_caller]
    pub fn start(kind: Kind, server: SocketAddr, rate: u32) -> Self {
        Self::start_with(kind, server, rate, NETWORK)
    }

    /// As [`start`](Self::start), with nothing at the other end of the board's network cable.
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

    /// Everything the console has shown.
    pub fn said(&self) -> String {
        self.process.stdout()
    }

    /// Waits until the console has shown this, `count` times in all.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait_for_times(&mut self, count: usize, text: &str) {
        let found = wait::try_wait(DEADLINE, || {
            let ended = self.process.has_ended();
            let is_there = self.process.stdout().matches(text).count() >= count;
            (is_there || ended).then_some(is_there)
        });
        assert_eq!(found, Some(true), "{text:?} is not shown {count} times by {}", self.process);
    }

    /// Waits until the console has shown this.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.wait_for_times(1, text);
    }

    /// Types a line, and waits for an answer with this in one of its lines; returns that line from there on, and what
    /// follows.
    ///
    /// # Panics
    /// When it does not come.
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

    /// Waits until nothing plays any more.
    ///
    /// # Panics
    /// When something does for a long time.
    #[track_caller]
    pub fn wait_for_the_end(&mut self) {
        wait::wait_for(DEADLINE, "the end of the music", || self.ask("status", "song    ").starts_with("song    none"));
    }

    /// Runs `act` while the board and its clock stand still: for what takes this machine a time that the board must not
    /// notice.
    ///
    /// # Panics
    /// When QEMU does not obey.
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
            // Its greeting and events come in between.
            let answer = lines.by_ref().map(|line| line.expect("an answer")).find(|line| line.contains(r#""return""#));
            assert!(answer.is_some(), "no answer to {command:?} from {}", self.process);
        }
    }

    /// All that was heard so far, at `rate`: of [`Kind::Mps2An386`] the music, of [`Kind::VexpressA9`] the silence too.
    ///
    /// # Panics
    /// When it cannot be read.
    #[track_caller]
    pub fn heard(&self, rate: u32) -> Pcm {
        let bytes = fs::read(sound_in(&self.directory)).unwrap_or_default();
        let samples = match self.kind {
            Kind::Mps2An386 => &bytes[..],
            // The length in its header is written at the end only.
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

/// What the constrained board's program of checks found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Byte vectors that were decoded and encoded again to the same bytes.
    pub vectors: usize,
    /// Frames that the decoder found.
    pub frames: usize,
    /// Samples a channel that it put out.
    pub samples: usize,
    /// Adler-32 of them, as bytes (RFC 1950).
    pub sum: u32,
    /// Instructions that it took for them.
    pub decoder_instructions: u64,
}

/// Checks `vectors`, and the decoding of `audio`, the frames of an MP3 file, on the constrained board. As QEMU counts them,
/// instructions are exact and the same in every run.
///
/// # Panics
/// When a vector is not what it should be, or the board does not come to an end.
#[track_caller]
pub fn check(vectors: &[Vec<u8>], audio: &[u8]) -> Check {
    /// Instructions in one cycle of the board's clock of 25 MHz, when one is told to take a nanosecond.
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
