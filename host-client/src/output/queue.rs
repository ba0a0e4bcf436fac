//! Samples that an output has taken and not passed on: their conversion, and what discards and interrupts do to them.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::controls::OutputState;
use super::convert::Converter;
use super::{Drained, OutputError, PcmFormat, Written};

/// Samples converted at a time: an MP3 frame.
const BLOCK_SAMPLES: usize = 2304;

/// An output of one kind.
pub(super) trait Sink: Send {
    /// The samples that it has not passed on.
    fn queue(&mut self) -> &mut Queue;

    /// Passes all pending samples on, and waits for room.
    fn pass_on(&mut self) -> Result<Sent, OutputError>;

    /// See [`Output::start`](super::Output::start).
    fn start(&mut self, song: PcmFormat) -> Result<(), OutputError>;

    /// See [`Output::drain`](super::Output::drain).
    fn drain(&mut self) -> Result<Drained, OutputError>;

    /// See [`Output::release`](super::Output::release).
    fn release(&mut self) {}

    /// See [`Output::write`](super::Output::write).
    fn write(&mut self, samples: &[i16]) -> Result<Written, OutputError> {
        let samples = self.queue().converter()?.whole_frames(samples);
        let mut taken = 0;
        loop {
            if self.pass_on()? == Sent::Interrupted {
                self.queue().acknowledge();
                return Ok(Written::Interrupted { taken });
            }
            if taken == samples.len() {
                return Ok(Written::All);
            }
            let block = &samples[taken..samples.len().min(taken + BLOCK_SAMPLES)];
            self.queue().convert(block)?;
            taken += block.len();
        }
    }
}

/// Whether all samples were passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Sent {
    All,
    /// Another thread interrupted. The next call passes the rest on first.
    Interrupted,
}

/// The samples between the song and the ring or file.
pub(super) struct Queue {
    state: Arc<OutputState>,
    /// `None` before the first song.
    converter: Option<Converter>,
    /// Converted samples.
    pub(super) pending: Vec<i16>,
    seen_discards: u64,
    seen_interrupts: u64,
}

impl Queue {
    pub(super) fn new(state: Arc<OutputState>) -> Self {
        Self { state, converter: None, pending: Vec::new(), seen_discards: 0, seen_interrupts: 0 }
    }

    /// The formats of the song and of the output; `None` before the first song.
    pub(super) fn formats(&self) -> Option<(PcmFormat, PcmFormat)> {
        self.converter.as_ref().map(|converter| (converter.from(), converter.to()))
    }

    /// Sets the formats of the song and of the output.
    pub(super) fn set_formats(&mut self, song: PcmFormat, output: PcmFormat) -> Result<(), OutputError> {
        self.converter = Some(Converter::new(song, output)?);
        Ok(())
    }

    fn converter(&mut self) -> Result<&mut Converter, OutputError> {
        self.converter.as_mut().ok_or(OutputError::NotStarted)
    }

    fn convert(&mut self, samples: &[i16]) -> Result<(), OutputError> {
        let converter = self.converter.as_mut().ok_or(OutputError::NotStarted)?;
        converter.process(samples, &mut self.pending);
        Ok(())
    }

    /// Makes the delayed rest of the song pending.
    pub(super) fn flush(&mut self) -> Result<(), OutputError> {
        let converter = self.converter.as_mut().ok_or(OutputError::NotStarted)?;
        converter.flush(&mut self.pending);
        Ok(())
    }

    /// Whether there is an interrupt or discard that no `write` or `drain` has reported.
    pub(super) fn is_interrupted(&self) -> bool {
        self.state.interrupts.load(SeqCst) != self.seen_interrupts
    }

    /// Whether there is a discard that the pending samples do not know of.
    pub(super) fn is_discarded(&self) -> bool {
        self.state.discards.load(SeqCst) != self.seen_discards
    }

    /// Marks all interrupts and discards so far as seen.
    pub(super) fn acknowledge(&mut self) {
        self.seen_interrupts = self.state.interrupts.load(SeqCst);
        self.forget_discarded();
    }

    /// After a discard, drops the samples that were not passed on.
    pub(super) fn forget_discarded(&mut self) {
        let discards = self.state.discards.load(SeqCst);
        if mem::replace(&mut self.seen_discards, discards) != discards {
            self.pending.clear();
            if let Some(converter) = &mut self.converter {
                converter.reset();
            }
        }
    }
}
