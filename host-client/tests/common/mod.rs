//! What the tests of the program share: songs, a server to be scripted, and the program run to its end.
#![allow(dead_code)] // every test file uses a part of it

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use trill_tests::binaries;

/// Far longer than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The lines on standard error, of which there shall be one.
    #[track_caller]
    pub(crate) fn only_error(&self) -> &str {
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr.trim_end()
    }
}

/// Runs `trill` with `arguments` and `input` to its end.
///
/// # Panics
/// When it is still running after [`DEADLINE`].
#[track_caller]
pub(crate) fn trill(arguments: &[&str], input: &str) -> Run {
    let mut child = binaries::command(env!("CARGO_BIN_EXE_trill"))
        .args(arguments)
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A program that reads nothing may be gone by now.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let id = child.id().to_string();
    let (done, is_done) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let output = child.wait_with_output().expect("the program's output");
        // Nobody waits any more after the deadline.
        let _ = done.send(());
        output
    });
    if is_done.recv_timeout(DEADLINE).is_err() {
        let _ = Command::new("kill").args(["-9", &id]).status();
        let output = waiter.join().expect("the waiting thread");
        panic!("still running after {DEADLINE:?}: {arguments:?} {output:?}");
    }
    let output = waiter.join().expect("the waiting thread");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Runs `trill` against the server at `address` with its sound going to a WAV file, and returns that too.
#[track_caller]
pub(crate) fn record(address: SocketAddr, arguments: &[&str], input: &str) -> (Run, Vec<[i16; 2]>) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("out.wav");
    let output = format!("wav:{}", file.display());
    let address = address.to_string();
    let run = trill(&[&["--output", &output, &address], arguments].concat(), input);
    let samples = if file.exists() { read_wav(&file) } else { Vec::new() };
    (run, samples)
}

/// The frames of a file, left and right; of mono both are alike.
fn read_wav(file: &Path) -> Vec<[i16; 2]> {
    let reader = hound::WavReader::open(file).expect("a WAV file");
    let channels = usize::from(reader.spec().channels);
    let samples: Vec<i16> = reader.into_samples().collect::<Result<_, _>>().expect("whole samples");
    samples.chunks_exact(channels).map(|frame| [frame[0], frame[channels - 1]]).collect()
}
