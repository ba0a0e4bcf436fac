//! An open stream, the ring to it, and what is known of its health.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};

use super::Device;
use super::controls::OutputState;
use super::stream_output::Stream;
use super::unheard::Unheard;

/// Without a call of the callback for this long, a device that reported errors meanwhile is lost: on ALSA a lost device
/// reports errors of all kinds by the million, but not always that it is lost.
const FAILURE: Duration = Duration::from_millis(1500);

/// Without a call of the callback for this long, and without an error, the device stands still. It may be suspended, or a
/// sound server plays what it has first (up to 2 s); it goes on by itself, and opened anew, it would stand still, too.
const STALL: Duration = Duration::from_millis(3000);

/// The most that a device is believed to hold.
const MAX_LATENCY: Duration = Duration::from_secs(1);

/// How a device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It calls the callback.
    Running,
    /// It does not, and does not say why.
    Stalled,
    /// It is gone.
    Lost,
}

/// An open stream and the ring to it.
pub(super) struct OpenStream {
    /// Ends when dropped: `None` when it was.
    stream: Option<Box<dyn Stream>>,
    ring: HeapProd<i16>,
    pub(super) device: Device,
    /// Samples to keep in the ring at most.
    depth: usize,
    /// Samples in the ring or in the device.
    unheard: Unheard,
    callbacks: u64,
    last_callback: Instant,
}

impl OpenStream {
    /// A stream that was just opened, before anything is written to its ring.
    pub(super) fn new(
        stream: Box<dyn Stream>,
        ring: HeapProd<i16>,
        device: Device,
        depth: usize,
        shared: &OutputState,
    ) -> Self {
        let unheard = Unheard::new(shared.written.load(SeqCst));
        let callbacks = shared.callbacks.load(SeqCst);
        Self { stream: Some(stream), ring, device, depth, unheard, callbacks, last_callback: Instant::now() }
    }

    /// Samples the ring takes now. What was discarded and is still there delays nothing: the callback steps over it. So
    /// after a switch the next song need not wait for the callback.
    pub(super) fn room(&self, shared: &OutputState) -> usize {
        let discarded = shared.discard_up_to.load(SeqCst).saturating_sub(shared.read.load(SeqCst));
        let discarded = usize::try_from(discarded).unwrap_or(usize::MAX);
        let to_be_heard = self.ring.occupied_len().saturating_sub(discarded);
        self.depth.saturating_sub(to_be_heard).min(self.ring.vacant_len())
    }

    /// Puts samples into the ring, which has [room](Self::room) for them.
    pub(super) fn push(&mut self, samples: &[i16], shared: &OutputState) {
        self.unheard.forget(self.heard(shared));
        self.unheard.push(samples);
        self.ring.push_slice(samples);
    }

    /// Ends the stream at once. Returns the samples that it did not play; they are not counted as written any more.
    pub(super) fn abandon(mut self, shared: &OutputState) -> Vec<i16> {
        // No call of the callback follows, so what it has read is known.
        self.stream = None;
        let heard = self.heard(shared).max(shared.discard_up_to.load(SeqCst));
        self.unheard.forget(heard);
        shared.go_on_at(self.unheard.begin());
        self.unheard.take()
    }

    /// Whether the callback is still called.
    pub(super) fn condition(&mut self, shared: &OutputState) -> Condition {
        let callbacks = shared.callbacks.load(SeqCst);
        if callbacks != self.callbacks {
            (self.callbacks, self.last_callback) = (callbacks, Instant::now());
            shared.has_failed.store(false, SeqCst);
        }
        let silence = self.last_callback.elapsed();
        if shared.lost.load(SeqCst) || (silence > FAILURE && shared.has_failed.load(SeqCst)) {
            Condition::Lost
        } else if silence > STALL {
            Condition::Stalled
        } else {
            Condition::Running
        }
    }

    /// Frames that last so long.
    pub(super) fn frames(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * f64::from(self.device.format.rate)) as u64
    }

    /// Samples that were heard, as far as the device tells: those that the callback has taken, but for what the device still
    /// held then.
    fn heard(&self, shared: &OutputState) -> u64 {
        let latency = Duration::from_micros(shared.latency_us.load(SeqCst)).min(MAX_LATENCY);
        // The last of what it holds may be silence.
        let frames = self.frames(latency).saturating_sub(shared.silent_frames.load(SeqCst));
        shared.read.load(SeqCst).saturating_sub(frames * u64::from(self.device.format.channels))
    }
}
