//! Starts, watches and stops the demo's server.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::signals;
use crate::error::Error;
use crate::process::start_error;

/// Time for the server's first line. The server listens before it scans its directory; this allows for a very slow
/// machine.
const START_DEADLINE: Duration = Duration::from_secs(10);
/// Time for the server to stop. It promises about a second.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// Number of log lines that an error shows.
const LAST_WORDS: usize = 10;

/// A running server. Dropping it kills it.
pub(super) struct Server {
    child: Child,
    /// The server's addresses. The channel is closed when the server has ended.
    addresses: Receiver<SocketAddr>,
    /// Copies the server's output. Returns its last lines.
    log: Option<JoinHandle<Vec<String>>>,
}

impl Server {
    /// Starts `command`. Its output goes to `log_path`.
    pub(super) fn start(mut command: Command, log_path: &Path) -> Result<Self, Error> {
        let log_file = File::create(log_path).map_err(Error::io(log_path.display().to_string()))?;
        // One pipe for both streams keeps the lines in order, and closes when the server ends.
        let (output, input) = io::pipe().map_err(Error::io("pipe"))?;
        let also_input = input.try_clone().map_err(Error::io("pipe"))?;
        command.stdin(Stdio::null()).stdout(input).stderr(also_input);
        signals::detach(&mut command);

        let child = command.spawn().map_err(|source| start_error(&command, source))?;
        let (sender, addresses) = mpsc::channel();
        let log = Some(thread::spawn(move || follow(output, log_file, &sender)));
        Ok(Self { child, addresses, log })
    }

    /// Waits until the server listens. Returns its address.
    ///
    /// # Errors
    /// [`Error::Server`] when it ends first or takes too long.
    pub(super) fn address(&mut self) -> Result<SocketAddr, Error> {
        match self.addresses.recv_timeout(START_DEADLINE) {
            Ok(address) => Ok(address),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.wait()?;
                Err(self.failure(format!("did not start ({status})")))
            }
            Err(RecvTimeoutError::Timeout) => Err(self.failure("did not print its address in time".into())),
        }
    }

    /// Asks the server to stop, and waits for it.
    ///
    /// # Errors
    /// [`Error::Server`] when it had ended before, fails or does not stop.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        if self.has_ended_by(Instant::now()) {
            let status = self.wait()?;
            return Err(self.failure(format!("ended early ({status})")));
        }
        if !signals::CAN_TERMINATE {
            self.kill();
            return Ok(());
        }
        signals::terminate(self.child.id());
        if !self.has_ended_by(Instant::now() + STOP_DEADLINE) {
            return Err(self.failure("did not stop when asked to".into()));
        }
        match self.wait()? {
            status if status.success() => Ok(()),
            status => Err(self.failure(format!("failed ({status})"))),
        }
    }

    fn has_ended_by(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.addresses.recv_timeout(left) {
                Ok(_) => {}
                Err(error) => return error == RecvTimeoutError::Disconnected,
            }
        }
    }

    fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.child.wait().map_err(Error::io("waiting for the server"))
    }

    /// An error with the server's last lines.
    fn failure(&mut self, what: String) -> Error {
        self.kill();
        let words = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        Error::Server { what, words }
    }

    fn kill(&mut self) {
        // Both calls fail only if the server has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Copies what the server writes into `log_file` until the server ends. Returns the last lines.
fn follow(output: impl Read, mut log_file: impl Write, addresses: &Sender<SocketAddr>) -> Vec<String> {
    let mut last = VecDeque::with_capacity(LAST_WORDS);
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        // A full disk or a receiver that has gone must not block the server.
        let _ = writeln!(log_file, "{line}");
        if let Some(address) = listening_address(&line) {
            let _ = addresses.send(address);
        }
        if last.len() == LAST_WORDS {
            last.pop_front();
        }
        last.push_back(line.into_owned());
    }
    last.into()
}

/// Parses the address in the server's line `listening on ADDR:PORT`. A prefix may precede it.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_parsed_from_its_line() {
        for (line, address) in [
            ("listening on 127.0.0.1:7455", Some("127.0.0.1:7455")),
            ("12:30:05 info listening on [::1]:80\r", Some("[::1]:80")),
            ("listening on 127.0.0.1:7455 (loopback only)", Some("127.0.0.1:7455")),
            ("listening on the radio", None),
            ("listening on ", None),
            ("ready, 3 songs", None),
        ] {
            assert_eq!(listening_address(line), address.map(|a| a.parse().unwrap()), "{line}");
        }
    }

    #[test]
    fn the_log_is_saved_and_its_last_lines_kept() {
        let lines: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        let output = format!("{lines}listening on 127.0.0.1:1\nthe last, without an end");
        let (sender, addresses) = mpsc::channel();
        let mut log = Vec::new();
        let last = follow(output.as_bytes(), &mut log, &sender);

        assert_eq!(String::from_utf8(log).unwrap(), format!("{output}\n"));
        assert_eq!((last.len(), last[0].as_str()), (LAST_WORDS, "line 23"));
        assert_eq!(addresses.try_recv().unwrap().port(), 1);
    }

    #[cfg(unix)]
    mod with_a_script_for_a_server {
        use super::*;

        fn start(script: &str) -> Server {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Server::start(command, Path::new("/dev/null")).unwrap()
        }

        #[test]
        fn a_server_stops_on_request() {
            let mut server = start(
                "trap 'exit 0' TERM; echo starting >&2; echo listening on 127.0.0.1:9
                 while :; do sleep 0.01; done",
            );
            assert_eq!(server.address().unwrap().port(), 9);
            server.stop().unwrap();
        }

        #[test]
        fn an_error_at_start_shows_the_log() {
            let mut server = start("echo starting; echo no such directory >&2; exit 1");
            let said = server.address().unwrap_err().to_string();
            assert_eq!(said, "the server did not start (exit status: 1)\n  starting\n  no such directory");
        }

        #[test]
        fn an_error_while_running_shows_the_log() {
            let mut server = start("echo listening on 127.0.0.1:9; echo oops; exit 3");
            server.address().unwrap();
            assert!(server.has_ended_by(Instant::now() + START_DEADLINE));
            let said = server.stop().unwrap_err().to_string();
            assert!(said.starts_with("the server ended early (exit status: 3)"), "{said}");
            assert!(said.ends_with("\n  oops"), "{said}");
        }

        #[test]
        fn an_error_at_the_stop_is_reported() {
            let mut server = start("echo listening on 127.0.0.1:9; exec sleep 60");
            server.address().unwrap();
            let said = server.stop().unwrap_err().to_string();
            assert!(said.contains("the server failed"), "{said}");
        }
    }
}
