//! `cargo xtask qemu`: runs a board's program in QEMU on the terminal.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::Board;
use crate::demo;
use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// The address of this machine in QEMU's user network.
const HOST: &str = "10.0.2.2";

/// How QEMU emulates a board.
#[derive(Debug, PartialEq)]
pub(crate) struct Machine {
    pub(super) name: &'static str,
    pub(super) sound: Sound,
}

/// How the board outputs sound.
#[derive(Debug, PartialEq)]
pub(crate) enum Sound {
    /// The program writes raw samples into a file on the host.
    Semihosting,
    /// An emulated codec.
    Codec,
}

/// Sample rate and channels of the semihosting board's output: the usual ones of music.
const RATE: u32 = 44_100;
const CHANNELS: u16 = 2;

/// Runs `board` with its console on the terminal until Ctrl-A X, and records its sound into `wav`. Without a `server`
/// it starts one with the demo songs.
///
/// # Errors
/// Errors of building, of starting the server or QEMU, and of writing files.
pub(crate) fn run(board: &Board, server: Option<&str>, wav: Option<&Path>) -> Result<ExitCode, Error> {
    let Some(machine) = &board.machine else {
        return Err(Error::Usage(format!(
            "{} is not emulated; `cargo xtask flash {0}` puts it on a board",
            board.name
        )));
    };
    system::ensure(&[Need::Emulator])?;
    let program = super::build(board)?;
    let demo = if server.is_none() { Some(demo::Songs::serve()?) } else { None };
    let server = demo.as_ref().map_or_else(|| from_the_board(server.unwrap_or(HOST)), |demo| reach(demo.address()));
    let wav = wav.map_or_else(|| program.with_extension("wav"), Path::to_path_buf);
    let sound = Recording::begin(machine, &wav)?;

    eprintln!("\nThe board's console; Ctrl-A X leaves. Type `list`, then `play 1`. The server is {server}.");
    eprintln!("The sound is recorded in {}", wav.display());
    eprintln!("Logs: defmt-print -e {} < {}\n", program.display(), logs_of(&program).display());
    let mut qemu = command(machine, &program, &server, &sound);
    let status = qemu.status().map_err(|source| process::start_error(&qemu, source))?;
    sound.end()?;
    if let Some(demo) = demo {
        demo.stop()?;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The QEMU command, with the board's console on the terminal.
fn command(machine: &Machine, program: &Path, server: &str, sound: &Recording) -> Command {
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args(["-machine", machine.name, "-nographic", "-nic", "user,model=lan9118"]);
    let logs = logs_of(program);
    let mut semihosting = format!("enable=on,target=native,arg=trill,arg={server},arg={}", logs.display());
    match sound {
        Recording::Samples { samples, .. } => semihosting += &format!(",arg={}", samples.display()),
        Recording::Codec { wav } => {
            qemu.arg("-audiodev").arg(format!("wav,id=sound,path={},out.frequency={RATE}", wav.display()));
            qemu.args(["-global", "pl041.audiodev=sound"]);
        }
    }
    qemu.args(["-semihosting-config", &semihosting, "-kernel"]).arg(program);
    qemu
}

/// The file of the board's defmt log.
fn logs_of(program: &Path) -> PathBuf {
    program.with_extension("defmt")
}

/// The sound on its way into a WAV file.
enum Recording {
    Samples { samples: PathBuf, wav: PathBuf },
    Codec { wav: PathBuf },
}

impl Recording {
    fn begin(machine: &Machine, wav: &Path) -> Result<Self, Error> {
        // Fails before the music starts if the file cannot be written.
        fs::write(wav, []).map_err(Error::io(wav.display().to_string()))?;
        let wav = wav.to_path_buf();
        Ok(match machine.sound {
            Sound::Semihosting => Self::Samples { samples: wav.with_extension("pcm"), wav },
            Sound::Codec => Self::Codec { wav },
        })
    }

    fn end(self) -> Result<(), Error> {
        let Self::Samples { samples, wav } = self else { return Ok(()) };
        // The file is missing if the board produced no sample.
        let Ok(bytes) = fs::read(&samples) else { return Ok(()) };
        let written = fs::write(&wav, [&header(bytes.len())[..], &bytes].concat());
        written.map_err(Error::io(wav.display().to_string()))?;
        fs::remove_file(&samples).map_err(Error::io(samples.display().to_string()))
    }
}

/// A WAV file's header (Microsoft and IBM, *Multimedia Programming Interface and Data Specifications 1.0*, 1991).
fn header(bytes: usize) -> Vec<u8> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX - 36);
    let frame_bytes = CHANNELS * 2;
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &(36 + bytes).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &CHANNELS.to_le_bytes(),
        &RATE.to_le_bytes(),
        &(RATE * u32::from(frame_bytes)).to_le_bytes(),
        &frame_bytes.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &bytes.to_le_bytes(),
    ];
    parts.concat()
}

/// The address of a server on this machine, from the board's view.
fn reach(address: SocketAddr) -> String {
    format!("{HOST}:{}", address.port())
}

/// The user's server address, from the board's view: this machine has another address there.
fn from_the_board(server: &str) -> String {
    let (host, port) = server.rsplit_once(':').unwrap_or((server, "7455"));
    match host {
        "localhost" | "127.0.0.1" | "[::1]" => format!("{HOST}:{port}"),
        _ => server.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_another_name_for_the_board() {
        assert_eq!(from_the_board("localhost:80"), "10.0.2.2:80");
        assert_eq!(from_the_board("127.0.0.1"), "10.0.2.2:7455");
        assert_eq!(from_the_board("attic:7455"), "attic:7455");
        assert_eq!(reach("127.0.0.1:1234".parse().unwrap()), "10.0.2.2:1234");
    }

    #[test]
    fn a_header_says_what_follows() {
        let header = header(8);
        assert_eq!(header.len(), 44);
        assert_eq!(header[4..8], 44_u32.to_le_bytes());
        assert_eq!(header[40..], 8_u32.to_le_bytes());
    }
}
