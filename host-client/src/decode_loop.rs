//! The decode loop: a thread that decodes compressed bytes and writes the samples to the output.
//!
//! ```text
//!   Player: buffer ──▶ Decoder ──▶ Step: begin, wait, samples, end ──▶ Output
//! ```
//!
//! Only this thread writes to the [`Output`]. The player decodes under its lock: a frame takes some 20 µs. A switch or a stop
//! discards the output's samples under the same lock, and this thread writes no more of the old song. So no sample of the old
//! song follows a switch, in any order of the threads. Pause and volume go directly to [`Controls`].

use std::io;
use std::mem;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use trill_player::{ItemId, Sound, Step};
use trill_proto::decoder::PCM_SAMPLES;
use trill_proto::ids::SongId;
use trill_proto::message::Started;

use crate::decoder::Decoder;
use crate::output::{Controls, Drained, Output, OutputError, PcmFormat, Written};
use crate::shared::Shared;

/// How long a device stays open without a song.
const IDLE: Duration = Duration::from_secs(10);

/// How often to check, while waiting for bytes, whether the output is empty.
const DRY_POLL: Duration = Duration::from_millis(20);

/// The range of MP3's sample rates (ISO/IEC 11172-3, 13818-3 and the 2.5 extension).
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Progress of the songs.
#[derive(Debug)]
pub enum Event {
    /// A song begins. Not sent if the same song goes on from another position.
    Began(SongId),
    /// The first sample of a song that the user started was written to the output.
    Sounded {
        /// The song.
        song: SongId,
        /// The time since the command.
        after: Duration,
    },
    /// The song was received whole and contains no music. [`Event::Finished`] follows.
    Undecodable(SongId),
    /// A song ended: it was heard to the end, the next song follows it, or it was replaced.
    Finished,
    /// The output failed. The music stops.
    Failed(OutputError),
}

/// A handle on the decode loop's thread. Dropping it ends the sound and waits for the thread.
pub struct DecodeLoop {
    shared: Arc<Shared>,
    controls: Controls,
    thread: Option<JoinHandle<()>>,
}

impl DecodeLoop {
    /// Starts the thread, which plays the player's songs through `output` and calls `notify` for each [`Event`].
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub fn spawn(
        shared: Arc<Shared>,
        (output, controls): (Output, Controls),
        notify: impl Fn(Event) + Send + 'static,
    ) -> io::Result<Self> {
        let worker = Worker {
            shared: shared.clone(),
            output,
            controls: controls.clone(),
            notify: Box::new(notify),
            format: None,
            is_playing: false,
            decoder: Decoder::new(),
            pcm: Box::new([0; PCM_SAMPLES]),
        };
        let thread = thread::Builder::new().name("decoder".into()).spawn(move || worker.run())?;
        shared.connect_output(controls.clone());
        Ok(Self { shared, controls, thread: Some(thread) })
    }

    /// The output's pause, volume and counters.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }
}

impl Drop for DecodeLoop {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// The state of the thread.
struct Worker {
    shared: Arc<Shared>,
    output: Output,
    controls: Controls,
    notify: Box<dyn Fn(Event) + Send>,
    /// The format that the output was last started with.
    format: Option<PcmFormat>,
    /// A song has begun and was not heard to its end.
    is_playing: bool,
    decoder: Decoder,
    pcm: Box<[i16; PCM_SAMPLES]>,
}

impl Worker {
    fn run(mut self) {
        while let Some((step, change)) = self.shared.decode(&mut self.decoder, &mut self.pcm) {
            if let Err(error) = self.obey(step, change) {
                self.fail(error);
            }
        }
        self.discard_rest();
    }

    /// Does what a step of the player says. `change` is the number of the buffer's last change before it.
    fn obey(&mut self, step: Step, change: u64) -> Result<(), OutputError> {
        match step {
            Step::Idle => self.idle(change),
            Step::Begin { id, started } => return self.begin(id, &started),
            Step::Wait => self.wait(change),
            Step::Again => {}
            Step::Sound(sound) => return self.put_out(sound),
            Step::Ending => {
                if self.drain()? == Drained::Heard {
                    self.shared.wait_for_change(change, DRY_POLL);
                }
            }
            Step::Ended => return self.finish(),
        }
        Ok(())
    }

    fn idle(&mut self, change: u64) {
        if self.is_playing {
            // The player may have stopped by itself, to sleep.
            (self.notify)(Event::Finished);
        }
        self.discard_rest();
        if !self.shared.wait_for_change(change, IDLE) {
            self.output.release();
        }
    }

    /// Opens the device, if necessary, while the first bytes arrive.
    fn begin(&mut self, id: ItemId, started: &Started) -> Result<(), OutputError> {
        self.discard_rest();
        self.is_playing = true;
        let Started { song, rate, channels, .. } = *started;
        // The server's figures may be wrong, or missing for a song without audio. Then the first frame gives the format.
        let is_plausible = SAMPLE_RATES.contains(&rate) && (1..=2).contains(&channels);
        self.format = is_plausible.then_some(PcmFormat { rate, channels: channels.into() });
        let result = self.format.map_or(Ok(()), |format| self.output.start(format));
        let notify = &self.notify;
        self.shared.with(|player, _| {
            if player.handle_began(id) {
                notify(Event::Began(song));
            }
        });
        result
    }

    /// Drops the queued samples of a song that was replaced or stopped.
    fn discard_rest(&mut self) {
        if mem::take(&mut self.is_playing) {
            self.output.discard();
        }
    }

    fn wait(&self, change: u64) {
        self.shared.wait_for_change(change, DRY_POLL);
        if self.controls.queued_frames() == 0 {
            self.shared.with(|player, _| player.handle_dry());
        }
    }

    fn put_out(&mut self, sound: Sound) -> Result<(), OutputError> {
        let format = PcmFormat { rate: sound.rate, channels: sound.channels.into() };
        if self.format != Some(format) {
            self.output.start(format)?;
            self.format = Some(format);
            self.shared.with(|player, _| player.count_from(&sound));
        }
        let channels = usize::from(sound.channels);
        let is_wanted = || self.shared.with(|player, _| player.has_begun());
        let samples = &self.pcm[sound.heard.start * channels..sound.heard.end * channels];
        let is_written = write_silence(&mut self.output, sound.silence * channels as u64, is_wanted)?
            && write(&mut self.output, samples, is_wanted)?;
        if is_written && let Some(asked) = sound.asked {
            let after = self.shared.now().saturating_since(asked);
            (self.notify)(Event::Sounded { song: sound.song, after });
        }
        Ok(())
    }

    /// Waits until the song was heard, unless another song follows or replaces it.
    fn finish(&mut self) -> Result<(), OutputError> {
        let is_followed = self.shared.with(|player, _| player.is_followed());
        if !is_followed && self.drain()? == Drained::Interrupted {
            return Ok(());
        }
        let notify = &self.notify;
        self.is_playing = !self.shared.with(|player, _| {
            let is_finished = player.has_begun();
            if is_finished {
                player.handle_finished().into_iter().for_each(|song| notify(Event::Undecodable(song)));
                notify(Event::Finished);
            }
            is_finished
        });
        Ok(())
    }

    fn drain(&mut self) -> Result<Drained, OutputError> {
        if self.format.is_none() { Ok(Drained::Heard) } else { self.output.drain() }
    }

    /// Ends the music, unless another song has taken the place of the one that failed.
    fn fail(&mut self, error: OutputError) {
        self.discard_rest();
        let notify = &self.notify;
        self.shared.with(|player, _| {
            if player.has_begun() {
                // A song was playing, so this cannot fail.
                let _ = player.stop();
                notify(Event::Failed(error));
            }
        });
    }
}

/// Writes all of `samples` unless the song is replaced or stopped meanwhile. Returns whether it wrote all.
fn write(output: &mut Output, mut samples: &[i16], is_wanted: impl Fn() -> bool) -> Result<bool, OutputError> {
    loop {
        match output.write(samples)? {
            Written::All => return Ok(true),
            Written::Interrupted { .. } if !is_wanted() => return Ok(false),
            Written::Interrupted { taken } => samples = &samples[taken..],
        }
    }
}

/// Writes `samples` samples of silence, like [`write`].
fn write_silence(output: &mut Output, samples: u64, is_wanted: impl Fn() -> bool) -> Result<bool, OutputError> {
    let mut left = samples;
    while left > 0 {
        let count = left.min(PCM_SAMPLES as u64);
        if !write(output, &[0; PCM_SAMPLES][..count as usize], &is_wanted)? {
            return Ok(false);
        }
        left -= count;
    }
    Ok(true)
}
