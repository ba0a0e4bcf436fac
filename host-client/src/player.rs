//! The player's thread: compressed bytes in, sound out.
//!
//! ```text
//!   Buffer ──▶ Decoder ──▶ Playback: begin? trim? over? ──▶ Output
//! ```
//!
//! Only this thread writes to the [`Output`], and it takes its orders from the [`Buffer`] alone: a song is played as
//! long as it is the first there. When it is not any more, because another took its place or everything was
//! stopped, this thread discards what the output still holds *before* it looks at what comes next. So not one sample
//! of an old song follows a switch, however the threads interleave. Pause and volume go past it, to [`Controls`].

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use trill_proto::decoder::{Decoded, Frame, FrameDecoder, LOOKAHEAD_BYTES, PCM_SAMPLES};
use trill_proto::message::Started;
use trill_proto::playback::{Action, Opening, Playback, Supply};
use trill_proto::ticks::Ticks;

use crate::buffer::{Arrival, Buffer, CAPACITY_BYTES, Delivery, Join, Ticket, Turn, View};
use crate::decoder::Decoder;
use crate::output::{Controls, Drained, Output, OutputError, PcmFormat, Written};

/// A device with nothing to play is given back after this long.
const IDLE: Duration = Duration::from_secs(10);

/// How often a player that waits for bytes looks whether the output has run dry.
const DRY_POLL: Duration = Duration::from_millis(20);

/// The sample rates that MP3 knows (ISO/IEC 11172-3, 13818-3 and the 2.5 extension).
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// What becomes of the songs.
#[derive(Debug)]
pub enum Event {
    /// It is this song's turn; nothing of another is heard any more, but for the end of one it follows.
    Began(Ticket),
    /// Its first sample went to the output, so long after the user asked for it.
    Sounded {
        /// The song.
        ticket: Ticket,
        /// Since the command.
        after: Duration,
    },
    /// There should have been music in it, and there was none. [`Event::Finished`] follows.
    Undecodable(Ticket),
    /// It was heard to its end, or to where the next song joins it.
    Finished(Ticket),
    /// It cannot be heard.
    Failed {
        /// The song.
        ticket: Ticket,
        /// Why.
        error: OutputError,
    },
}

/// Where the player is in a song.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The song.
    pub ticket: Ticket,
    /// Waiting until enough has arrived.
    pub is_buffering: bool,
    started: Started,
    /// Where in the song the output's position is 0.
    counted_from: Ticks,
    /// Sample rate of what it counts.
    rate: u32,
}

/// A handle on the player's thread. Dropping it ends the sound and waits for the thread.
pub struct Player {
    buffer: Arc<Buffer>,
    controls: Controls,
    progress: Arc<Mutex<Option<Progress>>>,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    /// Plays what comes into `buffer` through `output`, and tells `notify` of it.
    ///
    /// # Errors
    ///
    /// The system's, if it gives no thread.
    pub fn spawn(
        buffer: Arc<Buffer>,
        (output, controls): (Output, Controls),
        notify: impl Fn(Event) + Send + 'static,
    ) -> io::Result<Self> {
        let progress = Arc::new(Mutex::new(None));
        let worker = Worker {
            buffer: buffer.clone(),
            output,
            controls: controls.clone(),
            notify: Box::new(notify),
            progress: progress.clone(),
            format: None,
            decoder: Decoder::new(),
            ended: None,
            front: vec![0; LOOKAHEAD_BYTES],
            pcm: Box::new([0; PCM_SAMPLES]),
        };
        let thread = thread::Builder::new().name("player".into()).spawn(move || worker.run())?;
        buffer.connect_output(controls.clone());
        Ok(Self { buffer, controls, progress, thread: Some(thread) })
    }

    /// Pause, volume, counters.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// Where it is; `None` when nothing is played.
    pub fn progress(&self) -> Option<Progress> {
        *lock(&self.progress)
    }

    /// The time of the music that is heard now.
    pub fn position(&self, progress: &Progress) -> Duration {
        let heard = Ticks::of_samples(self.controls.position_frames(), progress.rate);
        Duration::from_millis(progress.started.millis_at(progress.counted_from.saturating_add(heard)))
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.buffer.close();
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Worker {
    buffer: Arc<Buffer>,
    output: Output,
    controls: Controls,
    notify: Box<dyn Fn(Event) + Send>,
    progress: Arc<Mutex<Option<Progress>>>,
    /// What the output was started with last.
    format: Option<PcmFormat>,
    decoder: Decoder,
    /// The song that was played last, to its end.
    ended: Option<Playback>,
    front: Vec<u8>,
    pcm: Box<[i16; PCM_SAMPLES]>,
}

/// The song at hand.
struct Song {
    ticket: Ticket,
    started: Started,
    playback: Playback,
    opening: Opening,
    /// When the user asked for it, until its first sample went out.
    asked: Option<Instant>,
    /// The decoder made sound of some of it.
    has_sound: bool,
}

impl Song {
    /// Whether all of it has come, something of it should have been heard, and nothing was.
    fn is_undecodable(&self, view: &View) -> bool {
        let Started { position, size_bytes, end_sample, .. } = self.started;
        let is_wanted = position < size_bytes && self.started.first_heard() < end_sample;
        is_wanted && !self.has_sound && view.received >= size_bytes - position
    }
}

/// How a song came to its end.
enum Outcome {
    /// As it should.
    Heard,
    /// It is not wanted any more.
    Unwanted,
}

impl Worker {
    fn run(mut self) {
        loop {
            match self.buffer.wait_for_song(IDLE) {
                Turn::Closed => return,
                Turn::Idle => self.output.release(),
                Turn::Play(arrival) => self.play(arrival),
            }
        }
    }

    fn play(&mut self, arrival: Arrival) {
        let ticket = arrival.ticket;
        let outcome = self.play_to_end(arrival);
        if !matches!(outcome, Ok(Outcome::Heard)) {
            self.output.discard();
        }
        *lock(&self.progress) = None;
        self.buffer.finish(ticket);
        match outcome {
            Ok(Outcome::Heard) => (self.notify)(Event::Finished(ticket)),
            Ok(Outcome::Unwanted) => {}
            Err(error) => (self.notify)(Event::Failed { ticket, error }),
        }
    }

    fn play_to_end(&mut self, arrival: Arrival) -> Result<Outcome, OutputError> {
        let Arrival { ticket, started, asked, join, .. } = arrival;
        let ended = self.ended.take().filter(|_| join == Join::Follow);
        if ended.is_none_or(|ended| !ended.continues_into(&started)) {
            self.decoder.reset();
        }
        let (playback, opening) = (Playback::new(&started), Opening::default());
        let mut song = Song { ticket, started, playback, opening, asked, has_sound: false };
        self.begin(&song)?;
        (self.notify)(Event::Began(ticket));
        loop {
            let Some(view) = self.buffer.peek(ticket, &mut self.front) else { return Ok(Outcome::Unwanted) };
            let action = self.next_action(&mut song, &view);
            self.show_buffering(song.playback.is_buffering());
            match action {
                Action::Wait => self.wait(&mut song, &view),
                Action::Decode => self.decode(&mut song, &view)?,
                Action::Drain => {
                    if song.is_undecodable(&view) {
                        (self.notify)(Event::Undecodable(ticket));
                    }
                    let outcome = self.drain(ticket)?;
                    self.ended = Some(song.playback).filter(|_| matches!(outcome, Outcome::Heard));
                    return Ok(outcome);
                }
            }
        }
    }

    /// Opens the device, if need be, while the first bytes are on their way.
    fn begin(&mut self, song: &Song) -> Result<(), OutputError> {
        let Started { rate, channels, .. } = song.started;
        // What a server says may be wrong, and of a song without audio it says nothing: the frames will tell.
        let is_plausible = SAMPLE_RATES.contains(&rate) && (1..=2).contains(&channels);
        self.format = is_plausible.then_some(PcmFormat { rate, channels: channels.into() });
        if let Some(format) = self.format {
            self.output.start(format)?;
        }
        self.count_from(song, song.started.position_of(song.started.first_heard()), rate);
        Ok(())
    }

    fn next_action(&self, song: &mut Song, view: &View) -> Action {
        // Of interest only to a decision that is still to be made.
        let delivery = song.playback.is_buffering().then(|| self.buffer.delivery(song.ticket)).flatten();
        let Delivery { bytes_per_second, round_trip } =
            delivery.unwrap_or(Delivery { bytes_per_second: 0, round_trip: Duration::ZERO });
        let supply = Supply {
            buffered: view.buffered,
            received: view.received,
            capacity: CAPACITY_BYTES as usize,
            delivery_rate: bytes_per_second,
            round_trip,
        };
        if view.is_over {
            // Perhaps before its time: then what is here is all there is.
            song.playback.on_ended(view.received);
        }
        song.playback.next_action(&supply)
    }

    fn wait(&self, song: &mut Song, view: &View) {
        self.buffer.wait_for_more(song.ticket, view.received, DRY_POLL);
        if self.controls.queued_frames() == 0 {
            song.playback.on_dry();
        }
    }

    fn decode(&mut self, song: &mut Song, view: &View) -> Result<(), OutputError> {
        let at_end = view.is_over && view.copied == view.buffered;
        match self.decoder.decode(&self.front[..view.copied], at_end, &mut self.pcm) {
            Decoded::Frame(frame) => {
                self.buffer.consume(song.ticket, frame.consumed);
                song.has_sound |= frame.samples > 0;
                self.put(song, &frame)
            }
            Decoded::Junk { consumed } => {
                self.buffer.consume(song.ticket, consumed);
                Ok(())
            }
            // Not after `next_action` found enough.
            Decoded::NeedMore => Ok(()),
        }
    }

    /// Puts out what is to be heard of a decoded frame.
    fn put(&mut self, song: &mut Song, frame: &Frame) -> Result<(), OutputError> {
        let channels = usize::from(frame.channels);
        let nominal = frame.nominal_samples;
        if frame.samples < nominal {
            // Damaged, or without the frames before it: as long as it stands for, so that what follows is in time.
            self.pcm[frame.samples * channels..nominal * channels].fill(0);
        }
        let begins = song.playback.position();
        let heard = song.playback.on_frame(nominal, frame.rate);
        if heard.is_empty() {
            return Ok(());
        }
        let position = begins.saturating_add(Ticks::of_samples(heard.start as u64, frame.rate));
        let Some(silence) = song.opening.on_frame(position, frame.rate, frame.samples > 0) else { return Ok(()) };
        let format = PcmFormat { rate: frame.rate, channels: frame.channels.into() };
        if self.format != Some(format) {
            self.output.start(format)?;
            self.format = Some(format);
            self.count_from(song, position.saturating_sub(Ticks::of_samples(silence, frame.rate)), frame.rate);
        }
        let is_wanted = || self.buffer.is_first(song.ticket);
        let samples = &self.pcm[heard.start * channels..heard.end * channels];
        let is_written = write_silence(&mut self.output, silence * channels as u64, is_wanted)?
            && write(&mut self.output, samples, is_wanted)?;
        if is_written && let Some(asked) = song.asked.take() {
            (self.notify)(Event::Sounded { ticket: song.ticket, after: asked.elapsed() });
        }
        Ok(())
    }

    /// Lets the end be heard, unless another song joins it or takes its place.
    fn drain(&mut self, ticket: Ticket) -> Result<Outcome, OutputError> {
        loop {
            if !self.buffer.is_first(ticket) {
                return Ok(Outcome::Unwanted);
            }
            if self.format.is_none() || self.buffer.is_followed(ticket) || self.output.drain()? == Drained::Heard {
                return Ok(Outcome::Heard);
            }
        }
    }

    fn count_from(&self, song: &Song, position: Ticks, rate: u32) {
        *lock(&self.progress) = Some(Progress {
            ticket: song.ticket,
            is_buffering: song.playback.is_buffering(),
            started: song.started,
            counted_from: position,
            rate,
        });
    }

    fn show_buffering(&self, is_buffering: bool) {
        if let Some(progress) = lock(&self.progress).as_mut() {
            progress.is_buffering = is_buffering;
        }
    }
}

/// Writes all of `samples`, as long as they are wanted. Returns whether they still were.
fn write(output: &mut Output, mut samples: &[i16], is_wanted: impl Fn() -> bool) -> Result<bool, OutputError> {
    loop {
        match output.write(samples)? {
            Written::All => return Ok(true),
            Written::Interrupted { .. } if !is_wanted() => return Ok(false),
            Written::Interrupted { taken } => samples = &samples[taken..],
        }
    }
}

/// As [`write`], so many samples of silence.
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

fn lock(progress: &Mutex<Option<Progress>>) -> MutexGuard<'_, Option<Progress>> {
    // Plain values: nobody leaves them half changed.
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
