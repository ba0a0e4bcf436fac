//! Writes a WAV to a file, a pipe or standard output as fast as songs arrive. The volume does not apply.

mod destination;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::controls::OutputState;
use super::convert::Converter;
use super::{Drained, OutputError, PcmFormat, Written};

pub(super) use destination::Destination;
use destination::{OpenDestination, Sent};

/// Samples converted at a time.
const BLOCK_SAMPLES: usize = 2304;

/// Writes all songs in the format of the first one.
pub(super) struct Wav {
    shared: Arc<OutputState>,
    state: State,
    converter: Option<Converter>,
    pending: Vec<i16>,
    seen_discards: u64,
    seen_interrupts: u64,
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
        Ok(Self {
            shared,
            state: State::Waiting(destination),
            converter: None,
            pending: Vec::new(),
            seen_discards: 0,
            seen_interrupts: 0,
        })
    }

    /// See [`Output::start`](super::Output::start).
    pub(super) fn start(&mut self, song: PcmFormat) -> Result<(), OutputError> {
        self.forget_discarded();
        let format = match &self.converter {
            Some(converter) if converter.from() == song => converter.to(),
            Some(converter) => {
                let format = converter.to();
                // If interrupted, the rest goes out before the new song's samples.
                let _ = self.flush_converter()?;
                self.converter = Some(Converter::new(song, format)?);
                format
            }
            None => {
                self.converter = Some(Converter::new(song, song)?);
                song
            }
        };
        self.shared.begin_song(song.rate, format);
        Ok(())
    }

    /// See [`Output::write`](super::Output::write).
    pub(super) fn write(&mut self, samples: &[i16]) -> Result<Written, OutputError> {
        let samples = self.converter.as_ref().ok_or(OutputError::NotStarted)?.whole_frames(samples);
        let mut taken = 0;
        loop {
            if self.wait_while_paused() || self.write_pending()? == Sent::Interrupted {
                self.acknowledge();
                return Ok(Written::Interrupted { taken });
            }
            if taken == samples.len() {
                return Ok(Written::All);
            }
            let converter = self.converter.as_mut().ok_or(OutputError::NotStarted)?;
            let block = &samples[taken..samples.len().min(taken + BLOCK_SAMPLES)];
            converter.process(block, &mut self.pending);
            taken += block.len();
        }
    }

    /// See [`Output::drain`](super::Output::drain).
    pub(super) fn drain(&mut self) -> Result<Drained, OutputError> {
        if self.wait_while_paused() || self.flush_converter()? == Sent::Interrupted {
            self.acknowledge();
            return Ok(Drained::Interrupted);
        }
        let is_interrupted = watch_for_interrupts(&self.shared, self.seen_interrupts);
        if let State::Writing(open) = &mut self.state
            && open.complete(is_interrupted)? == Sent::Interrupted
        {
            self.acknowledge();
            return Ok(Drained::Interrupted);
        }
        Ok(Drained::Heard)
    }

    /// Marks all interrupts and discards so far as seen.
    pub(super) fn acknowledge(&mut self) {
        self.seen_interrupts = self.shared.interrupts.load(SeqCst);
        self.forget_discarded();
    }

    /// Returns whether there was an interrupt or a discard.
    fn wait_while_paused(&self) -> bool {
        self.shared.wait_until(|| self.is_interrupted() || !self.shared.paused.load(SeqCst));
        self.is_interrupted()
    }

    fn is_interrupted(&self) -> bool {
        watch_for_interrupts(&self.shared, self.seen_interrupts)()
    }

    /// Drops the samples in the converter and in `pending`. Those already written stay.
    fn forget_discarded(&mut self) {
        let discards = self.shared.discards.load(SeqCst);
        if std::mem::replace(&mut self.seen_discards, discards) != discards {
            self.pending.clear();
            if let Some(converter) = &mut self.converter {
                converter.reset();
            }
        }
    }

    fn flush_converter(&mut self) -> Result<Sent, OutputError> {
        let converter = self.converter.as_mut().ok_or(OutputError::NotStarted)?;
        converter.flush(&mut self.pending);
        self.write_pending()
    }

    /// Writes the pending samples. The first ones open the destination.
    fn write_pending(&mut self) -> Result<Sent, OutputError> {
        let shared = self.shared.clone();
        let is_interrupted = watch_for_interrupts(&shared, self.seen_interrupts);
        if let State::Waiting(destination) = &self.state {
            let format = self.converter.as_ref().ok_or(OutputError::NotStarted)?.to();
            if self.pending.is_empty() {
                return Ok(Sent::All);
            }
            let wait = |pause| {
                shared.wait(pause, &is_interrupted);
                is_interrupted()
            };
            match destination.open(format, wait)? {
                Some(open) => self.state = State::Writing(open),
                None => return Ok(Sent::Interrupted),
            }
        }
        let State::Writing(open) = &mut self.state else { return Err(OutputError::NotStarted) };
        let count = self.pending.len() as u64;
        open.put(&self.pending)?;
        self.pending.clear();
        let total = shared.written.load(SeqCst) + count;
        shared.written.store(total, SeqCst);
        shared.read.store(total, SeqCst);
        open.send(is_interrupted)
    }
}

/// Returns a check for interrupts since `seen`.
fn watch_for_interrupts(shared: &OutputState, seen: u64) -> impl Fn() -> bool {
    move || shared.interrupts.load(SeqCst) != seen
}

#[cfg(test)]
mod tests;
