//! An open stream, its ring, and whether the device still runs.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};

use super::Device;
use super::controls::OutputState;
use super::stream_output::Stream;
use super::unheard::Unheard;

/// A device that reported errors and made no callback for this long is lost. ALSA reports millions of errors of all kinds
/// for a lost device, but does not always report it lost.
const FAILURE: Duration = Duration::from_millis(1500);

/// A device that made no callback for this long, without an error, is stalled. It may be suspended, or a sound server plays
/// what it holds (up to 2 s). It recovers by itself; opening it again would not help.
const STALL: Duration = Duration::from_millis(3000);

/// Upper limit for the latency that a device reports.
const MAX_LATENCY: Duration = Duration::from_secs(1);

/// Whether a device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It makes callbacks.
    Running,
    /// It makes no callbacks and reports no error.
    Stalled,
    /// It is gone.
    Lost,
}

/// An open stream and the ring to it.
pub(super) struct OpenStream {
    /// `None` once it was dropped, which stops it.
    stream: Option<Box<dyn Stream>>,
    ring: HeapProd<i16>,
    pub(super) device: Device,
    /// Maximum number of samples to keep in the ring.
    depth: usize,
    /// Samples in the ring or in the device.
    unheard: Unheard,
    callbacks: u64,
    last_callback: Instant,
}

impl OpenStream {
    /// A newly opened stream with an empty ring.
    pub(super) fn new(
        stream: Box<dyn Stream>,
        ring: HeapProd<i16>,
        device: Device,
        depth: usize,
        state: &OutputState,
    ) -> Self {
        let unheard = Unheard::new(state.written.load(SeqCst));
        let callbacks = state.callbacks.load(SeqCst);
        Self { stream: Some(stream), ring, device, depth, unheard, callbacks, last_callback: Instant::now() }
    }

    /// The number of samples that the ring takes now. Discarded samples that are still in it do not count, because the
    /// callback skips them; so after a switch the next song does not wait for the callback.
    pub(super) fn room(&self, state: &OutputState) -> usize {
        let discarded = state.discard_up_to.load(SeqCst).saturating_sub(state.read.load(SeqCst));
        let discarded = usize::try_from(discarded).unwrap_or(usize::MAX);
        let to_be_heard = self.ring.occupied_len().saturating_sub(discarded);
        self.depth.saturating_sub(to_be_heard).min(self.ring.vacant_len())
    }

    /// Puts samples into the ring. The caller has checked the [room](Self::room).
    pub(super) fn push(&mut self, samples: &[i16], state: &OutputState) {
        self.unheard.forget(self.heard(state));
        self.unheard.push(samples);
        self.ring.push_slice(samples);
    }

    /// Stops the stream at once. Returns the samples that it did not play and takes them off the total written.
    pub(super) fn abandon(mut self, state: &OutputState) -> Vec<i16> {
        // No callback follows, so the total read is final.
        self.stream = None;
        let heard = self.heard(state).max(state.discard_up_to.load(SeqCst));
        self.unheard.forget(heard);
        state.go_on_at(self.unheard.begin());
        self.unheard.take()
    }

    /// Whether the device still makes callbacks.
    pub(super) fn condition(&mut self, state: &OutputState) -> Condition {
        let callbacks = state.callbacks.load(SeqCst);
        if callbacks != self.callbacks {
            (self.callbacks, self.last_callback) = (callbacks, Instant::now());
            state.has_failed.store(false, SeqCst);
        }
        let silence = self.last_callback.elapsed();
        if state.lost.load(SeqCst) || (silence > FAILURE && state.has_failed.load(SeqCst)) {
            Condition::Lost
        } else if silence > STALL {
            Condition::Stalled
        } else {
            Condition::Running
        }
    }

    /// The number of frames in `time`.
    pub(super) fn frames(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * f64::from(self.device.format.rate)) as u64
    }

    /// Samples that were heard, as far as is known: those that the callback has taken, minus the device's latency.
    fn heard(&self, state: &OutputState) -> u64 {
        let latency = Duration::from_micros(state.latency_us.load(SeqCst)).min(MAX_LATENCY);
        // The device may hold silence after the last sample.
        let frames = self.frames(latency).saturating_sub(state.silent_frames.load(SeqCst));
        state.read.load(SeqCst).saturating_sub(frames * u64::from(self.device.format.channels))
    }
}
