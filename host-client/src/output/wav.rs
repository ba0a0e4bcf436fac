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
    state: Arc<OutputState>,
    destination: LazyDestination,
    queue: Queue,
}

/// A destination that the first sample opens, so that a failed connection does not destroy an existing file.
enum LazyDestination {
    Closed(Destination),
    Open(OpenDestination),
}

impl Wav {
    /// A WAV that will be written to `destination`.
    ///
    /// # Errors
    ///
    /// [`OutputError::File`] if it is certain that the destination cannot be written.
    pub(super) fn new(destination: Destination, state: Arc<OutputState>) -> Result<Self, OutputError> {
        destination.check()?;
        let queue = Queue::new(state.clone());
        Ok(Self { state, destination: LazyDestination::Closed(destination), queue })
    }

    /// Returns whether there was an interrupt or a discard.
    fn wait_while_paused(&self) -> bool {
        self.state.wait_until(|| self.queue.is_interrupted() || !self.state.paused.load(SeqCst));
        self.queue.is_interrupted()
    }

    /// Writes the pending samples. The first ones open the destination.
    fn write_pending(&mut self) -> Result<Sent, OutputError> {
        let Self { state, destination, queue } = self;
        if let LazyDestination::Closed(closed) = destination {
            let (_, format) = queue.formats().ok_or(OutputError::NotStarted)?;
            if queue.pending.is_empty() {
                return Ok(Sent::All);
            }
            let wait = |pause| {
                state.wait(pause, || queue.is_interrupted());
                queue.is_interrupted()
            };
            match closed.open(format, wait)? {
                Some(open) => *destination = LazyDestination::Open(open),
                None => return Ok(Sent::Interrupted),
            }
        }
        let LazyDestination::Open(open) = destination else { return Err(OutputError::NotStarted) };
        open.put(&queue.pending)?;
        let total = state.written.load(SeqCst) + queue.pending.len() as u64;
        queue.pending.clear();
        state.written.store(total, SeqCst);
        state.read.store(total, SeqCst);
        open.send(|| queue.is_interrupted())
    }

    fn complete(&mut self) -> Result<Sent, OutputError> {
        let Self { destination, queue, .. } = self;
        match destination {
            LazyDestination::Closed(_) => Ok(Sent::All),
            LazyDestination::Open(open) => open.complete(|| queue.is_interrupted()),
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
        self.state.begin_song(song.rate, format);
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
