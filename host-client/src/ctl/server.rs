//! The player's end of the socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::socket;
use crate::remote::{Answer, Follower, OnDrop, Reply, Request};
use crate::ui::json;

/// Maximum number of clients at a time: a person's commands and some status bars.
const MAX_CLIENTS: usize = 16;

/// Maximum length of a line with its line end.
const MAX_LINE_BYTES: u64 = 4_096;

/// How long a client may take to send a line.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to read a part of an answer, at most a page of songs.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often to check whether a client that waits for an answer is still there.
const PRESENCE_INTERVAL: Duration = Duration::from_secs(1);

/// How long the program's end waits for the last answers to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);

/// Ends a line whose answer is wanted as JSON.
const JSON: &str = " --json";

/// The line of a client that wants the status now and at every change.
const FOLLOW: &str = "status --json --follow";

/// How long to wait after a connection could not be accepted, for example because no file descriptor is left.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// The socket of this player. Dropping it removes the socket and waits a moment for the last answers to be written.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    load: Arc<Load>,
}

impl Server {
    /// Makes the socket, and passes the requests of its clients to `on_request`.
    ///
    /// # Errors
    /// The socket cannot be made, or the system cannot start a thread.
    pub fn open(on_request: impl Fn(Request) + Clone + Send + 'static) -> io::Result<Self> {
        let (listener, path) = socket::listen(&socket::directory()?)?;
        let server = Self { path, load: Arc::default() };
        let load = server.load.clone();
        thread::Builder::new().name("ctl".into()).spawn(move || accept(&listener, &load, &on_request))?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It does not matter if somebody has removed it.
        let _ = fs::remove_file(&self.path);
        let is_answering = |count: &mut Counts| count.requests > 0;
        let _ = self.load.answered.wait_timeout_while(self.load.lock(), CLOSE_TIMEOUT, is_answering);
    }
}

/// What the connections are doing.
#[derive(Debug, Default)]
struct Load {
    counts: Mutex<Counts>,
    /// A request was answered.
    answered: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    clients: usize,
    /// Requests that are not answered completely.
    requests: usize,
}

impl Load {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &UnixListener, load: &Arc<Load>, on_request: &(impl Fn(Request) + Clone + Send + 'static)) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            thread::sleep(ACCEPT_RETRY);
            continue;
        };
        if load.lock().clients >= MAX_CLIENTS {
            // This fits into the socket's buffer. If not, the client sees the connection end.
            let _ = stream.set_nonblocking(true).and_then(|()| (&stream).write_all(b"err too many clients\nend 1\n"));
            continue;
        }
        load.lock().clients += 1;
        let (client_load, on_request) = (load.clone(), on_request.clone());
        let serve = move || {
            // An error of the socket ends this client's connection, nothing else.
            let _ = serve(&stream, &client_load, &on_request);
            client_load.lock().clients -= 1;
        };
        if thread::Builder::new().name("ctl client".into()).spawn(serve).is_err() {
            load.lock().clients -= 1;
        }
    }
}

/// Executes the commands of one client, one after the other.
fn serve(stream: &UnixStream, load: &Load, on_request: &impl Fn(Request)) -> io::Result<()> {
    let mut input = BufReader::new(Timed::new(stream, READ_TIMEOUT));
    loop {
        *input.get_mut() = Timed::new(stream, READ_TIMEOUT);
        let mut line = Vec::new();
        input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() as u64 == MAX_LINE_BYTES && !line.ends_with(b"\n") {
            return write(stream, "err", "line too long").and_then(|()| write(stream, "end", "1"));
        }
        load.lock().requests += 1;
        let answered = answer(stream, &String::from_utf8_lossy(&line), on_request);
        load.lock().requests -= 1;
        load.answered.notify_all();
        answered?;
    }
}

/// Passes one command on and writes its answer.
fn answer(stream: &UnixStream, line: &str, on_request: &impl Fn(Request)) -> io::Result<()> {
    let line = line.trim_end();
    let command = line.strip_suffix(JSON);
    let (reply, answers) = Reply::channel(command.is_some());
    let mut has_failed = false;
    on_request(match line {
        FOLLOW => Request::Follow(Follower::new(move |status| {
            reply.send(Answer::Output(json::status(status), OnDrop::new(|| {})))
        })),
        _ => Request::Execute { line: command.unwrap_or(line).to_owned(), reply },
    });
    while let Some(answer) = next_answer(stream, &answers)? {
        match answer {
            Answer::Output(text, _on_written) => write(stream, "out", &text)?,
            Answer::Error(text) => {
                has_failed = true;
                write(stream, "err", &text)?;
            }
        }
    }
    write(stream, "end", if has_failed { "1" } else { "0" })
}

/// Waits for the next part of an answer; `None` after the last.
///
/// # Errors
/// The client has left.
fn next_answer(stream: &UnixStream, answers: &Receiver<Answer>) -> io::Result<Option<Answer>> {
    loop {
        match answers.recv_timeout(PRESENCE_INTERVAL) {
            Ok(answer) => return Ok(Some(answer)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) if has_left(stream) => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Whether the client has closed its end. A client that has only ended its commands still reads the answers.
fn has_left(stream: &UnixStream) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default())).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}

fn write(stream: &UnixStream, kind: &str, text: &str) -> io::Result<()> {
    let lines: String = text.lines().map(|line| format!("{kind} {line}\n")).collect();
    Timed::new(stream, WRITE_TIMEOUT).write_all(lines.as_bytes())
}

/// A socket until a deadline.
struct Timed<'a> {
    stream: &'a UnixStream,
    deadline: Instant,
}

impl<'a> Timed<'a> {
    fn new(stream: &'a UnixStream, timeout: Duration) -> Self {
        Self { stream, deadline: Instant::now() + timeout }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
