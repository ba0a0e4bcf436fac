//! Runs `trill-server` on a port of its own.

use crate::binaries;
use crate::process::{Output, Process};
use crate::usage::{self, Usage};
use crate::wait;
use rustix::process::Signal;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Time for the server to open its port.
const LISTEN_DEADLINE: Duration = Duration::from_secs(20);
/// Time for the server to scan a directory of test size.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A listening server. Dropping it kills it.
#[derive(Debug)]
pub struct ServerProcess {
    process: Process,
    address: SocketAddr,
}

impl ServerProcess {
    /// Serves `directory` on a free loopback port, and waits until it is ready.
    ///
    /// # Panics
    /// When the server does not get ready.
    #[track_caller]
    pub fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    /// Starts a server like [`Self::start`], with options in front of the directory.
    ///
    /// # Panics
    /// When the server does not get ready.
    #[track_caller]
    pub fn start_with(directory: &Path, options: &[&str]) -> Self {
        let mut command = Self::command();
        command.args(["--listen", "127.0.0.1:0"]).args(options).arg(directory);
        let mut server = Self::launch(command);
        server.wait_until_ready();
        server
    }

    /// Starts a server like [`Self::start`], on the address of a server that has just stopped.
    ///
    /// # Panics
    /// When the server does not get ready.
    #[track_caller]
    pub fn start_at(directory: &Path, address: SocketAddr) -> Self {
        let mut command = Self::command();
        command.args(["--listen", &address.to_string()]).arg(directory);
        let mut server = Self::launch(command);
        server.wait_until_ready();
        server
    }

    /// Starts the server with `command` and waits for its port, not for its songs.
    ///
    /// # Panics
    /// When it does not say `listening on ADDRESS` within 20 s.
    #[track_caller]
    pub fn launch(command: Command) -> Self {
        let mut process = Process::spawn("trill-server", command);
        let line = process.wait_for_line(LISTEN_DEADLINE, "listening on ");
        let Some(address) = listening_address(&line) else { panic!("no address in {line:?}") };
        Self { process, address }
    }

    /// The server's command without arguments, for [`Self::launch`] or a start that must fail.
    pub fn command() -> Command {
        binaries::command(binaries::server())
    }

    /// The server's command under an unprivileged user, because file permissions do not bind root. Copies the program
    /// into `directory`, which that user must be able to read.
    ///
    /// # Panics
    /// When the program cannot be copied.
    pub fn command_without_privileges(directory: &Path) -> Command {
        /// The user `nobody`.
        const NOBODY: u32 = 65_534;
        if !rustix::process::geteuid().is_root() {
            return Self::command();
        }
        // The build folder may be closed to other users. Not copied by this process: a file that any process has open
        // for writing cannot be executed, and a child started by another test briefly inherits the open file.
        let program = directory.join("trill-server");
        let mut copy = Command::new("cp");
        copy.arg(binaries::server()).arg(&program);
        Process::spawn("cp", copy).wait(LISTEN_DEADLINE).expect_code(0);
        for path in [directory, &program] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("a directory of this test's own");
        }
        let mut command = binaries::command(program);
        command.uid(NOBODY).gid(NOBODY);
        command
    }

    /// Runs the server with `arguments` that make it exit at once. Returns its output.
    ///
    /// # Panics
    /// When it is still running after 20 s.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
        let mut command = Self::command();
        command.args(arguments);
        Process::spawn("trill-server", command).wait(LISTEN_DEADLINE)
    }

    /// Waits for the end of the directory scan. Returns the number of songs that the server reports.
    ///
    /// # Panics
    /// When it does not say `ready, N songs` within 60 s.
    #[track_caller]
    pub fn wait_until_ready(&mut self) -> usize {
        let line = self.process.wait_for_line(READY_DEADLINE, "ready, ");
        let Some(songs) = ready_songs(&line) else { panic!("no number of songs in {line:?}") };
        songs
    }

    /// The address to connect to. For a server on all addresses, its loopback address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its current resource use.
    ///
    /// # Panics
    /// When it has ended.
    #[track_caller]
    pub fn usage(&self) -> Usage {
        self.process.usage()
    }

    /// Its resource use when idle: without connections, and with all songs read.
    ///
    /// # Panics
    /// When it still has something to do after 60 s.
    #[track_caller]
    pub fn usage_at_rest(&self) -> Usage {
        // A count can miss a thread that ends while it starts another, but not twice in a row.
        let mut was_at_rest = false;
        wait::wait_for(READY_DEADLINE, "the server's threads for songs and clients to end", || {
            std::mem::replace(&mut was_at_rest, self.is_at_rest()) && was_at_rest
        });
        self.usage()
    }

    fn is_at_rest(&self) -> bool {
        let names = usage::thread_names(self.process.id()).expect("a running process has threads");
        let is_busy = |name: &str| ["tags", "check", "scan", "worker"].contains(&name) || name.starts_with("client");
        // A new thread first has the name of its process.
        let unnamed = names.iter().filter(|name| *name == "trill-server").count();
        unnamed <= 1 && !names.iter().any(|name| is_busy(name))
    }

    /// Waits until the server has at most the threads and open files of `first`.
    ///
    /// # Panics
    /// When that takes longer than `deadline`; the message names the threads that are left.
    #[track_caller]
    pub fn wait_until_back_at(&self, first: &Usage, deadline: Duration) {
        let is_back = || {
            let now = self.usage();
            (now.threads <= first.threads && now.open_files <= first.open_files).then_some(())
        };
        if wait::try_wait(deadline, is_back).is_none() {
            let names = usage::thread_names(self.process.id());
            panic!("after {deadline:?} {:?}, at first {first:?}; threads: {names:?}", self.usage());
        }
    }

    /// The size of its log, in bytes.
    pub fn logged_bytes(&self) -> usize {
        self.process.stderr().len()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the server to end by itself. Returns its output.
    ///
    /// # Panics
    /// When it does not end within `deadline`.
    #[track_caller]
    pub fn wait(self, deadline: Duration) -> Output {
        self.process.wait(deadline)
    }

    /// Stops the server with SIGTERM. Returns its output.
    ///
    /// # Panics
    /// When it does not end within 10 s.
    #[track_caller]
    pub fn stop(self) -> Output {
        self.process.terminate()
    }
}

/// The address in `… listening on ADDRESS …`; an unspecified address becomes loopback.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once("listening on ")?;
    let word = after.split_whitespace().next()?.trim_end_matches([',', '.', ';']);
    let mut address: SocketAddr = word.parse().ok()?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Some(address)
}

/// The number in `… ready, N songs …` (`1 song`).
fn ready_songs(line: &str) -> Option<usize> {
    let (_, after) = line.split_once("ready, ")?;
    let mut words = after.split_whitespace();
    let count = words.next()?.parse().ok()?;
    words.next()?.starts_with("song").then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_address() {
        let check = |line: &str, expected: Option<&str>| {
            let expected = expected.map(|address| address.parse().expect("an address"));
            assert_eq!(listening_address(line), expected, "{line}");
        };
        check("listening on 127.0.0.1:7455", Some("127.0.0.1:7455"));
        check("[info] listening on [::]:7455, open to the network", Some("[::1]:7455"));
        check("listening on 0.0.0.0:1", Some("127.0.0.1:1"));
        check("listening on the radio", None);
    }

    #[test]
    fn reads_the_number_of_songs() {
        let check = |line: &str, expected| assert_eq!(ready_songs(line), expected, "{line}");
        check("ready, 12 songs", Some(12));
        check("info: ready, 1 song", Some(1));
        check("ready, steady, go", None);
    }
}
