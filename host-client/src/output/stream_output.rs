//! The producer's half of an output that plays in real time: converts, fills the ring, replaces a lost device.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use ringbuf::HeapRb;
use ringbuf::traits::Split;

use super::callback::Callback;
use super::controls::OutputState;
use super::convert::convert_all;
use super::open_stream::{Condition, OpenStream};
use super::queue::{Queue, Sent, Sink};
use super::{Device, Drained, Notice, Notify, OutputError, PcmFormat};

/// Minimum depth of the ring: [`REFILL`] plus 200 ms, because a busy machine may run the decoder's thread late. The depth
/// delays no command: pause, volume, stop and a switch act in the callback, behind the ring.
pub(super) const RING_MS: u32 = 400;

/// Minimum depth of the ring in periods of the device, for devices with long periods.
const RING_PERIODS: u32 = 4;

/// Maximum depth of the ring. This much is allocated, because the period is known only after the device has its callback.
const RING_MAX_MS: u32 = 1000;

/// How often the producer checks a full ring for room. The callback does not wake it, because that would be a system call
/// in an audio callback. Half of the ring leaves room for several MP3 frames per wake-up, since a wake-up costs more than
/// a frame, and the ring does not run empty.
const REFILL: Duration = Duration::from_millis(200);

/// How often a draining producer checks whether everything was heard.
const POLL: Duration = Duration::from_millis(20);

/// Silence to play before a stream is dropped: dropping it cuts off what it has not played yet.
const LAST_SILENCE: Duration = Duration::from_millis(250);

/// Time between two attempts to open a lost device.
const RETRY: Duration = Duration::from_millis(500);

/// How long to try to open a lost device.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Opens streams that call a [`Callback`] in real time.
pub(super) trait Driver: Send {
    /// Returns the format in which the device would play a song of format `song`.
    fn negotiate(&mut self, song: PcmFormat) -> Result<PcmFormat, OutputError>;

    /// Opens and starts a stream of the negotiated `format`. Each call of `callback` makes a new callback that replaces the
    /// last one.
    fn open(
        &mut self,
        format: PcmFormat,
        callback: &mut dyn FnMut() -> Callback,
    ) -> Result<(Box<dyn Stream>, Device), OutputError>;

    /// Looks for the device again, or for a replacement.
    fn refresh(&mut self) -> Result<(), OutputError>;
}

/// A running stream. Dropping it stops it; no callback follows, unless a sound server hangs.
pub(super) trait Stream: Send {}

/// Plays samples through the streams of a [`Driver`].
pub(super) struct StreamOutput {
    driver: Box<dyn Driver>,
    notify: Notify,
    state: Arc<OutputState>,
    /// `None` before the first song, after `release`, and while the device is lost.
    stream: Option<OpenStream>,
    /// Samples that are not in the ring yet.
    queue: Queue,
    lost: Option<Lost>,
    /// The device is stalled, and a notice said so.
    is_stalled: bool,
}

/// A device that went away.
struct Lost {
    name: String,
    since: Instant,
    is_told: bool,
}

impl StreamOutput {
    pub(super) fn new(driver: Box<dyn Driver>, notify: Notify, state: Arc<OutputState>) -> Self {
        let queue = Queue::new(state.clone());
        Self { driver, notify, state, stream: None, queue, lost: None, is_stalled: false }
    }
}

impl Sink for StreamOutput {
    fn queue(&mut self) -> &mut Queue {
        &mut self.queue
    }

    fn start(&mut self, song: PcmFormat) -> Result<(), OutputError> {
        let format = self.driver.negotiate(song)?;
        self.change_format(song, format)?;
        if self.stream.is_none() && self.lost.is_none() {
            match self.open(format) {
                Ok(device) => (self.notify)(Notice::Opened(device)),
                Err(_) => self.reopen()?,
            }
        }
        self.begin_song();
        Ok(())
    }

    /// Puts pending samples into the ring. Waits for room and, if necessary, for a device.
    fn pass_on(&mut self) -> Result<Sent, OutputError> {
        loop {
            self.queue.forget_discarded();
            if self.queue.is_interrupted() {
                return Ok(Sent::Interrupted);
            }
            if self.queue.pending.is_empty() {
                return Ok(Sent::All);
            }
            match &self.stream {
                None => self.reopen()?,
                Some(stream) => match stream.room(&self.state).min(self.queue.pending.len()) {
                    0 => self.wait(REFILL),
                    count => self.push(count),
                },
            }
        }
    }

    fn drain(&mut self) -> Result<Drained, OutputError> {
        self.queue.forget_discarded();
        self.queue.flush()?;
        // Pass on after each wait: samples that a lost device did not play are pending again.
        while self.pass_on()? == Sent::All {
            self.state.finishing.store(true, SeqCst);
            if self.all_heard() {
                return Ok(Drained::Heard);
            }
            self.wait(POLL);
        }
        self.queue.acknowledge();
        Ok(Drained::Interrupted)
    }

    /// Closes the stream, if any, after its last sound, or at once after a discard.
    fn release(&mut self) {
        while let Some(stream) = &mut self.stream {
            let silent = self.state.silent_frames.load(SeqCst) >= stream.frames(LAST_SILENCE);
            let is_running = stream.condition(&self.state) == Condition::Running;
            if (self.all_read() && silent) || self.all_discarded() || !is_running {
                break;
            }
            self.state.finishing.store(true, SeqCst);
            let discards = self.state.discards.load(SeqCst);
            self.state.wait(POLL, || self.state.discards.load(SeqCst) != discards);
        }
        self.stream = None;
        *self.state.device() = None;
    }
}

impl StreamOutput {
    /// Prepares for songs of format `song` in a ring of `format`, after the rest of the last song.
    fn change_format(&mut self, song: PcmFormat, format: PcmFormat) -> Result<(), OutputError> {
        self.queue.forget_discarded();
        let new = match self.queue.formats() {
            Some(formats) if formats == (song, format) => return Ok(()),
            Some((_, old)) => {
                self.queue.flush()?;
                old != format
            }
            None => true,
        };
        if self.stream.is_some() || self.lost.is_some() {
            // If interrupted, the rest goes out with the new song's first samples, unless it is discarded.
            let _ = self.pass_on()?;
        }
        if new {
            self.release();
            self.queue.pending.clear();
        }
        self.queue.set_formats(song, format)
    }

    /// Puts `count` pending samples into the ring, which has room for them.
    fn push(&mut self, count: usize) {
        let Some(stream) = &mut self.stream else { return };
        let written = self.state.written.load(SeqCst) + count as u64;
        // Count before the samples are in the ring: `OutputState::discard` may run in between.
        self.state.written.store(written, SeqCst);
        if self.queue.is_discarded() {
            self.state.discard_up_to.fetch_max(written, SeqCst);
        }
        self.state.finishing.store(false, SeqCst);
        stream.push(&self.queue.pending[..count], &self.state);
        self.queue.pending.drain(..count);
    }

    /// Waits at most `at_most` for the callback to take samples, then checks the device.
    fn wait(&mut self, at_most: Duration) {
        self.state.wait(at_most, || self.queue.is_interrupted());
        let Some(stream) = &mut self.stream else { return };
        let condition = stream.condition(&self.state);
        if condition == Condition::Lost {
            return self.lose();
        }
        // While paused, nobody expects sound from the device.
        let is_stalled = condition == Condition::Stalled && !self.state.paused.load(SeqCst);
        if std::mem::replace(&mut self.is_stalled, is_stalled) != is_stalled {
            let name = stream.device.name.clone();
            (self.notify)(if is_stalled { Notice::Stalled { name } } else { Notice::Resumed { name } });
        }
    }

    /// Gives up the device and keeps the samples that it did not play.
    fn lose(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let name = stream.device.name.clone();
        self.queue.pending.splice(..0, stream.abandon(&self.state));
        self.lost = Some(Lost { name, since: Instant::now(), is_told: false });
        self.is_stalled = false;
        *self.state.device() = None;
    }

    /// Tries once to open a device and go on with it. If that fails, waits before the next attempt.
    ///
    /// # Errors
    ///
    /// The device cannot be opened. Make no further attempt.
    fn reopen(&mut self) -> Result<(), OutputError> {
        match (self.open_another(), self.lost.take()) {
            (Ok(device), Some(lost)) if lost.is_told || lost.name != device.name => {
                (self.notify)(Notice::Restored(device));
            }
            (Ok(device), _) => (self.notify)(Notice::Opened(device)),
            (Err(error), None) => return Err(error),
            (Err(_), Some(Lost { name, since, .. })) if since.elapsed() > GIVE_UP => {
                return Err(OutputError::DeviceLost { name });
            }
            (Err(_), Some(lost)) => {
                if !lost.is_told {
                    (self.notify)(Notice::Lost { name: lost.name.clone() });
                }
                self.lost = Some(Lost { is_told: true, ..lost });
                self.state.wait(RETRY, || self.queue.is_interrupted());
            }
        }
        Ok(())
    }

    /// Opens the device again, or another one, possibly in another format.
    fn open_another(&mut self) -> Result<Device, OutputError> {
        let (song, old) = self.queue.formats().ok_or(OutputError::NotStarted)?;
        self.driver.refresh()?;
        let new = self.driver.negotiate(song)?;
        if new != old {
            self.queue.pending = convert_all(&self.queue.pending, old, new)?;
            self.queue.set_formats(song, new)?;
            self.state.change_ring(old, new);
        }
        self.open(new)
    }

    fn begin_song(&self) {
        if let Some((song, ring)) = self.queue.formats() {
            self.state.begin_song(song.rate, ring);
        }
    }

    fn open(&mut self, format: PcmFormat) -> Result<Device, OutputError> {
        let samples_in =
            |ms: u32| (u64::from(format.rate) * u64::from(ms) / 1000) as usize * usize::from(format.channels);
        self.state.lost.store(false, SeqCst);
        self.state.has_failed.store(false, SeqCst);
        self.state.latency_us.store(0, SeqCst);
        let mut producer = None;
        let mut callback = || {
            let (ring, consumer) = HeapRb::new(samples_in(RING_MAX_MS).max(1)).split();
            producer = Some(ring);
            Callback::new(consumer, format, self.state.clone())
        };
        let (stream, device) = self.driver.open(format, &mut callback)?;
        let refused = || OutputError::DeviceRefused { name: device.name.clone(), reason: "it takes no samples".into() };
        let ring = producer.ok_or_else(refused)?;
        let periods = device.granted_frames as usize * RING_PERIODS as usize * usize::from(format.channels);
        let depth = periods.clamp(samples_in(RING_MS), samples_in(RING_MAX_MS));
        *self.state.device() = Some(device.clone());
        self.stream = Some(OpenStream::new(stream, ring, device.clone(), depth, &self.state));
        Ok(device)
    }

    /// Whether the callback has taken all samples and the device has played them.
    fn all_heard(&self) -> bool {
        let Some(stream) = &self.stream else { return true };
        let latency = Duration::from_micros(self.state.latency_us.load(SeqCst));
        // The latency was reported before the last period was handed over.
        let tail = stream.frames(latency) + 2 * u64::from(stream.device.granted_frames);
        self.all_read() && self.state.silent_frames.load(SeqCst) >= tail
    }

    fn all_read(&self) -> bool {
        self.state.read.load(SeqCst) >= self.state.written.load(SeqCst)
    }

    fn all_discarded(&self) -> bool {
        self.state.discard_up_to.load(SeqCst) >= self.state.written.load(SeqCst)
    }
}

impl Drop for StreamOutput {
    fn drop(&mut self) {
        // Drained samples are heard to the end; all others are dropped.
        if self.state.finishing.load(SeqCst) && self.all_read() {
            self.release();
        }
    }
}

#[cfg(test)]
mod tests;
