//! A private D-Bus session bus, and `playerctl`, which controls players on it.
//!
//! Debian packages: `dbus-daemon playerctl`.

use crate::process::{Output, Process, system_program};
use crate::wait;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Deadline of the bus and of any command of `playerctl`.
const DEADLINE: Duration = Duration::from_secs(20);

/// A private session bus. Dropping it stops it.
#[derive(Debug)]
pub struct SessionBus {
    process: Process,
    address: String,
}

impl SessionBus {
    /// Starts a bus with its socket in `directory`.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(directory: &Path) -> Self {
        let (configuration, socket) = (directory.join("bus.conf"), directory.join("bus"));
        let address = format!("unix:path={}", socket.display());
        let text = format!(
            "<busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>"
        );
        fs::write(&configuration, text).expect("a writable directory");
        let mut command = system_program("dbus-daemon", "dbus-daemon");
        command.arg("--nofork").arg("--config-file").arg(&configuration);
        let mut process = Process::spawn("dbus-daemon", command);
        wait::wait_for(DEADLINE, "the socket of the bus", || {
            assert!(!process.has_ended(), "the bus ended: {process}");
            socket.exists()
        });
        Self { process, address }
    }

    /// The value of `DBUS_SESSION_BUS_ADDRESS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stops the bus, as at the end of a session.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Runs `playerctl` with `arguments` for the players whose names begin with `trill`.
    ///
    /// # Panics
    /// When it is not installed or does not end.
    #[track_caller]
    pub fn playerctl(&self, arguments: &[&str]) -> Output {
        self.spawn_playerctl(arguments).wait(DEADLINE)
    }

    /// Like [`playerctl`](Self::playerctl), for a command that goes on.
    #[track_caller]
    pub fn spawn_playerctl(&self, arguments: &[&str]) -> Process {
        let mut command = system_program("playerctl", "playerctl");
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).arg("--player=trill").args(arguments);
        let mut process = Process::spawn("playerctl", command);
        process.close_stdin();
        process
    }
}
