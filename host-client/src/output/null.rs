//! The null output: takes samples in real time and drops them.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::callback::Callback;
use super::stream_output::{Driver, Stream};
use super::{Device, OutputError, PcmFormat};

/// Periods are longer than those of a sound device, because nobody hears a delay here and a wake-up costs more than the
/// music in a period.
const PERIODS_PER_SECOND: u32 = 20;

/// If the clock is later than this, the machine slept: the clock starts again and does not catch up.
const LATEST: Duration = Duration::from_millis(200);

/// Opens clocks that make callbacks.
pub(super) struct NullDriver;

impl Driver for NullDriver {
    fn negotiate(&mut self, song: PcmFormat) -> Result<PcmFormat, OutputError> {
        Ok(song)
    }

    fn open(
        &mut self,
        format: PcmFormat,
        callback: &mut dyn FnMut() -> Callback,
    ) -> Result<(Box<dyn Stream>, Device), OutputError> {
        let name = "null".to_owned();
        let callback = callback();
        let period_frames = (format.rate / PERIODS_PER_SECOND).max(1);
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("null output".into())
            .spawn(move || run(callback, format, period_frames, &stopped))
            .map_err(|error| OutputError::DeviceRefused { name: name.clone(), reason: error.to_string() })?;
        let device = Device { name, format, asked_frames: period_frames, granted_frames: period_frames };
        Ok((Box::new(Clock { stop: Some(stop), thread: Some(thread) }), device))
    }

    fn refresh(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

/// A running clock. Dropping it stops it.
struct Clock {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stream for Clock {}

impl Drop for Clock {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic, because `fill` does not.
            drop(thread.join());
        }
    }
}

fn run(mut callback: Callback, format: PcmFormat, period_frames: u32, stopped: &Receiver<()>) {
    let mut period = vec![0; period_frames as usize * usize::from(format.channels)];
    let mut start = Instant::now();
    let mut frames = 0;
    loop {
        callback.fill(&mut period);
        frames += u64::from(period_frames);
        let due = start + Duration::from_micros(frames * 1_000_000 / u64::from(format.rate));
        let now = Instant::now();
        if now > due + LATEST {
            (start, frames) = (now, 0);
        }
        match stopped.recv_timeout(due.saturating_duration_since(now)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
