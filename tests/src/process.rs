//! A child process whose output is collected. Dropping the guard kills it.

use crate::usage::{self, Usage};
use crate::wait;
use rustix::process::{Pid, Signal};
use std::env;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Time for a process to end after a signal, and for the rest of its output.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// A running (or ended) child process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    started: Instant,
    stdin: Option<ChildStdin>,
    stdout: Collected,
    stderr: Collected,
}

impl Process {
    /// Starts `command` with stdin, stdout and stderr piped. `name` is its name in messages.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[track_caller]
    pub fn spawn(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(e) => panic!("{name} ({}) does not start: {e}", command.get_program().display()),
        };
        let stdin = child.stdin.take();
        let stdout = Collected::from(child.stdout.take().expect("stdout was piped above"));
        let stderr = Collected::from(child.stderr.take().expect("stderr was piped above"));
        Self { name: name.to_owned(), child, started, stdin, stdout, stderr }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its current resource use.
    ///
    /// # Panics
    /// When it has ended.
    #[track_caller]
    pub fn usage(&self) -> Usage {
        match usage::of(self.id()) {
            Ok(usage) => usage,
            Err(e) => panic!("no reading of {self}: {e}"),
        }
    }

    /// Its output to stdout so far. Bytes that are not UTF-8 become U+FFFD.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Its output to stderr so far. Bytes that are not UTF-8 become U+FFFD.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Every complete line so far: stdout's, then stderr's.
    pub fn lines(&self) -> Vec<String> {
        let complete = |text: String| {
            let end = text.rfind('\n').map_or(0, |newline| newline + 1);
            text[..end].lines().map(str::to_owned).collect::<Vec<_>>()
        };
        [complete(self.stdout()), complete(self.stderr())].concat()
    }

    /// Like [`Self::lines`] since the last call, and drops the lines: for a process that writes for hours.
    pub fn take_lines(&mut self) -> Vec<String> {
        [self.stdout.take_lines(), self.stderr.take_lines()].concat()
    }

    /// Waits for a complete line of either stream that contains `needle`, and returns it.
    ///
    /// # Panics
    /// When none appears within `deadline` or the process ends without it; the message holds all output.
    #[track_caller]
    pub fn wait_for_line(&mut self, deadline: Duration, needle: &str) -> String {
        self.wait_for_lines(deadline, needle, 1).remove(0)
    }

    /// Waits until at least `count` complete lines contain `needle`, and returns them.
    ///
    /// # Panics
    /// When they do not appear within `deadline` or the process ends before; the message holds all output.
    #[track_caller]
    pub fn wait_for_lines(&mut self, deadline: Duration, needle: &str, count: usize) -> Vec<String> {
        let found = wait::try_wait(deadline, || {
            let ended = self.has_ended() && self.output_ended();
            let lines: Vec<String> = self.lines().into_iter().filter(|line| line.contains(needle)).collect();
            (lines.len() >= count || ended).then_some(lines)
        });
        match found {
            Some(lines) if lines.len() >= count => lines,
            _ => panic!("no {count} lines with {needle:?} within {deadline:?} from {self}"),
        }
    }

    /// Writes to the process's stdin.
    ///
    /// # Panics
    /// When it has been closed at either end.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        let Some(stdin) = &mut self.stdin else { panic!("the stdin of {} was closed before", self.name) };
        if let Err(e) = stdin.write_all(bytes).and_then(|()| stdin.flush()) {
            panic!("writing to {self}: {e}");
        }
    }

    /// Closes the process's stdin, so that it reads end of file.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked for its status").is_some()
    }

    /// Sends a signal. If the process has ended, nothing happens.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // The id cannot belong to another process: the child has not been reaped.
        rustix::process::kill_process(pid, signal).ok();
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Panics
    /// When the process does not end within 10 s.
    #[track_caller]
    pub fn terminate(self) -> Output {
        self.signal(Signal::TERM);
        self.wait(END_DEADLINE)
    }

    /// Waits for the process to end by itself, and for the last of its output.
    ///
    /// # Panics
    /// When it does not end within `deadline`; the message holds what it has written so far.
    #[track_caller]
    pub fn wait(mut self, deadline: Duration) -> Output {
        let ended = wait::try_wait(deadline, || self.has_ended().then(|| self.started.elapsed()));
        let Some(elapsed) = ended else { panic!("still running after {deadline:?}: {self}") };
        wait::wait_for(END_DEADLINE, "the last output of an ended process", || self.output_ended());
        let status = self.child.wait().expect("an ended child has a status");
        Output { status, stdout: self.stdout(), stderr: self.stderr(), elapsed }
    }

    /// Kills the process, as a power cut would, and waits for its end.
    pub fn kill(&mut self) {
        // Fails only for a process that was already reaped.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn output_ended(&self) -> bool {
        self.stdout.lock().ended && self.stderr.lock().ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id())?;
        write!(f, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout(), self.stderr())
    }
}

/// A command for a system program.
///
/// # Panics
/// When it is not installed; the message names its Debian package.
#[track_caller]
pub(crate) fn system_program(program: &str, package: &str) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = env::split_paths(&path).any(|directory| directory.join(program).exists());
    assert!(installed, "`{program}` is not installed: apt-get install {package}");
    Command::new(program)
}

/// Sends SIGTERM to all living child processes of `parent`.
pub fn end_children(parent: u32) {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)) {
            rustix::process::kill_process(child, Signal::TERM).ok(); // it may have ended by itself
        }
    }
}

/// How a process ended, and all of its output.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// All of stdout; bytes that are not UTF-8 are U+FFFD.
    pub stdout: String,
    /// All of stderr; bytes that are not UTF-8 are U+FFFD.
    pub stderr: String,
    /// From the start of the process until its end was noticed.
    pub elapsed: Duration,
}

impl Output {
    /// Returns itself if the process exited with `code`.
    ///
    /// # Panics
    /// When it ended in another way; the message holds all output.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "exit code; the output was:\n{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => write!(f, "exit code {code}")?,
            (None, signal) => write!(f, "ended by signal {}", signal.unwrap_or_default())?,
        }
        write!(f, " after {:?}\n--- stdout\n{}\n--- stderr\n{}", self.elapsed, self.stdout, self.stderr)
    }
}

/// One output stream of a child, collected by a thread.
#[derive(Clone, Debug)]
struct Collected(Arc<Mutex<Stream>>);

#[derive(Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    ended: bool,
}

impl Collected {
    fn from(source: impl Read + Send + 'static) -> Self {
        let collected = Self(Arc::default());
        let writer = collected.clone();
        thread::spawn(move || writer.collect(source));
        collected
    }

    fn collect(&self, mut source: impl Read) {
        let mut buffer = [0; 4096];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.lock().bytes.extend_from_slice(&buffer[..count]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.lock().ended = true;
    }

    fn take_lines(&self) -> Vec<String> {
        let mut stream = self.lock();
        let end = stream.bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let complete: Vec<u8> = stream.bytes.drain(..end).collect();
        String::from_utf8_lossy(&complete).lines().map(str::to_owned).collect()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Stream> {
        // After a panic elsewhere the bytes here are still consistent and worth showing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("a shell script", command)
    }

    #[test]
    fn collects_output_and_status() {
        let output = shell("echo out; echo err >&2; exit 3").wait(DEADLINE).expect_code(3);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
    }

    #[test]
    fn speaks_with_the_process() {
        let mut process = shell("while read line; do echo \"heard $line\" >&2; done; echo end");
        process.write(b"one\ntwo\n");
        assert_eq!(process.wait_for_line(DEADLINE, "two"), "heard two");
        process.close_stdin();
        assert_eq!(process.wait(DEADLINE).expect_code(0).stdout, "end\n");
    }

    #[test]
    #[should_panic(expected = "and no more")]
    fn a_line_that_can_no_longer_come_is_not_waited_for() {
        shell("echo and no more").wait_for_line(Duration::from_secs(3600), "something else");
    }

    #[test]
    fn a_line_without_its_end_is_not_a_line() {
        let mut process = shell("printf 'half a li'; read line; echo ne");
        wait::wait_for(DEADLINE, "half a line", || process.stdout() == "half a li");
        assert_eq!(process.lines(), Vec::<String>::new());
        process.write(b"\n");
        assert_eq!(process.wait_for_line(DEADLINE, "half"), "half a line");
    }

    #[test]
    fn lines_that_were_taken_are_gone_and_half_a_line_is_left() {
        let mut process = shell("echo one; printf tw; read line; echo o; echo three >&2");
        wait::wait_for(DEADLINE, "a line and a half", || process.stdout() == "one\ntw");
        assert_eq!(process.take_lines(), ["one"]);
        assert_eq!(process.take_lines(), [""; 0]);
        process.write(b"\n");
        process.wait_for_line(DEADLINE, "three");
        process.wait_for_line(DEADLINE, "two");
        assert_eq!(process.take_lines(), ["two", "three"]);
    }

    #[test]
    fn terminates_with_a_signal() {
        let mut process = shell("trap 'echo bye; exit 7' TERM; echo ready; while :; do read line; done");
        process.wait_for_line(DEADLINE, "ready");
        assert_eq!(process.terminate().expect_code(7).stdout, "ready\nbye\n");
    }

    #[test]
    #[should_panic(expected = "apt-get install lame")]
    fn a_missing_program_is_named_with_its_package() {
        system_program("no-such-program", "lame");
    }

    #[test]
    fn children_end_when_they_are_asked_to() {
        let mut parent = shell("sleep 3600 & sleep 3600 & echo ready; wait; echo alone");
        parent.wait_for_line(DEADLINE, "ready");
        end_children(parent.id());
        assert_eq!(parent.wait(DEADLINE).expect_code(0).stdout, "ready\nalone\n");
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let process = shell("read line");
        let pid = process.id();
        assert!(usage::of(pid).is_ok());
        drop(process);
        assert_eq!(usage::of(pid).map_err(|e| e.kind()), Err(io::ErrorKind::NotFound));
    }
}
