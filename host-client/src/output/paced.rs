//! The producer's half of every output that plays at the pace of a clock.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use ringbuf::traits::{Observer, Producer, Split};
use ringbuf::{HeapProd, HeapRb};

use super::controls::Shared;
use super::convert::Converter;
use super::feed::Feed;
use super::{Device, Drained, Notice, Notify, OutputError, PcmFormat, Written};

/// The least the ring holds: [`REFILL`], and 200 ms for which the decoder's thread may be late on a machine that does
/// other work too. It delays nothing that is typed: pause, volume, stop and a switch act in the feed, behind the ring. It
/// is what is lost with a device that goes away.
pub(super) const RING_MS: u32 = 400;

/// ... and at least this many periods, should the device's be long.
const RING_PERIODS: u32 = 4;

/// The longest ring: what is reserved for it, as the period is known only after the feed is handed over.
const RING_MAX_MS: u32 = 1000;

/// How often a producer that found the ring full looks again. The feed does not wake it: that would be a system call
/// in an audio callback. Half of the ring is late enough to find room for several MP3 frames, for it costs more to
/// wake up than to decode one, and early enough not to run dry.
const REFILL: Duration = Duration::from_millis(200);

/// How often a producer that waits for the end of the music looks again.
const POLL: Duration = Duration::from_millis(20);

/// Without a call of the feed for this long, the device is lost. (On ALSA a lost device reports errors of all kinds
/// by the million, but never that it is lost.)
const STALL: Duration = Duration::from_millis(1500);

/// Silence to play before a stream is dropped, for dropping cuts off what it has not played yet.
const LAST_SILENCE: Duration = Duration::from_millis(250);

/// Between two attempts to open a lost device, and until the last.
const RETRY: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(30);

/// Samples converted at a time: an MP3 frame.
const BLOCK_SAMPLES: usize = 2304;

/// Opens streams that call a [`Feed`] at the pace of a clock.
pub(super) trait Driver: Send {
    /// The format in which a song of format `song` would be played.
    fn negotiate(&mut self, song: PcmFormat) -> Result<PcmFormat, OutputError>;

    /// Opens a stream of `format`, as negotiated, and starts it.
    fn open(&mut self, format: PcmFormat, feed: Feed) -> Result<(Box<dyn Stream>, Device), OutputError>;

    /// Looks for the device again, or for one to take its place.
    fn refresh(&mut self) -> Result<(), OutputError>;
}

/// A running stream: dropping it ends it, and no call of the feed follows.
pub(super) trait Stream: Send {}

/// Plays what is written to it through the streams of a [`Driver`].
pub(super) struct Paced {
    driver: Box<dyn Driver>,
    notify: Notify,
    shared: Arc<Shared>,
    /// `None` before the first song, after `close`, and while the device is lost.
    running: Option<Running>,
    /// `None` before the first song.
    converter: Option<Converter>,
    /// Converted samples that are not in the ring yet.
    pending: Vec<i16>,
    lost: Option<Lost>,
    seen_discards: u64,
    seen_interrupts: u64,
}

/// An open stream and the ring to it.
struct Running {
    _stream: Box<dyn Stream>,
    ring: HeapProd<i16>,
    device: Device,
    /// Samples to keep in the ring at most.
    depth: usize,
    watchdog: Watchdog,
}

/// A device that went away.
struct Lost {
    name: String,
    since: Instant,
}

impl Paced {
    pub(super) fn new(driver: Box<dyn Driver>, notify: Notify, shared: Arc<Shared>) -> Self {
        Self {
            driver,
            notify,
            shared,
            running: None,
            converter: None,
            pending: Vec::new(),
            lost: None,
            seen_discards: 0,
            seen_interrupts: 0,
        }
    }

    /// See [`Output::start`](super::Output::start).
    pub(super) fn start(&mut self, song: PcmFormat) -> Result<(), OutputError> {
        let format = self.driver.negotiate(song)?;
        self.change_format(song, format)?;
        if self.running.is_none() && self.lost.is_none() {
            match self.open(format) {
                Ok(device) => (self.notify)(Notice::Opened(device)),
                Err(_) => self.reopen()?,
            }
        }
        self.begin_song();
        Ok(())
    }

    /// See [`Output::write`](super::Output::write).
    pub(super) fn write(&mut self, samples: &[i16]) -> Result<Written, OutputError> {
        let samples = self.converter.as_ref().ok_or(OutputError::NotStarted)?.whole_frames(samples);
        let mut taken = 0;
        loop {
            if self.push_pending()? == Push::Interrupted {
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
        self.forget_discarded();
        let converter = self.converter.as_mut().ok_or(OutputError::NotStarted)?;
        converter.flush(&mut self.pending);
        let mut pushed = self.push_pending()?;
        while pushed == Push::Done {
            self.shared.finishing.store(true, SeqCst);
            if self.all_heard() {
                return Ok(Drained::Heard);
            }
            self.wait(POLL);
            if self.is_interrupted() {
                pushed = Push::Interrupted;
            }
        }
        self.acknowledge();
        Ok(Drained::Interrupted)
    }

    /// Ends the stream, if there is one, after its last sound; at once after a discard.
    pub(super) fn close(&mut self) {
        while let Some(running) = &mut self.running {
            let silent = self.shared.silent_frames.load(SeqCst) >= running.frames(LAST_SILENCE);
            let stalled = running.watchdog.stalled(&self.shared);
            if (self.all_read() && silent) || self.all_discarded() || stalled {
                break;
            }
            self.shared.finishing.store(true, SeqCst);
            let discards = self.shared.discards.load(SeqCst);
            self.shared.wait(POLL, || self.shared.discards.load(SeqCst) != discards);
        }
        self.running = None;
        *self.shared.device() = None;
    }

    /// Takes notice of every interrupt and discard so far.
    pub(super) fn acknowledge(&mut self) {
        self.seen_interrupts = self.shared.interrupts.load(SeqCst);
        self.forget_discarded();
    }

    /// Whether somebody interrupted, or discarded, and nobody has been told.
    fn is_interrupted(&self) -> bool {
        self.shared.interrupts.load(SeqCst) != self.seen_interrupts
    }

    /// After a discard: forgets samples that are still on this side of the ring.
    fn forget_discarded(&mut self) {
        let discards = self.shared.discards.load(SeqCst);
        if discards != self.seen_discards {
            self.seen_discards = discards;
            self.pending.clear();
            if let Some(converter) = &mut self.converter {
                converter.reset();
            }
        }
    }

    /// Gets ready for songs of format `song` in a ring of `format`; what is held back of the last song goes first.
    fn change_format(&mut self, song: PcmFormat, format: PcmFormat) -> Result<(), OutputError> {
        self.forget_discarded();
        let new = match &mut self.converter {
            Some(converter) if converter.from() == song && converter.to() == format => return Ok(()),
            Some(converter) => {
                converter.flush(&mut self.pending);
                converter.to() != format
            }
            None => true,
        };
        if self.running.is_some() {
            // Interrupted, the rest follows with the new song's first samples, unless it is discarded.
            let _ = self.push_pending()?;
        }
        if new {
            self.close();
            self.pending.clear();
        }
        self.converter = Some(Converter::new(song, format)?);
        Ok(())
    }

    /// Puts pending samples into the ring, waiting for room and, if need be, for a device.
    fn push_pending(&mut self) -> Result<Push, OutputError> {
        loop {
            self.forget_discarded();
            if self.is_interrupted() {
                return Ok(Push::Interrupted);
            }
            if self.pending.is_empty() {
                return Ok(Push::Done);
            }
            match &self.running {
                None => self.reopen()?,
                Some(running) => match running.room(&self.shared).min(self.pending.len()) {
                    0 => self.wait(REFILL),
                    count => self.push(count),
                },
            }
        }
    }

    /// Puts `count` pending samples into the ring, which has room for them.
    fn push(&mut self, count: usize) {
        let Some(running) = &mut self.running else { return };
        let written = self.shared.written.load(SeqCst) + count as u64;
        // Announced before they are there: see `Shared::discard`, which may come in between.
        self.shared.written.store(written, SeqCst);
        if self.shared.discards.load(SeqCst) != self.seen_discards {
            self.shared.discard_up_to.fetch_max(written, SeqCst);
        }
        self.shared.finishing.store(false, SeqCst);
        running.ring.push_slice(&self.pending[..count]);
        self.pending.drain(..count);
    }

    /// Waits so long for the feed to take some more, and looks after the device.
    fn wait(&mut self, at_most: Duration) {
        self.shared.wait(at_most, || self.is_interrupted());
        if let Some(running) = &mut self.running
            && running.watchdog.stalled(&self.shared)
        {
            let name = running.device.name.clone();
            (self.notify)(Notice::Lost { name: name.clone() });
            self.lost = Some(Lost { name, since: Instant::now() });
            self.running = None;
            *self.shared.device() = None;
        }
    }

    /// One attempt to find a device and go on with it. Without one it waits a little; an error is the end of the
    /// attempts.
    fn reopen(&mut self) -> Result<(), OutputError> {
        match (self.open_another(), self.lost.take()) {
            (Ok(device), None) => (self.notify)(Notice::Opened(device)),
            (Ok(device), Some(_)) => (self.notify)(Notice::Restored(device)),
            (Err(error), None) => return Err(error),
            (Err(_), Some(Lost { name, since })) if since.elapsed() > GIVE_UP => {
                return Err(OutputError::DeviceLost { name });
            }
            (Err(_), Some(lost)) => {
                self.lost = Some(lost);
                self.shared.wait(RETRY, || self.is_interrupted());
            }
        }
        Ok(())
    }

    /// Opens the device anew, or another. Should its format be another too, what was converted for the old one is
    /// lost, at most a block.
    fn open_another(&mut self) -> Result<Device, OutputError> {
        let song = self.converter.as_ref().ok_or(OutputError::NotStarted)?.from();
        self.driver.refresh()?;
        let format = self.driver.negotiate(song)?;
        let device = self.open(format)?;
        if self.converter.as_ref().is_some_and(|converter| converter.to() != format) {
            self.converter = Some(Converter::new(song, format)?);
            self.pending.clear();
            self.begin_song();
        }
        Ok(device)
    }

    fn begin_song(&self) {
        if let Some(converter) = &self.converter {
            self.shared.begin_song(converter.from().rate, converter.to());
        }
    }

    fn open(&mut self, format: PcmFormat) -> Result<Device, OutputError> {
        let samples_in =
            |ms: u32| (u64::from(format.rate) * u64::from(ms) / 1000) as usize * usize::from(format.channels);
        let (ring, taker) = HeapRb::new(samples_in(RING_MAX_MS).max(1)).split();
        self.shared.lost.store(false, SeqCst);
        self.shared.latency_us.store(0, SeqCst);
        let feed = Feed::new(taker, format, self.shared.clone());
        let (stream, device) = self.driver.open(format, feed)?;
        let periods = device.granted_frames as usize * RING_PERIODS as usize * usize::from(format.channels);
        let depth = periods.clamp(samples_in(RING_MS), samples_in(RING_MAX_MS));
        *self.shared.device() = Some(device.clone());
        let watchdog = Watchdog::new(&self.shared);
        self.running = Some(Running { _stream: stream, ring, device: device.clone(), depth, watchdog });
        Ok(device)
    }

    /// Whether the feed has taken all there was, and it has left the device.
    fn all_heard(&self) -> bool {
        let Some(running) = &self.running else { return true };
        let latency = Duration::from_micros(self.shared.latency_us.load(SeqCst));
        // The latency was reported before the last period was handed over.
        let tail = running.frames(latency) + 2 * u64::from(running.device.granted_frames);
        self.all_read() && self.shared.silent_frames.load(SeqCst) >= tail
    }

    fn all_read(&self) -> bool {
        self.shared.read.load(SeqCst) >= self.shared.written.load(SeqCst)
    }

    fn all_discarded(&self) -> bool {
        self.shared.discard_up_to.load(SeqCst) >= self.shared.written.load(SeqCst)
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        // What was drained is to be heard to its end; anything else was given up.
        if self.shared.finishing.load(SeqCst) && self.all_read() {
            self.close();
        }
    }
}

/// How an attempt to fill the ring ended.
#[derive(PartialEq, Eq)]
enum Push {
    Done,
    Interrupted,
}

impl Running {
    /// Samples the ring takes now. What was discarded and is still there delays nothing: the feed steps over it. So
    /// after a switch the next song need not wait for the feed.
    fn room(&self, shared: &Shared) -> usize {
        let discarded = shared.discard_up_to.load(SeqCst).saturating_sub(shared.read.load(SeqCst));
        let discarded = usize::try_from(discarded).unwrap_or(usize::MAX);
        let to_be_heard = self.ring.occupied_len().saturating_sub(discarded);
        self.depth.saturating_sub(to_be_heard).min(self.ring.vacant_len())
    }

    fn frames(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * f64::from(self.device.format.rate)) as u64
    }
}

/// Notices when the feed is not called any more.
struct Watchdog {
    callbacks: u64,
    seen: Instant,
}

impl Watchdog {
    fn new(shared: &Shared) -> Self {
        Self { callbacks: shared.callbacks.load(SeqCst), seen: Instant::now() }
    }

    fn stalled(&mut self, shared: &Shared) -> bool {
        let callbacks = shared.callbacks.load(SeqCst);
        if callbacks != self.callbacks {
            (self.callbacks, self.seen) = (callbacks, Instant::now());
        }
        shared.lost.load(SeqCst) || self.seen.elapsed() > STALL
    }
}

#[cfg(test)]
mod tests;
