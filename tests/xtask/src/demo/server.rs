//! The demo's server: started, listened to, stopped.

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

/// The server listens before it looks at its directory: this is for a machine on its knees.
const START_DEADLINE: Duration = Duration::from_secs(10);
/// The server promises to be gone a second or so after it is asked.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// How many of its last lines are shown when the server fails.
const LAST_WORDS: usize = 10;

/// A running server. Dropping it kills it.
pub(super) struct Server {
    child: Child,
    /// The addresses on which it listens; disconnected when it has ended.
    addresses: Receiver<SocketAddr>,
    /// Follows what it writes, and returns the last lines of it.
    log: Option<JoinHandle<Vec<String>>>,
}

impl Server {
    /// Starts the server that `command` names; everything that it writes goes to `log_path`.
    pub(super) fn start(mut command: Command, log_path: &Path) -> Result<Self, Error> {
        let log_file = File::create(log_path).map_err(Error::io(log_path.display().to_string()))?;
        // One pipe for both: the lines stay in order, and it ends when the server does.
        let (output, input) = io::pipe().map_err(Error::io("pipe"))?;
        let also_input = input.try_clone().map_err(Error::io("pipe"))?;
        command.stdin(Stdio::null()).stdout(input).stderr(also_input);
        signals::detach(&mut command);

        let child = command.spawn().map_err(|source| start_error(&command, source))?;
        let (sender, addresses) = mpsc::channel();
        let log = Some(thread::spawn(move || follow(output, log_file, &sender)));
        Ok(Self { child, addresses, log })
    }

    /// Waits until the server listens, and returns where.
    ///
    /// # Errors
    /// [`Error::Server`] when it ends before, or takes too long.
    pub(super) fn address(&mut self) -> Result<SocketAddr, Error> {
        match self.addresses.recv_timeout(START_DEADLINE) {
            Ok(address) => Ok(address),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.wait()?;
                Err(self.failure(format!("did not start ({status})")))
            }
            Err(RecvTimeoutError::Timeout) => Err(self.failure("does not say where it listens".into())),
        }
    }

    /// Asks the server to end, and waits until it has.
    ///
    /// # Errors
    /// [`Error::Server`] when it had ended before, ends in failure or does not end.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        if self.has_ended_by(Instant::now()) {
            let status = self.wait()?;
            return Err(self.failure(format!("had ended by itself ({status})")));
        }
        if !signals::CAN_TERMINATE {
            self.kill();
            return Ok(());
        }
        signals::terminate(self.child.id());
        if !self.has_ended_by(Instant::now() + STOP_DEADLINE) {
            return Err(self.failure("does not end when asked to".into()));
        }
        match self.wait()? {
            status if status.success() => Ok(()),
            status => Err(self.failure(format!("did not end well ({status})"))),
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

    /// The error for a server that is of no more use, with its last words.
    fn failure(&mut self, what: String) -> Error {
        self.kill();
        let words = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        Error::Server { what, words }
    }

    fn kill(&mut self) {
        // Both fail only for a server that is gone.
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
        // Neither a full disk nor a demo that has lost interest may hold up the server.
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

/// The address in the server's line `listening on ADDR:PORT`, whatever stands before that.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_has_it() {
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
    fn the_log_is_kept_and_its_end_remembered() {
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
        fn one_that_is_told_to_end_has_ended() {
            let mut server = start(
                "trap 'exit 0' TERM; echo starting >&2; echo listening on 127.0.0.1:9
                 while :; do sleep 0.01; done",
            );
            assert_eq!(server.address().unwrap().port(), 9);
            server.stop().unwrap();
        }

        #[test]
        fn one_that_does_not_start_is_quoted() {
            let mut server = start("echo starting; echo no such directory >&2; exit 1");
            let said = server.address().unwrap_err().to_string();
            assert_eq!(said, "the server did not start (exit status: 1)\n  starting\n  no such directory");
        }

        #[test]
        fn one_that_fails_meanwhile_is_quoted() {
            let mut server = start("echo listening on 127.0.0.1:9; echo oops; exit 3");
            server.address().unwrap();
            assert!(server.has_ended_by(Instant::now() + START_DEADLINE));
            let said = server.stop().unwrap_err().to_string();
            assert!(said.starts_with("the server had ended by itself (exit status: 3)"), "{said}");
            assert!(said.ends_with("\n  oops"), "{said}");
        }

        #[test]
        fn one_that_ends_badly_is_told_of() {
            let mut server = start("echo listening on 127.0.0.1:9; exec sleep 60");
            server.address().unwrap();
            let said = server.stop().unwrap_err().to_string();
            assert!(said.contains("did not end well"), "{said}");
        }
    }
}
