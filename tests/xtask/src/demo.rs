//! `cargo xtask demo`: a server and an interactive client on this machine.
//!
//! The client has the terminal. What the server writes goes through this program into a file, so that it does not
//! garble the prompt; on the way the address is picked out on which the server listens.

mod server;
mod signals;

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::error::Error;
use crate::process::{self, cargo, executable, programs_dir};
use crate::system::{self, Need};
use server::Server;

/// What the demo waits for while the client runs.
enum Event {
    /// The client has ended.
    ClientEnded(io::Result<ExitStatus>),
    /// A signal came that would have ended this program.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are none to watch"))]
    Signal(i32),
}

/// Builds server and client, serves `dir` or else the built-in songs, and plays until the client ends. Returns the
/// client's exit code.
///
/// # Errors
/// Whatever keeps the two from running; and [`Error::Server`] when the server does not end well.
pub(crate) fn run(dir: Option<&Path>, client_args: &[OsString]) -> Result<ExitCode, Error> {
    system::ensure(&[Need::Build])?;
    process::run(cargo()?.args(["build", "--package", "trill-server", "--package", "trill"]))?;

    let programs = programs_dir()?;
    let mut command = Command::new(executable(&programs, "trill-server"));
    command.args(["--listen", "127.0.0.1:0"]).args(dir);
    let log_path = programs.join("demo-server.log");

    // From here on a signal would leave the server behind.
    let (sender, events) = mpsc::channel();
    signals::watch(sender.clone())?;
    let mut server = Server::start(command, &log_path)?;
    let address = server.address()?;
    introduce(dir, address, &log_path);
    if client_args.is_empty() {
        eprintln!("{WITHOUT_SOUND}");
    }
    eprintln!();

    let mut command = Command::new(executable(&programs, "trill"));
    command.arg(address.to_string()).args(client_args);
    let status = play(command, sender, &events)?;
    server.stop()?;
    Ok(exit_code(status))
}

/// A server with the built-in songs, for something else than the client to play from.
pub(crate) struct Songs {
    server: Server,
    address: SocketAddr,
}

impl Songs {
    /// Builds and starts it.
    ///
    /// # Errors
    /// Whatever keeps it from running.
    pub(crate) fn serve() -> Result<Self, Error> {
        system::ensure(&[Need::Build])?;
        process::run(cargo()?.args(["build", "--package", "trill-server"]))?;
        let programs = programs_dir()?;
        let program = Command::new(executable(&programs, "trill-server"));
        Self::serve_with(program, &programs.join("demo-server.log"))
    }

    /// Starts it by `program`, a command without arguments for it. Everything that it writes goes to `log_path`.
    ///
    /// # Errors
    /// Whatever keeps it from running.
    pub(crate) fn serve_with(mut program: Command, log_path: &Path) -> Result<Self, Error> {
        program.args(["--listen", "127.0.0.1:0"]);
        let mut server = Server::start(program, log_path)?;
        let address = server.address()?;
        Ok(Self { server, address })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`Error::Server`] when it does not end well.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        self.server.stop()
    }
}

/// Says what runs here and what to type.
fn introduce(dir: Option<&Path>, address: SocketAddr, log: &Path) {
    let songs = dir.map_or("the built-in songs".into(), |dir| dir.display().to_string());
    eprintln!("\nServing {songs} on {address}; the server's log is {}", log.display());
    eprintln!("Type `list`, then `play 1`, then `play 2` over it; `help` for the rest, `quit` to leave.");
}

/// What to do on a machine without loudspeakers.
const WITHOUT_SOUND: &str = "\
No sound device here? `cargo xtask demo -- --output wav:demo.wav` writes what would be heard into a file, and
`cargo xtask demo -- --output null` plays to nobody.";

/// Runs the client on the terminal until it ends.
fn play(mut command: Command, sender: Sender<Event>, events: &Receiver<Event>) -> Result<ExitStatus, Error> {
    let mut client = command.spawn().map_err(|source| process::start_error(&command, source))?;
    let client_id = client.id();
    thread::spawn(move || sender.send(Event::ClientEnded(client.wait())));

    for event in events {
        match event {
            Event::ClientEnded(status) => {
                return status.map_err(Error::io("waiting for the client"));
            }
            // The terminal's Ctrl-C has reached the client too, and means what the client makes of it.
            Event::Signal(signal) if signals::is_from_keyboard(signal) => {}
            Event::Signal(_) => signals::terminate(client_id),
        }
    }
    Err(Error::io("waiting for the client")(io::ErrorKind::BrokenPipe.into()))
}

/// The client's exit code as this program's, by the shell's rule when a signal ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or(signal.map(|signal: i32| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
