use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU32, AtomicU64};
use std::thread::{self, JoinHandle};

use super::super::Controls;
use super::super::Written;
use super::*;

const STEREO: PcmFormat = PcmFormat { rate: 8_000, channels: 2 };
const MONO: PcmFormat = PcmFormat { rate: 8_000, channels: 1 };

/// 20 ms of `STEREO`.
const PERIOD_SAMPLES: usize = 320;

/// A device that calls back as fast as possible and keeps the samples.
#[derive(Clone)]
struct FakeDevice {
    state: Arc<FakeState>,
}

struct FakeState {
    /// The only format that it supports; `None` for any.
    only: Mutex<Option<PcmFormat>>,
    /// The samples it received, without silence.
    heard: Mutex<Vec<i16>>,
    opened: AtomicU32,
    /// The number of samples until its stream fails.
    lifetime: AtomicU64,
    /// It makes no callbacks and reports no error.
    suspended: AtomicBool,
    /// Whether it can be opened.
    present: AtomicBool,
    /// Samples below this must not arrive.
    floor: AtomicI16,
    below_floor: AtomicU32,
}

impl FakeDevice {
    fn new() -> Self {
        let state = FakeState {
            only: Mutex::new(None),
            heard: Mutex::new(Vec::new()),
            opened: AtomicU32::new(0),
            lifetime: AtomicU64::new(u64::MAX),
            suspended: AtomicBool::new(false),
            present: AtomicBool::new(true),
            floor: AtomicI16::new(0),
            below_floor: AtomicU32::new(0),
        };
        Self { state: Arc::new(state) }
    }

    fn heard(&self) -> Vec<i16> {
        self.state.heard.lock().unwrap().clone()
    }

    fn opened(&self) -> u32 {
        self.state.opened.load(SeqCst)
    }
}

impl FakeState {
    /// Calls the callback for one period. Returns whether the stream lives on.
    fn tick(&self, callback: &mut Callback) -> bool {
        if self.suspended.load(SeqCst) {
            return true;
        }
        let mut period = [0; PERIOD_SAMPLES];
        let floor = self.floor.load(SeqCst);
        callback.fill(&mut period);
        let mut heard = self.heard.lock().unwrap();
        for sample in period.into_iter().filter(|&sample| sample != 0) {
            self.below_floor.fetch_add(u32::from(sample < floor), SeqCst);
            heard.push(sample);
        }
        let lives = (heard.len() as u64) < self.lifetime.load(SeqCst);
        if !lives {
            // The next stream lives on.
            self.lifetime.store(u64::MAX, SeqCst);
            callback.state().lost.store(true, SeqCst);
        }
        lives
    }
}

impl Driver for FakeDevice {
    fn negotiate(&mut self, song: PcmFormat) -> Result<PcmFormat, OutputError> {
        Ok(self.state.only.lock().unwrap().unwrap_or(song))
    }

    fn open(
        &mut self,
        format: PcmFormat,
        callback: &mut dyn FnMut() -> Callback,
    ) -> Result<(Box<dyn Stream>, Device), OutputError> {
        let name = "fake".to_owned();
        if !self.state.present.load(SeqCst) {
            return Err(OutputError::DeviceRefused { name, reason: "absent".into() });
        }
        self.state.opened.fetch_add(1, SeqCst);
        let mut callback = callback();
        let (state, stop) = (self.state.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let clock = thread::spawn(move || {
            while !stopped.load(SeqCst) && state.tick(&mut callback) {
                thread::yield_now();
            }
        });
        let device = Device { name, format, asked_frames: 160, granted_frames: 160 };
        Ok((Box::new(FakeStream { stop, clock: Some(clock) }), device))
    }

    fn refresh(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

struct FakeStream {
    stop: Arc<AtomicBool>,
    clock: Option<JoinHandle<()>>,
}

impl Stream for FakeStream {}

impl Drop for FakeStream {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        self.clock.take().unwrap().join().unwrap();
    }
}

struct Bench {
    device: FakeDevice,
    output: StreamOutput,
    controls: Controls,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl Bench {
    fn new() -> Self {
        let (device, state) = (FakeDevice::new(), OutputState::new());
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = notices.clone();
        let notify = Box::new(move |notice| told.lock().unwrap().push(notice));
        let controls = Controls::new(state.clone());
        let output = StreamOutput::new(Box::new(device.clone()), notify, state);
        Self { device, output, controls, notices }
    }

    #[track_caller]
    fn write(&mut self, samples: &[i16]) {
        assert_eq!(self.output.write(samples).unwrap(), Written::All);
    }

    #[track_caller]
    fn drain(&mut self) {
        assert_eq!(self.output.drain().unwrap(), Drained::Heard);
    }

    fn notices(&self) -> Vec<&'static str> {
        let kind = |notice: &Notice| match notice {
            Notice::Opened(_) => "opened",
            Notice::Lost { .. } => "lost",
            Notice::Stalled { .. } => "stalled",
            Notice::Resumed { .. } => "resumed",
            Notice::Restored(_) => "restored",
        };
        self.notices.lock().unwrap().iter().map(kind).collect()
    }
}

#[track_caller]
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never was");
        thread::yield_now();
    }
}

fn ramp(from: i16, to: i16) -> Vec<i16> {
    (from..=to).collect()
}

#[test]
fn everything_written_is_heard_by_the_time_it_is_drained() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(1, 20_001)[..20_000]);
    bench.drain();
    assert_eq!(bench.device.heard(), ramp(1, 20_000));
    assert_eq!((bench.controls.position_frames(), bench.controls.queued_frames()), (10_000, 0));
    assert_eq!(bench.notices(), ["opened"]);
}

#[test]
fn a_song_of_the_same_format_follows_without_a_gap() {
    let mut bench = Bench::new();
    for from in [1, 1001, 2001] {
        bench.output.start(STEREO).unwrap();
        bench.write(&ramp(from, from + 999));
    }
    bench.drain();
    assert_eq!(bench.device.heard(), ramp(1, 3000));
    assert_eq!(bench.device.opened(), 1);
}

#[test]
fn a_song_of_another_format_follows_after_the_last_was_heard() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(1, 1000));
    bench.output.start(MONO).unwrap();
    assert_eq!(bench.device.heard(), ramp(1, 1000), "heard before the device is opened anew");
    bench.write(&ramp(2001, 3000));
    bench.drain();
    assert_eq!(bench.device.heard(), [ramp(1, 1000), ramp(2001, 3000)].concat());
    assert_eq!(bench.device.opened(), 2);
}

#[test]
fn songs_are_converted_for_a_device_with_one_format() {
    let mut bench = Bench::new();
    *bench.device.state.only.lock().unwrap() = Some(PcmFormat { rate: 16_000, channels: 2 });
    bench.output.start(STEREO).unwrap();
    bench.write(&[5_000; 8_000]);
    bench.output.start(MONO).unwrap();
    bench.write(&[5_000; 4_000]);
    bench.drain();
    let heard = bench.device.heard();
    // Not the ringing at the edges, where a sample may be 0 and is not recorded.
    assert!((31_800..=32_000).contains(&heard.len()), "{} samples", heard.len());
    assert_eq!(bench.device.opened(), 1);
    assert_eq!(bench.controls.position_frames(), 4_000);
}

#[test]
fn a_writer_that_waits_for_room_is_interrupted_and_goes_on() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.controls.set_paused(true);
    let samples = ramp(1, 20_000);
    let controls = bench.controls.clone();
    let mut taken = 0;
    thread::scope(|scope| {
        let writer = scope.spawn(|| bench.output.write(&samples));
        while controls.queued_frames() < 640 {
            thread::yield_now();
        }
        controls.interrupt();
        match writer.join().unwrap().unwrap() {
            Written::Interrupted { taken: so_far } => taken = so_far,
            Written::All => panic!("20,000 samples do not fit into the ring"),
        }
    });
    assert!(taken > 0);
    controls.set_paused(false);
    bench.write(&samples[taken..]);
    bench.drain();
    assert_eq!(bench.device.heard(), samples);
}

#[test]
fn an_interrupt_is_reported_once_by_the_next_write_or_drain() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.controls.interrupt();
    bench.controls.interrupt();
    assert_eq!(bench.output.write(&[1, 2]).unwrap(), Written::Interrupted { taken: 0 });
    bench.write(&[1, 2]);
    bench.controls.interrupt();
    assert_eq!(bench.output.drain().unwrap(), Drained::Interrupted);
    bench.drain();
    assert_eq!(bench.device.heard(), [1, 2]);
}

#[test]
fn after_a_discard_the_first_write_is_refused_and_the_next_is_heard() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.controls.set_paused(true);
    bench.write(&ramp(1, 600));
    bench.controls.discard();
    bench.controls.set_paused(false);
    assert_eq!(bench.output.write(&ramp(601, 700)).unwrap(), Written::Interrupted { taken: 0 });
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(1001, 2000));
    bench.drain();
    assert_eq!(bench.device.heard(), ramp(1001, 2000));
}

#[test]
fn after_a_discard_by_the_producer_the_next_write_is_heard() {
    let mut bench = Bench::new();
    *bench.device.state.only.lock().unwrap() = Some(PcmFormat { rate: 16_000, channels: 2 });
    bench.output.start(STEREO).unwrap();
    bench.controls.set_paused(true);
    bench.write(&[9_000; 100]);
    bench.controls.discard();
    bench.output.queue.acknowledge();
    bench.controls.set_paused(false);
    bench.output.start(MONO).unwrap();
    bench.write(&[1; 4_000]);
    bench.drain();
    let heard = bench.device.heard();
    assert!(heard.iter().all(|&sample| sample < 100), "the converter kept some of the old song");
    assert!(heard.len() > 15_000);
}

#[test]
fn after_a_discard_there_is_room_though_the_callback_has_not_skipped_yet() {
    let mut bench = Bench::new();
    bench.device.state.lifetime.store(0, SeqCst);
    bench.output.start(STEREO).unwrap();
    for _ in 0..3 {
        bench.write(&[1; 4 * PERIOD_SAMPLES]);
        bench.controls.discard();
        bench.output.queue.acknowledge();
    }
    assert_eq!(bench.notices(), ["opened"], "no write waited until the device was taken for lost");
}

#[test]
fn a_discard_just_before_samples_reach_the_ring_reaches_them_there() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.output.queue.pending.extend([7; PERIOD_SAMPLES]);
    // The producer has looked for discards, here comes one, and it goes on.
    bench.controls.discard();
    bench.output.push(PERIOD_SAMPLES);
    assert_eq!(bench.output.write(&[7; 2]).unwrap(), Written::Interrupted { taken: 0 });
    bench.write(&[8; PERIOD_SAMPLES]);
    bench.drain();
    assert_eq!(bench.device.heard(), [8; PERIOD_SAMPLES]);
}

#[test]
fn running_dry_counts_again_after_a_drain() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&[1; PERIOD_SAMPLES]);
    bench.drain();
    let before = bench.controls.underruns();
    bench.write(&[1; PERIOD_SAMPLES]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while bench.controls.underruns() == before {
        assert!(Instant::now() < deadline, "no underrun was counted");
        thread::yield_now();
    }
}

/// After a discard returns, no older sample is heard, at any time of the discard.
#[test]
fn under_constant_switching_no_old_sample_is_heard() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    let (order, done) = (AtomicI16::new(1), AtomicBool::new(false));
    let (state, controls) = (bench.device.state.clone(), bench.controls.clone());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                let sample = order.load(SeqCst);
                let _ = bench.output.write(&[sample; 2 * PERIOD_SAMPLES]).unwrap();
            }
        });
        for next in 2..300 {
            order.store(next, SeqCst);
            controls.discard();
            state.floor.store(next, SeqCst);
            // Let some be heard now and then, so that there is something to discard in every state.
            let heard = state.heard.lock().unwrap().len();
            while next % 3 == 0 && state.heard.lock().unwrap().len() == heard {
                thread::yield_now();
            }
        }
        done.store(true, SeqCst);
        controls.discard();
    });
    assert_eq!(state.below_floor.load(SeqCst), 0);
    assert!(bench.device.heard().len() > 1_000);
}

#[test]
fn a_device_that_is_lost_is_opened_again_and_nothing_of_the_music_is_lost() {
    let mut bench = Bench::new();
    bench.device.state.lifetime.store(3_000, SeqCst);
    bench.output.start(STEREO).unwrap();
    // More than fits, so that the end is in the ring when the device is lost.
    bench.write(&ramp(1, 9_000));
    bench.drain();
    assert_eq!(bench.notices(), ["opened", "opened"], "one that is back at once was never gone for the listener");
    assert_eq!(bench.device.heard(), ramp(1, 9_000));
    assert_eq!(bench.controls.position_frames(), 4_500);
}

#[test]
fn what_a_lost_device_held_is_heard_again() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(1, 4_000));
    wait_until(|| bench.device.heard().len() == 4_000);
    bench.output.state.latency_us.store(50_000, SeqCst);
    // The silence that followed is in the device, too.
    bench.device.state.suspended.store(true, SeqCst);
    bench.output.state.silent_frames.store(100, SeqCst);
    bench.output.state.lost.store(true, SeqCst);
    bench.output.wait(Duration::ZERO);
    bench.device.state.suspended.store(false, SeqCst);
    bench.drain();
    let again = bench.device.heard().split_off(4_000);
    assert_eq!(again, ramp(4_001 - 2 * (400 - 100), 4_000), "50 ms of 8 kHz, but for 100 frames of silence");
}

#[test]
fn what_was_discarded_is_not_heard_from_the_next_device() {
    let mut bench = Bench::new();
    bench.controls.set_paused(true);
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(1, 4_000));
    bench.controls.discard();
    bench.output.queue.acknowledge();
    bench.output.state.lost.store(true, SeqCst);
    bench.output.wait(Duration::ZERO);
    bench.controls.set_paused(false);
    bench.write(&ramp(5_001, 6_000));
    bench.drain();
    assert_eq!(bench.device.heard(), ramp(5_001, 6_000));
}

#[test]
fn a_stalled_device_is_waited_for() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.device.state.suspended.store(true, SeqCst);
    let (device, told) = (bench.device.clone(), bench.notices.clone());
    bench.output.notify = Box::new(move |notice| {
        device.state.suspended.store(false, SeqCst);
        told.lock().unwrap().push(notice);
    });
    bench.write(&ramp(1, 20_000));
    bench.drain();
    assert_eq!(bench.notices(), ["opened", "stalled", "resumed"]);
    assert_eq!(bench.device.opened(), 1);
    assert_eq!(bench.device.heard(), ramp(1, 20_000));
}

#[test]
fn a_device_that_reports_errors_and_takes_nothing_is_lost() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.device.state.suspended.store(true, SeqCst);
    // One that recovers is not.
    bench.output.state.has_failed.store(true, SeqCst);
    let device = bench.device.clone();
    thread::scope(|scope| {
        let writer = scope.spawn(|| bench.output.write(&ramp(1, 20_000)));
        wait_until(|| device.opened() == 2);
        device.state.suspended.store(false, SeqCst);
        assert_eq!(writer.join().unwrap().unwrap(), Written::All);
    });
    bench.drain();
    assert_eq!(bench.device.heard(), ramp(1, 20_000));
}

#[test]
fn a_lost_device_is_replaced_by_one_of_another_format() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.device.state.suspended.store(true, SeqCst);
    bench.write(&[1_000; 2_000]);
    let other = PcmFormat { rate: 16_000, channels: 2 };
    let (device, told) = (bench.device.clone(), bench.notices.clone());
    bench.output.notify = Box::new(move |notice| {
        device.state.suspended.store(false, SeqCst);
        told.lock().unwrap().push(notice);
    });
    *bench.device.state.only.lock().unwrap() = Some(other);
    bench.output.state.lost.store(true, SeqCst);
    bench.write(&[1_000; 20_000]);
    bench.drain();
    assert_eq!(bench.notices(), ["opened", "opened"]);
    assert_eq!(bench.controls.device().unwrap().format, other);
    let heard = bench.device.heard().len();
    assert!(heard.abs_diff(2 * 22_000) <= 8, "all that was written, at twice the rate, not {heard} samples");
    let position = bench.controls.position_frames();
    assert!(position.abs_diff(11_000) <= 2, "frames of the song, whatever the device: {position}");
}

#[test]
fn an_absent_device_is_given_up_after_a_time_limit() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.device.state.present.store(false, SeqCst);
    bench.output.state.lost.store(true, SeqCst);
    let (controls, notices) = (bench.controls.clone(), bench.notices.clone());
    thread::scope(|scope| {
        let writer = scope.spawn(|| bench.output.write(&[1; 20_000]));
        wait_until(|| notices.lock().unwrap().len() == 2);
        controls.interrupt();
        assert!(matches!(writer.join().unwrap().unwrap(), Written::Interrupted { .. }));
    });
    let long_ago = Instant::now().checked_sub(GIVE_UP + Duration::from_secs(1)).unwrap();
    bench.output.lost.as_mut().unwrap().since = long_ago;
    assert!(matches!(bench.output.write(&[1; 2]), Err(OutputError::DeviceLost { name }) if name == "fake"));
    assert!(matches!(bench.output.start(STEREO), Err(OutputError::DeviceRefused { .. })));
    bench.device.state.present.store(true, SeqCst);
    bench.output.start(STEREO).unwrap();
    assert_eq!(bench.notices(), ["opened", "lost", "opened"]);
}

#[test]
fn drain_waits_for_the_latency_of_the_device() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.output.state.latency_us.store(500_000, SeqCst);
    bench.write(&ramp(1, 1_000));
    bench.drain();
    let silent = bench.output.state.silent_frames.load(SeqCst);
    assert!(silent >= 4_000 + 320, "{silent} frames of silence are not half a second and two periods");
}

#[test]
fn what_was_drained_is_followed_by_silence_before_the_stream_is_dropped() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(1, 1_000));
    bench.drain();
    bench.output.release();
    assert!(bench.output.state.silent_frames.load(SeqCst) >= 2_000, "a quarter of a second");
    assert_eq!(bench.controls.device(), None);
    bench.output.start(STEREO).unwrap();
    bench.write(&ramp(1, 1_000));
    bench.drain();
    assert_eq!(bench.device.heard(), ramp(1, 1_000).repeat(2));
}

#[test]
fn half_a_frame_at_the_end_is_dropped() {
    let mut bench = Bench::new();
    bench.output.start(STEREO).unwrap();
    bench.write(&[1, 2, 3]);
    bench.write(&[5, 6]);
    bench.drain();
    assert_eq!(bench.device.heard(), [1, 2, 5, 6]);
}

#[test]
fn samples_before_a_song_are_an_error() {
    let mut bench = Bench::new();
    assert!(matches!(bench.output.write(&[1, 2]), Err(OutputError::NotStarted)));
    assert!(matches!(bench.output.drain(), Err(OutputError::NotStarted)));
}
