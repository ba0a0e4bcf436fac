//! nginx as a plain HTTP server of a directory.

use super::free_address;
use crate::process::{Process, system_program};
use crate::wait;
use rustix::process::Signal;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long it may take to start, and to end.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where Debian puts it: not on everybody's path.
const PROGRAM: &str = "/usr/sbin/nginx";

/// Connections of its one worker: more than any section opens.
const CONNECTIONS: usize = 16_384;

/// A running nginx: a master and one worker. Dropping it ends both.
#[derive(Debug)]
pub struct Nginx {
    master: Process,
    worker: u32,
    address: SocketAddr,
    /// Its configuration and temporary files.
    _prefix: TempDir,
}

impl Nginx {
    /// Serves the files of `directory` on a free port of the loopback address: one worker, sendfile as Debian
    /// configures it, no access log.
    ///
    /// # Panics
    /// When it does not start; the message holds what it said.
    #[track_caller]
    pub fn start(directory: &Path) -> Self {
        let prefix = TempDir::with_prefix("trill-nginx-").expect("a temporary directory");
        let address = free_address();
        let configuration = prefix.path().join("nginx.conf");
        fs::write(&configuration, self::configuration(prefix.path(), directory, address))
            .expect("a writable temporary directory");
        let mut command = program();
        // Its errors first go where its configuration says only once that is read.
        command.args(["-e", "stderr", "-c"]).arg(configuration);
        let mut master = Process::spawn("nginx", command);
        wait::wait_for(DEADLINE, "a connection to nginx", || {
            assert!(!master.has_ended(), "nginx ended: {master}");
            TcpStream::connect(address).is_ok()
        });
        // The port is open before the worker is there.
        let worker = wait::wait_for_some(DEADLINE, "the worker of nginx", || children(master.id()).first().copied());
        Self { master, worker, address, _prefix: prefix }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to fetch a file of the directory by.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// The master, then the worker.
    pub fn pids(&self) -> [u32; 2] {
        [self.master.id(), self.worker]
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked to end, the master takes its worker along; killed, it would leave it behind.
        self.master.signal(Signal::TERM);
        wait::try_wait(DEADLINE, || self.master.has_ended().then_some(()));
    }
}

fn program() -> Command {
    match Path::new(PROGRAM).is_file() {
        true => Command::new(PROGRAM),
        false => system_program("nginx", "nginx"),
    }
}

/// All that nginx needs to know. What Debian's configuration says of sending files it says too. Open files are shared: one
/// for each listener would be more than a process may have.
fn configuration(prefix: &Path, directory: &Path, address: SocketAddr) -> String {
    // By itself a worker of root's becomes somebody who may not enter temporary directories.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|what| format!("    {what}_temp_path \"{}/{what}\";\n", prefix.display()))
        .collect();
    format!(
        "{user}daemon off;\n\
         worker_processes 1;\n\
         worker_rlimit_nofile {CONNECTIONS};\n\
         pid \"{prefix}/pid\";\n\
         error_log stderr warn;\n\
         events {{\n    worker_connections {CONNECTIONS};\n}}\n\
         http {{\n    \
             sendfile on;\n    \
             tcp_nopush on;\n    \
             access_log off;\n    \
             open_file_cache max=100;\n    \
             default_type audio/mpeg;\n\
             {temporary}    \
             server {{\n        \
                 listen {address};\n        \
                 root \"{directory}\";\n    \
             }}\n\
         }}\n",
        prefix = prefix.display(),
        directory = directory.display(),
    )
}

/// The processes that process `pid` started and that live.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
