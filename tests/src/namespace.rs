//! Network namespaces: machines with interfaces and addresses of their own, for tests that need more than loopback.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use rustix::thread::LinkNameSpaceType;

use crate::process::Process;

const DEADLINE: Duration = Duration::from_secs(20);

/// A network namespace. Dropping it removes its interfaces when its last program has ended.
#[derive(Debug)]
pub struct Namespace {
    /// Keeps the namespace alive.
    holder: Process,
}

impl Namespace {
    /// A machine with loopback only.
    ///
    /// # Panics
    /// When this user cannot make one: root and the package iproute2 are needed.
    #[track_caller]
    pub fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && echo made && exec cat"]);
        let mut holder = Process::spawn("unshare", command);
        let line = holder.wait_for_line(DEADLINE, "");
        assert_eq!(line, "made", "a network namespace needs root and the package iproute2");
        Self { holder }
    }

    /// Two machines on one network, with the interface `lan` and the addresses 10.7.0.1 and 10.7.0.2, fd07::1 and fd07::2.
    ///
    /// # Panics
    /// Like [`Self::new`].
    #[track_caller]
    pub fn pair() -> (Self, Self) {
        let (first, second) = (Self::new(), Self::new());
        let peer = second.holder.id().to_string();
        first.ip(&["link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", &peer]);
        for (namespace, number) in [(&first, 1), (&second, 2)] {
            namespace.ip(&["address", "add", &format!("10.7.0.{number}/24"), "dev", "lan"]);
            namespace.ip(&["address", "add", &format!("fd07::{number}/64"), "dev", "lan", "nodad"]);
            namespace.ip(&["link", "set", "lan", "up"]);
        }
        (first, second)
    }

    /// Runs `ip` with these arguments on this machine.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn ip(&self, arguments: &[&str]) {
        let mut command = self.command("ip");
        command.args(arguments);
        Process::spawn("ip", command).wait(DEADLINE).expect_code(0);
    }

    /// A command that runs `program` on this machine.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(self.entrance()).arg(program);
        command
    }

    /// Runs `action` on this machine.
    ///
    /// # Panics
    /// When `action` does.
    #[track_caller]
    pub fn run<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.holder.id())).expect("the holder lives");
        // A thread enters a namespace, not a process.
        let enter_and_run = || {
            rustix::thread::move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("root");
            action()
        };
        std::thread::scope(|scope| scope.spawn(enter_and_run).join()).expect("no panic")
    }

    /// The arguments for `nsenter`.
    pub fn entrance(&self) -> [String; 3] {
        ["--net".to_owned(), "--target".to_owned(), self.holder.id().to_string()]
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}
