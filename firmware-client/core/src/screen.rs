//! Text on its way to the console.

use core::fmt::{self, Write};

/// Lines that wait until the console has taken what is before them.
///
/// A line is taken whole or not at all, so a line that does not fit leaves no fragment.
#[derive(Debug)]
pub(crate) struct Screen<'m> {
    storage: &'m mut [u8],
    begin: usize,
    end: usize,
}

impl<'m> Screen<'m> {
    pub(crate) const fn new(storage: &'m mut [u8]) -> Self {
        Self { storage, begin: 0, end: 0 }
    }

    /// Adds a line; drops it if there is no room for it.
    pub(crate) fn line(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.lines(|out| writeln!(out, "{text}"));
    }

    /// Adds what `write` writes, which must be whole lines; drops all of it if there is no room.
    ///
    /// # Errors
    /// There was no room.
    pub(crate) fn lines(&mut self, write: impl FnOnce(&mut Self) -> fmt::Result) -> fmt::Result {
        let end = self.end;
        write(self).inspect_err(|_| self.end = end)
    }

    /// Bytes for which there is room.
    pub(crate) const fn room(&self) -> usize {
        self.storage.len() - self.end
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Moves the next bytes to `out`, and returns them.
    pub(crate) fn take<'o>(&mut self, out: &'o mut [u8]) -> &'o [u8] {
        let waiting = self.storage.get(self.begin..self.end).unwrap_or_default();
        let count = waiting.len().min(out.len());
        let (taken, _) = out.split_at_mut(count);
        taken.copy_from_slice(waiting.get(..count).unwrap_or_default());
        self.begin += count;
        if self.is_empty() {
            (self.begin, self.end) = (0, 0);
        }
        taken
    }
}

impl Write for Screen<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.storage.get_mut(self.end..self.end + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.end += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_whole_or_not_at_all() {
        let mut storage = [0; 12];
        let mut screen = Screen::new(&mut storage);
        screen.line(format_args!("play {}", 3));
        screen.line(format_args!("{}", "too long"));
        screen.line(format_args!("{}", "ok"));
        let mut out = [0; 4];
        assert_eq!(screen.take(&mut out), b"play");
        assert_eq!(screen.take(&mut [0; 100]), b" 3\nok\n".as_slice());
        assert!(screen.is_empty());
        assert_eq!(screen.room(), 12);
    }
}
