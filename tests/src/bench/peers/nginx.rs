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

/// Deadline of start and stop.
const DEADLINE: Duration = Duration::from_secs(20);

/// Debian's path, which is not on every user's search path.
const PROGRAM: &str = "/usr/sbin/nginx";

/// Connections of its single worker: more than any section opens.
const CONNECTIONS: usize = 16_384;

/// A running nginx: a master and one worker. Dropping it stops both.
#[derive(Debug)]
pub struct Nginx {
    master: Process,
    worker: u32,
    address: SocketAddr,
    /// Its configuration and temporary files.
    _prefix: TempDir,
}

impl Nginx {
    /// Serves the files of `directory` on a free loopback port: one worker, sendfile as in Debian's configuration, no
    /// access log.
    ///
    /// # Panics
    /// It does not start. The message has its output.
    #[track_caller]
    pub fn start(directory: &Path) -> Self {
        let prefix = TempDir::with_prefix("trill-nginx-").expect("a temporary directory");
        let address = free_address();
        let configuration = prefix.path().join("nginx.conf");
        fs::write(&configuration, self::configuration(prefix.path(), directory, address))
            .expect("a writable temporary directory");
        let mut command = program();
        // Before nginx has read the configuration, errors go to the log given here.
        command.args(["-e", "stderr", "-c"]).arg(configuration);
        let mut master = Process::spawn("nginx", command);
        wait::wait_for(DEADLINE, "a connection to nginx", || {
            assert!(!master.has_ended(), "nginx ended: {master}");
            TcpStream::connect(address).is_ok()
        });
        // The port opens before the worker starts.
        let worker = wait::wait_for_some(DEADLINE, "the worker of nginx", || children(master.id()).first().copied());
        Self { master, worker, address, _prefix: prefix }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a file in the directory.
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
        // SIGTERM stops master and worker. Killing the master would leave the worker.
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

/// A minimal configuration with Debian's settings for sending files. Listeners share open files, because one per
/// listener would exceed the limit.
fn configuration(prefix: &Path, directory: &Path, address: SocketAddr) -> String {
    // By default root's worker switches to a user without access to temporary directories.
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

/// The living child processes of `pid`.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
