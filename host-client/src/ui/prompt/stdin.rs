//! Reads lines from standard input without a prompt.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::Receiver;

use super::{Input, Wanted};

/// Maximum length of a line. A longer line is not a command but, for example, a file that was sent by mistake.
const MAX_LINE_BYTES: u64 = 4_096;

/// A line of input.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Whole(Vec<u8>),
    /// It had more than [`MAX_LINE_BYTES`].
    TooLong,
}

pub(super) fn read_lines(mut input: impl BufRead, wanted: &Receiver<Wanted>, on_input: &impl Fn(Input)) {
    while wanted.recv().is_ok() {
        match read_line(&mut input) {
            Ok(None) => return on_input(Input::End),
            Err(error) => return on_input(Input::Failed(format!("cannot read standard input: {error}"))),
            // The beginning of a long line must not be executed as a command.
            Ok(Some(Line::TooLong)) => {
                on_input(Input::Refused(format!("line too long: at most {MAX_LINE_BYTES} bytes")))
            }
            // Invalid UTF-8 is never a command. The error quotes it.
            Ok(Some(Line::Whole(line))) => on_input(Input::Line(String::from_utf8_lossy(&line).trim().to_owned())),
        }
    }
}

/// Reads the next line with its line end, or `None` at the end of input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let most = MAX_LINE_BYTES + b"\r\n".len() as u64;
    waiting(|| input.by_ref().take(most - line.len() as u64).read_until(b'\n', &mut line))?;
    if line.is_empty() {
        return Ok(None);
    }
    let is_ended = line.ends_with(b"\n");
    if line.trim_ascii_end().len() as u64 <= MAX_LINE_BYTES && (is_ended || (line.len() as u64) < most) {
        return Ok(Some(Line::Whole(line)));
    }
    if !is_ended {
        waiting(|| input.skip_until(b'\n'))?;
    }
    Ok(Some(Line::TooLong))
}

/// Repeats `read` until it does not return `WouldBlock`: another program may have made standard input non-blocking.
fn waiting(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_input()?,
            result => return result,
        }
    }
}

#[cfg(unix)]
fn wait_for_input() -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdin = io::stdin();
    match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn wait_for_input() -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], expected: &[Line]) {
        let mut input = input;
        let lines = std::iter::from_fn(|| read_line(&mut input).unwrap());
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    fn whole(line: &[u8]) -> Line {
        Line::Whole(line.to_vec())
    }

    #[test]
    fn lines_end_with_a_line_feed_or_with_the_input() {
        check(b"", &[]);
        check(b"list\n\nplay 1", &[whole(b"list\n"), whole(b"\n"), whole(b"play 1")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_whole() {
        let longest = [b'x'; MAX_LINE_BYTES as usize];
        for end in [b"".as_slice(), b"\n", b"\r\n"] {
            let line = [longest.as_slice(), end].concat();
            check(&line, &[whole(&line)]);
            check(&[b"stop", line.as_slice()].concat(), &[Line::TooLong]);
        }
        check(&[&longest, b"xquit\nlist".as_slice()].concat(), &[Line::TooLong, whole(b"list")]);
        check(&[b"stop".as_slice(), &[b' '; 10_000], b"junk\nlist\n"].concat(), &[Line::TooLong, whole(b"list\n")]);
    }

    /// A source that has nothing to read between its pieces.
    struct Hesitant<'a>(Vec<&'a [u8]>, bool);

    impl Read for Hesitant<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.0.first() {
                None => Ok(0),
                Some(_) => self.0.remove(0).read(buffer),
            }
        }
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        let mut input = io::BufReader::new(Hesitant(vec![b"li", b"st\npl", b"ay 1"], false));
        let lines: Vec<_> = std::iter::from_fn(|| read_line(&mut input).unwrap()).collect();
        assert_eq!(lines, [whole(b"list\n"), whole(b"play 1")]);
    }

    /// A source that cannot be read, as a directory.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::IsADirectory.into())
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_the_end_of_input() {
        let (next, wanted) = std::sync::mpsc::channel();
        next.send(Wanted::Line).unwrap();
        let (told, inputs) = std::sync::mpsc::channel();
        read_lines(io::BufReader::new(Broken), &wanted, &|input| told.send(input).unwrap());
        assert_eq!(inputs.recv().unwrap(), Input::Failed("cannot read standard input: is a directory".into()));
    }
}
