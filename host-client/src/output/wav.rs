//! Writes a WAV to a file, a pipe or standard output as fast as songs arrive. The volume does not apply.

mod destination;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::controls::OutputState;
use super::queue::{Queue, Sent, Sink};
use super::{Drained, OutputError, PcmFormat};

pub(super) use destination::Destination;
use destination::OpenDestination;

/// Writes all songs in the format of the first one.
pub(super) struct Wav {
    shared: Arc<OutputState>,
    state: State,
    queue: Queue,
}

enum State {
    /// The first sample opens the destination, so that a failed connection does not destroy an existing file.
    Waiting(Destination),
    Writing(OpenDestination),
}

impl Wav {
    /// A WAV that will be written to `destination`.
    ///
    /// # Errors
    ///
    /// [`OutputError::File`] if it is certain that the destination cannot be written.
    pub(super) fn new(destination: Destination, shared: Arc<OutputState>) -> Result<Self, OutputError> {
        destination.check()?;
        let queue = Queue::new(shared.clone());
        Ok(Self { shared, state: State::Waiting(destination), queue })
    }

    /// Returns whether there was an interrupt or a discard.
    fn wait_while_paused(&self) -> bool {
        self.shared.wait_until(|| self.queue.is_interrupted() || !self.shared.paused.load(SeqCst));
        self.queue.is_interrupted()
    }

    /// Writes the pending samples. The first ones open the destination.
    fn write_pending(&mut self) -> Result<Sent, OutputError> {
        let Self { shared, state, queue } = self;
        if let State::Waiting(destination) = state {
            let (_, format) = queue.formats().ok_or(OutputError::NotStarted)?;
            if queue.pending.is_empty() {
                return Ok(Sent::All);
            }
            let wait = |pause| {
                shared.wait(pause, || queue.is_interrupted());
                queue.is_interrupted()
            };
            match destination.open(format, wait)? {
                Some(open) => *state = State::Writing(open),
                None => return Ok(Sent::Interrupted),
            }
        }
        let State::Writing(open) = state else { return Err(OutputError::NotStarted) };
        open.put(&queue.pending)?;
        let total = shared.written.load(SeqCst) + queue.pending.len() as u64;
        queue.pending.clear();
        shared.written.store(total, SeqCst);
        shared.read.store(total, SeqCst);
        open.send(|| queue.is_interrupted())
    }

    fn complete(&mut self) -> Result<Sent, OutputError> {
        let Self { state, queue, .. } = self;
        match state {
            State::Waiting(_) => Ok(Sent::All),
            State::Writing(open) => open.complete(|| queue.is_interrupted()),
        }
    }
}

impl Sink for Wav {
    fn queue(&mut self) -> &mut Queue {
        &mut self.queue
    }

    fn pass_on(&mut self) -> Result<Sent, OutputError> {
        if self.wait_while_paused() { Ok(Sent::Interrupted) } else { self.write_pending() }
    }

    fn start(&mut self, song: PcmFormat) -> Result<(), OutputError> {
        self.queue.forget_discarded();
        let format = match self.queue.formats() {
            Some((from, format)) if from == song => format,
            Some((_, format)) => {
                self.queue.flush()?;
                // If interrupted, the rest goes out before the new song's samples.
                let _ = self.write_pending()?;
                self.queue.set_formats(song, format)?;
                format
            }
            None => {
                self.queue.set_formats(song, song)?;
                song
            }
        };
        self.shared.begin_song(song.rate, format);
        Ok(())
    }

    fn drain(&mut self) -> Result<Drained, OutputError> {
        if !self.wait_while_paused() {
            self.queue.flush()?;
            if self.write_pending()? == Sent::All && self.complete()? == Sent::All {
                return Ok(Drained::Heard);
            }
        }
        self.queue.acknowledge();
        Ok(Drained::Interrupted)
    }
}

#[cfg(test)]
mod tests;
