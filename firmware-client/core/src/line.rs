//! The line that is typed on a terminal.

use heapless::String;

/// Longest line, in bytes: more than any command with its arguments.
pub(crate) const LINE_BYTES: usize = 128;

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const ESCAPE: u8 = 0x1b;
const CTRL_C: u8 = 0x03;
const CTRL_U: u8 = 0x15;

/// What a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Nothing,
    /// A character is to be echoed.
    Shown,
    /// The last character is gone.
    Erased,
    /// All of the line is gone.
    Cleared,
    /// All of the line is gone, and the questions that wait for answers are dropped.
    Cancelled,
    /// There is no room for more.
    Full,
    /// The line is complete.
    Whole,
}

/// The place of the next byte in the escape sequence of a key, such as an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    Sequence,
}

/// The line so far. It holds printable ASCII only.
#[derive(Debug)]
pub(crate) struct Line {
    text: String<LINE_BYTES>,
    /// More was typed than fits.
    is_cut: bool,
    escape: Escape,
    /// The last byte was a carriage return. A line feed after it does not end another line.
    after_return: bool,
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self { text: String::new(), is_cut: false, escape: Escape::None, after_return: false }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the line is only the beginning of what was typed.
    pub(crate) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.is_cut = false;
    }

    pub(crate) fn take(&mut self, byte: u8) -> Typed {
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        match (self.escape, byte) {
            (Escape::Begun, b'[' | b'O') => self.escape = Escape::Sequence,
            // ECMA-48: a control sequence ends with one of these.
            (Escape::Sequence, b'@'..=b'~') => self.escape = Escape::None,
            (Escape::Sequence, b' '..=b'?') => {}
            (_, ESCAPE) => self.escape = Escape::Begun,
            (Escape::Begun, b' '..=b'~') => self.escape = Escape::None,
            _ => {
                self.escape = Escape::None;
                return self.take_key(byte, after_return);
            }
        }
        Typed::Nothing
    }

    fn take_key(&mut self, byte: u8, after_return: bool) -> Typed {
        match byte {
            b'\n' if after_return => Typed::Nothing,
            b'\r' | b'\n' => Typed::Whole,
            BACKSPACE | DELETE => {
                // A user who edits the line has seen that it is cut.
                self.is_cut = false;
                self.text.pop().map_or(Typed::Nothing, |_| Typed::Erased)
            }
            CTRL_C | CTRL_U => {
                self.clear();
                if byte == CTRL_C { Typed::Cancelled } else { Typed::Cleared }
            }
            b'\t' => self.take_key(b' ', false),
            b' '..=b'~' => {
                self.is_cut |= self.text.push(char::from(byte)).is_err();
                if self.is_cut { Typed::Full } else { Typed::Shown }
            }
            _ => Typed::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    /// The lines that these bytes make, and what is left.
    fn type_in(bytes: &[u8]) -> (Vec<String>, String) {
        let mut line = Line::new();
        let mut lines = Vec::new();
        for byte in bytes {
            if line.take(*byte) == Typed::Whole {
                lines.push(line.text().into());
                line.clear();
            }
        }
        (lines, line.text().into())
    }

    #[track_caller]
    fn check(bytes: &[u8], lines: &[&str], rest: &str) {
        let (found, left) = type_in(bytes);
        assert_eq!((found.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), left.as_str()), (lines, rest));
    }

    #[test]
    fn every_way_to_end_a_line_ends_one() {
        check(b"list\nplay 1\rstop\r\nhelp", &["list", "play 1", "stop"], "help");
        check(b"\n\n\r\r", &["", "", "", ""], "");
    }

    #[test]
    fn keys_edit_the_line() {
        check(b"plax\x08y 1\n", &["play 1"], "");
        check(b"\x7f\x7fx\x7f\n", &[""], "");
        check(b"nonsense\x15list\nx\x03stop\n", &["list", "stop"], "");
        check(b"play\t1\n", &["play 1"], "");
    }

    #[test]
    fn keys_that_mean_nothing_leave_nothing_behind() {
        check(b"\x1b[Ap\x1b[1;5Cl\x1bOHay\x1bx 1\n", &["play 1"], "");
        check("pl\u{e4}\u{9b}ay\0 1\n".as_bytes(), &["play 1"], "");
        check(b"\x1b\x1b[B\n", &[""], "");
    }

    #[test]
    fn a_line_too_long_is_known_to_be_cut_until_it_is_edited() {
        let mut line = Line::new();
        let results: Vec<_> = [b'x'; 130].iter().map(|byte| line.take(*byte)).collect();
        assert_eq!(results.iter().filter(|typed| **typed == Typed::Shown).count(), 128);
        assert_eq!(results[128..], [Typed::Full, Typed::Full]);
        assert!(line.is_cut());
        assert_eq!((line.take(BACKSPACE), line.is_cut()), (Typed::Erased, false));
        assert_eq!((line.take(b'x'), line.is_cut()), (Typed::Shown, false));
        assert_eq!((line.take(b'x'), line.is_cut()), (Typed::Full, true));
        assert_eq!((line.take(CTRL_U), line.is_cut()), (Typed::Cleared, false));
    }
}
