//! `cargo xtask demo`: a server and an interactive client on this machine.
//!
//! The client has the terminal. This program copies the server's output into a file, so that it does not disturb the
//! prompt, and reads the server's address from it.

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

/// Events that the demo waits for while the client runs.
enum Event {
    /// The client has ended.
    ClientEnded(io::Result<ExitStatus>),
    /// This program received a terminating signal.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are none to watch"))]
    Signal(i32),
}

/// Builds server and client, serves `dir` or the built-in songs, and waits until the client ends. Returns the client's
/// exit code.
///
/// # Errors
/// Errors of building and starting, and [`Error::Server`] when the server fails.
pub(crate) fn run(dir: Option<&Path>, client_args: &[OsString]) -> Result<ExitCode, Error> {
    system::ensure(&[Need::Build])?;
    process::run(cargo()?.args(["build", "--package", "trill-server", "--package", "trill"]))?;

    let programs = programs_dir()?;
    let mut command = Command::new(executable(&programs, "trill-server"));
    command.args(["--listen", "127.0.0.1:0"]).args(dir);
    let log_path = programs.join("demo-server.log");

    // From here on an unhandled signal would leave the server running.
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

/// A server with the built-in songs for other tasks.
pub(crate) struct Songs {
    server: Server,
    address: SocketAddr,
}

impl Songs {
    /// Builds and starts the server.
    ///
    /// # Errors
    /// Errors of building and starting.
    pub(crate) fn serve() -> Result<Self, Error> {
        system::ensure(&[Need::Build])?;
        process::run(cargo()?.args(["build", "--package", "trill-server"]))?;
        let programs = programs_dir()?;
        let program = Command::new(executable(&programs, "trill-server"));
        Self::serve_with(program, &programs.join("demo-server.log"))
    }

    /// Starts the server with `program`, a command without server arguments. Its output goes to `log_path`.
    ///
    /// # Errors
    /// Errors of starting.
    pub(crate) fn serve_with(mut program: Command, log_path: &Path) -> Result<Self, Error> {
        program.args(["--listen", "127.0.0.1:0"]);
        let mut server = Server::start(program, log_path)?;
        let address = server.address()?;
        Ok(Self { server, address })
    }

    /// Its address.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server.
    ///
    /// # Errors
    /// [`Error::Server`] when the server fails.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        self.server.stop()
    }
}

/// Prints the address and the commands to try.
fn introduce(dir: Option<&Path>, address: SocketAddr, log: &Path) {
    let songs = dir.map_or("the built-in songs".into(), |dir| dir.display().to_string());
    eprintln!("\nServing {songs} on {address}; the server's log is {}", log.display());
    eprintln!("Type `list`, then `play 1`, then `play 2` over it; `help` for the rest, `quit` to leave.");
}

/// The hint for a machine without sound output.
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
            // The terminal sends Ctrl-C to the client too, and the client handles it.
            Event::Signal(signal) if signals::is_from_keyboard(signal) => {}
            Event::Signal(_) => signals::terminate(client_id),
        }
    }
    Err(Error::io("waiting for the client")(io::ErrorKind::BrokenPipe.into()))
}

/// The client's exit code, or 128 plus the signal's number.
fn exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or(signal.map(|signal: i32| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
