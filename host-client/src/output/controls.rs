//! The state shared by the producer, the callback and other threads: atomics, and a condition variable that the callback
//! never uses.
//!
//! Samples are counted in totals since the output was opened: `written` by the producer, `read` by the callback. A discard
//! raises `discard_up_to`. No total is ever reset.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Device, PcmFormat};

/// A handle on an [`Output`](super::Output) for any thread: cheap to clone, never blocks for long, and may outlive the
/// output.
#[derive(Clone, Debug)]
pub struct Controls {
    state: Arc<OutputState>,
}

impl Controls {
    pub(super) fn new(state: Arc<OutputState>) -> Self {
        Self { state }
    }

    /// Pauses or resumes the sound. A paused output takes samples until its ring is full.
    pub fn set_paused(&self, paused: bool) {
        self.state.paused.store(paused, SeqCst);
        self.state.wake_producer();
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.state.paused.load(SeqCst)
    }

    /// Sets the volume, 0 (silent) to 100 (samples unchanged, bit for bit); more counts as 100.
    ///
    /// The curve is cubic, the usual approximation of how loudness is perceived (PulseAudio's too): 50 is an eighth
    /// of the amplitude, −18 dB.
    pub fn set_volume(&self, volume: u8) {
        let volume = volume.min(100);
        self.state.volume.store(volume, SeqCst);
        self.state.gain_bits.store(gain(volume).to_bits(), SeqCst);
    }

    /// The volume, 0 to 100.
    pub fn volume(&self) -> u8 {
        self.state.volume.load(SeqCst)
    }

    /// Drops all queued samples. After this returns, the device gets no sample that was written before the call. Samples
    /// written later are kept. This also [interrupts](Self::interrupt) the producer, so that it writes no more of the old
    /// song.
    ///
    /// The device still plays what it already holds, a period or two.
    pub fn discard(&self) {
        self.state.discard();
    }

    /// Makes the producer's current or next `write` or `drain` return at once, so that the producer checks what to play.
    pub fn interrupt(&self) {
        self.state.interrupts.fetch_add(1, SeqCst);
        self.state.wake_producer();
    }

    /// Frames given to the device since the last `start` or discard, at the song's rate.
    pub fn position_frames(&self) -> u64 {
        let from = self.state.song_start.load(SeqCst).max(self.state.discard_up_to.load(SeqCst));
        self.state.to_song_frames(self.state.read.load(SeqCst).saturating_sub(from))
    }

    /// Frames written but not yet given to the device, at the song's rate.
    pub fn queued_frames(&self) -> u64 {
        let read = self.state.read.load(SeqCst).max(self.state.discard_up_to.load(SeqCst));
        self.state.to_song_frames(self.state.written.load(SeqCst).saturating_sub(read))
    }

    /// The number of interruptions because samples came too late, of any length: the ring or the device's own buffer was
    /// empty in the middle of a song.
    pub fn underruns(&self) -> u64 {
        self.state.underruns.load(SeqCst)
    }

    /// The device in use, `None` before the first song and while it is lost.
    pub fn device(&self) -> Option<Device> {
        self.state.device().clone()
    }
}

/// The factor for samples at this volume.
fn gain(volume: u8) -> f32 {
    (f32::from(volume) / 100.0).powi(3)
}

/// The state behind [`Controls`]. Totals count interleaved samples in the format of the ring.
#[derive(Debug)]
pub(super) struct OutputState {
    // Set by any thread.
    pub(super) paused: AtomicBool,
    volume: AtomicU8,
    gain_bits: AtomicU32,
    /// Samples before this total are discarded.
    pub(super) discard_up_to: AtomicU64,
    /// The numbers of discards and of interrupts. The producer compares them with those it has seen.
    pub(super) discards: AtomicU64,
    pub(super) interrupts: AtomicU64,

    // Set by the producer.
    /// Samples put into the ring, or about to be.
    pub(super) written: AtomicU64,
    /// `written` when the current song began.
    pub(super) song_start: AtomicU64,
    /// No samples follow those in the ring, so an empty ring is not an underrun.
    pub(super) finishing: AtomicBool,
    song_rate: AtomicU32,
    /// Samples per second of the ring: its rate times its channels.
    ring_samples_per_second: AtomicU32,
    device: Mutex<Option<Device>>,

    // Set by the callback and by cpal's callbacks around it.
    /// Samples taken out of the ring, heard or discarded.
    pub(super) read: AtomicU64,
    /// Frames of silence given to the device since the last sample.
    pub(super) silent_frames: AtomicU64,
    /// Whether the last period was all music.
    pub(super) sounding: AtomicBool,
    pub(super) underruns: AtomicU64,
    pub(super) latency_us: AtomicU64,
    /// The number of callbacks. The device runs as long as this grows.
    pub(super) callbacks: AtomicU64,
    /// The device reported an underrun since the last callback.
    pub(super) broke_off: AtomicBool,
    /// The device reported that its stream is over.
    pub(super) lost: AtomicBool,
    /// The device reported another error. If no callback follows, the device is lost, too.
    pub(super) has_failed: AtomicBool,

    /// The producer waits on this. The audio callback never takes the lock.
    wake_lock: Mutex<()>,
    wake: Condvar,
}

impl OutputState {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            paused: AtomicBool::new(false),
            volume: AtomicU8::new(100),
            gain_bits: AtomicU32::new(gain(100).to_bits()),
            discard_up_to: AtomicU64::new(0),
            discards: AtomicU64::new(0),
            interrupts: AtomicU64::new(0),
            written: AtomicU64::new(0),
            song_start: AtomicU64::new(0),
            finishing: AtomicBool::new(false),
            song_rate: AtomicU32::new(0),
            ring_samples_per_second: AtomicU32::new(0),
            device: Mutex::new(None),
            read: AtomicU64::new(0),
            silent_frames: AtomicU64::new(0),
            sounding: AtomicBool::new(false),
            underruns: AtomicU64::new(0),
            latency_us: AtomicU64::new(0),
            callbacks: AtomicU64::new(0),
            broke_off: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            wake_lock: Mutex::new(()),
            wake: Condvar::new(),
        })
    }

    pub(super) fn gain(&self) -> f32 {
        f32::from_bits(self.gain_bits.load(SeqCst))
    }

    /// See [`Controls::discard`].
    ///
    /// The producer raises `written` and then reads `discards`; this raises `discards` and then reads `written`. All
    /// accesses are sequentially consistent. So if both happen at once, at least one side sees the other's change and
    /// discards the samples.
    pub(super) fn discard(&self) {
        self.discards.fetch_add(1, SeqCst);
        self.discard_up_to.fetch_max(self.written.load(SeqCst), SeqCst);
        self.interrupts.fetch_add(1, SeqCst);
        self.wake_producer();
    }

    /// Starts a song of rate `song_rate` in a ring of format `ring`, with the next sample written.
    pub(super) fn begin_song(&self, song_rate: u32, ring: PcmFormat) {
        self.song_rate.store(song_rate, SeqCst);
        self.ring_samples_per_second.store(ring.rate * u32::from(ring.channels), SeqCst);
        self.song_start.store(self.written.load(SeqCst), SeqCst);
    }

    /// Sets both totals to `total`: the ring is empty, and the next sample written has this place.
    pub(super) fn go_on_at(&self, total: u64) {
        self.written.store(total, SeqCst);
        self.read.store(total, SeqCst);
    }

    /// Changes the format of the ring in the middle of a song: totals go on in the new format, and the position in the song
    /// stays the same.
    pub(super) fn change_ring(&self, old: PcmFormat, new: PcmFormat) {
        let base = self.song_start.load(SeqCst).max(self.discard_up_to.load(SeqCst));
        let old_frames = self.written.load(SeqCst).saturating_sub(base) / u64::from(old.channels);
        let new_frames = old_frames * u64::from(new.rate) / u64::from(old.rate);
        self.go_on_at(base + new_frames * u64::from(new.channels));
        self.ring_samples_per_second.store(new.rate * u32::from(new.channels), SeqCst);
    }

    fn to_song_frames(&self, samples: u64) -> u64 {
        let song_rate = u64::from(self.song_rate.load(SeqCst));
        let per_second = u64::from(self.ring_samples_per_second.load(SeqCst).max(1));
        samples * song_rate / per_second
    }

    pub(super) fn device(&self) -> MutexGuard<'_, Option<Device>> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done`, at most `at_most`. Only [`wake_producer`](Self::wake_producer) ends the wait early: the callback
    /// wakes no thread, so its progress shows only after the time-out.
    pub(super) fn wait(&self, at_most: Duration, mut done: impl FnMut() -> bool) {
        let guard = self.wake_lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.wake.wait_timeout_while(guard, at_most, |()| !done()));
    }

    /// Waits until `done`, without a time-out.
    pub(super) fn wait_until(&self, mut done: impl FnMut() -> bool) {
        let guard = self.wake_lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.wake.wait_while(guard, |()| !done()));
    }

    fn wake_producer(&self) {
        // With the lock taken and released, the producer either has not checked yet or is already waiting.
        drop(self.wake_lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_is_cubic_and_exact_at_the_top() {
        assert_eq!(gain(0), 0.0);
        assert_eq!(gain(50), 0.125);
        assert_eq!(gain(100), 1.0);
        let controls = Controls::new(OutputState::new());
        assert_eq!((controls.volume(), controls.state.gain()), (100, 1.0));
        controls.set_volume(200);
        assert_eq!(controls.volume(), 100);
        controls.set_volume(50);
        assert_eq!((controls.volume(), controls.state.gain()), (50, 0.125));
    }

    #[test]
    fn positions_are_in_frames_of_the_song() {
        let state = OutputState::new();
        let controls = Controls::new(state.clone());
        state.written.store(1000, SeqCst);
        state.read.store(600, SeqCst);
        state.begin_song(22_050, PcmFormat { rate: 44_100, channels: 2 });
        assert_eq!((controls.position_frames(), controls.queued_frames()), (0, 100));
        state.written.store(1800, SeqCst);
        state.read.store(1400, SeqCst);
        assert_eq!((controls.position_frames(), controls.queued_frames()), (100, 100));
        controls.discard();
        assert_eq!((controls.position_frames(), controls.queued_frames()), (0, 0));
        state.written.store(2200, SeqCst);
        state.read.store(2000, SeqCst);
        assert_eq!((controls.position_frames(), controls.queued_frames()), (50, 50));
    }

    #[test]
    fn an_interrupt_ends_a_wait() {
        let state = OutputState::new();
        let controls = Controls::new(state.clone());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| state.wait(Duration::from_secs(60), || state.interrupts.load(SeqCst) > 0));
            controls.interrupt();
            waiting.join().unwrap();
        });
    }
}
