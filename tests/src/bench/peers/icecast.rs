//! Icecast as a file server.

use super::free_address;
use crate::process::{Process, system_program};
use crate::wait;
use rustix::process::Signal;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Deadline of start and stop.
const DEADLINE: Duration = Duration::from_secs(20);

/// More clients than any section has.
const CLIENTS: usize = 16_384;

/// The user `nobody`: Icecast refuses to run as root.
const NOBODY: u32 = 65_534;

/// A running Icecast. Dropping it stops it.
#[derive(Debug)]
pub struct Icecast {
    process: Process,
    address: SocketAddr,
    /// Its configuration.
    _prefix: TempDir,
}

impl Icecast {
    /// Serves the files of `directory`, which must be world-readable, on a free loopback port.
    ///
    /// # Panics
    /// It does not start. The message has its output.
    #[track_caller]
    pub fn start(directory: &Path) -> Self {
        let prefix = TempDir::with_prefix("trill-icecast-").expect("a temporary directory");
        let address = free_address();
        let path = prefix.path().join("icecast.xml");
        fs::write(&path, configuration(prefix.path(), directory, address)).expect("a writable temporary directory");
        let mut command = system_program("icecast2", "icecast2");
        command.arg("-c").arg(path);
        if rustix::process::geteuid().is_root() {
            rustix::fs::chmod(prefix.path(), 0o777.into()).expect("a directory of its own");
            command.uid(NOBODY).gid(NOBODY);
        }
        let process = Process::spawn("icecast2", command);
        let mut icecast = Self { process, address, _prefix: prefix };
        wait::wait_for(DEADLINE, "a connection to Icecast", || {
            assert!(!icecast.process.has_ended(), "Icecast ended: {}", icecast.process);
            TcpStream::connect(address).is_ok()
        });
        icecast
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Icecast {
    fn drop(&mut self) {
        self.process.signal(Signal::TERM);
        wait::try_wait(DEADLINE, || self.process.has_ended().then_some(()));
    }
}

/// Debian's configuration, except for the paths and the number of clients.
fn configuration(prefix: &Path, directory: &Path, address: SocketAddr) -> String {
    format!(
        "<icecast>\n\
         <limits><clients>{CLIENTS}</clients><sources>2</sources><queue-size>524288</queue-size>\n\
         <client-timeout>30</client-timeout><header-timeout>15</header-timeout><source-timeout>10</source-timeout>\n\
         <burst-on-connect>1</burst-on-connect><burst-size>65535</burst-size></limits>\n\
         <authentication><source-password>x</source-password><relay-password>x</relay-password>\n\
         <admin-user>admin</admin-user><admin-password>x</admin-password></authentication>\n\
         <hostname>localhost</hostname>\n\
         <listen-socket><port>{port}</port><bind-address>{ip}</bind-address></listen-socket>\n\
         <fileserve>1</fileserve>\n\
         <paths><basedir>{prefix}</basedir><logdir>{prefix}</logdir><webroot>{webroot}</webroot>\n\
         <adminroot>{prefix}</adminroot></paths>\n\
         <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog><loglevel>2</loglevel></logging>\n\
         <security><chroot>0</chroot></security>\n\
         </icecast>\n",
        port = address.port(),
        ip = address.ip(),
        prefix = prefix.display(),
        webroot = directory.display(),
    )
}
