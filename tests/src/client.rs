//! Runs `trill`, the host client, with one command, with piped commands or in a terminal.

use crate::binaries;
use crate::process::{Output, Process};
use crate::pulse::PulseServer;
use crate::terminal::{Size, Terminal};
use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// The environment variable that says where the client remembers its settings.
pub const STATE_HOME: &str = "XDG_STATE_HOME";

/// A client to start, with its arguments and environment.
///
/// ```no_run
/// # use trill_tests::{client::Client, server::ServerProcess};
/// # fn example(server: &ServerProcess) {
/// use std::time::Duration;
/// let list = Client::of(server.address()).arg("list").run(Duration::from_secs(10));
/// println!("{}", list.expect_code(0).stdout);
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    command: Command,
}

impl Client {
    /// A client without arguments and without the user's sound server, home directory and settings.
    pub fn new() -> Self {
        let home = binaries::target_dir().join("trill-home");
        fs::create_dir_all(&home).expect("a home directory in the target directory");
        let mut command = binaries::command(binaries::client());
        for variable in [
            "PULSE_SERVER",
            "PULSE_SINK",
            "PIPEWIRE_REMOTE",
            "ALSA_CONFIG_PATH",
            "DBUS_SESSION_BUS_ADDRESS",
            "NO_COLOR",
            "XDG_CONFIG_HOME",
            STATE_HOME,
            "TRILL_HOST",
        ] {
            command.env_remove(variable);
        }
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", &home).env("LANG", "C.UTF-8").env("TERM", "xterm-256color");
        Self { command }
    }

    /// A client of the server at `address`.
    pub fn of(address: SocketAddr) -> Self {
        Self::new().arg(address.to_string())
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives the client the highest priority if permitted, as many systems do for players. For tests of the server, not
    /// of whether 300 ms of sound survive parallel compilation.
    #[must_use]
    pub fn preferred(self) -> Self {
        self.started_by("nice", ["-n", "-19"])
    }

    /// Starts the client through `program`, which gets `arguments`, then the client's path and arguments.
    #[must_use]
    pub fn started_by<S: AsRef<OsStr>>(self, program: &str, arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self { command }
    }

    /// Lets the client play through `sink` of `pulse`.
    #[must_use]
    pub fn plays_to(mut self, pulse: &PulseServer, sink: &str) -> Self {
        self.command.envs(pulse.env(sink));
        self
    }

    /// The bare command, for a test that sets up its own streams.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs the client to its end, with stdin at end of file.
    ///
    /// # Panics
    /// When it is still running after `deadline`.
    #[track_caller]
    pub fn run(self, deadline: Duration) -> Output {
        self.run_script("", deadline)
    }

    /// Runs the client to its end, with `script` on stdin.
    ///
    /// # Panics
    /// When it is still running after `deadline`, or ends without reading the script.
    #[track_caller]
    pub fn run_script(self, script: &str, deadline: Duration) -> Output {
        let mut process = self.spawn();
        if !script.is_empty() {
            process.write(script.as_bytes());
        }
        process.close_stdin();
        process.wait(deadline)
    }

    /// Starts the client with stdin a pipe: see [`Process::write`] and [`Process::close_stdin`].
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn spawn(self) -> Process {
        Process::spawn("trill", self.command)
    }

    /// Starts the client in a terminal of `size`. Unless the test chose an `XDG_STATE_HOME`, the client remembers nothing of
    /// other clients.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn in_terminal(mut self, size: Size) -> Terminal {
        if self.command.get_envs().any(|(name, value)| name == STATE_HOME && value.is_some()) {
            return Terminal::spawn("trill", self.command, size);
        }
        let state = tempfile::tempdir().expect("a temporary directory");
        self.command.env(STATE_HOME, state.path());
        Terminal::spawn("trill", self.command, size).with_directory(state)
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}
