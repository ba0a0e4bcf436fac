//! The decode loop: a thread that decodes compressed bytes and writes the samples to the output.
//!
//! ```text
//!   Player's buffer ──▶ Decoder ──▶ Playback: begin? trim? over? ──▶ Output
//! ```
//!
//! Only this thread writes to the [`Output`]. It plays a song as long as that song is the first in the player. A switch or a
//! stop discards the output's samples under the player's lock, and this thread writes no more of the old song. So no sample
//! of the old song follows a switch, in any order of the threads. Pause and volume go directly to [`Controls`].

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use trill_player::{Ticket, Track, Transition};
use trill_proto::decoder::{Decoded, Frame, FrameDecoder, LOOKAHEAD_BYTES, PCM_SAMPLES};
use trill_proto::ids::SongId;
use trill_proto::message::Started;
use trill_proto::playback::{Action, Opening, Playback};
use trill_proto::ticks::Ticks;
use trill_proto::time;

use crate::decoder::Decoder;
use crate::output::{Controls, Drained, Output, OutputError, PcmFormat, Written};
use crate::shared::{NextSong, Shared};

/// How long a device stays open without a song.
const IDLE: Duration = Duration::from_secs(10);

/// How often to check, while waiting for bytes, whether the output is empty.
const DRY_POLL: Duration = Duration::from_millis(20);

/// The range of MP3's sample rates (ISO/IEC 11172-3, 13818-3 and the 2.5 extension).
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Progress of the songs.
#[derive(Debug)]
pub enum Event {
    /// A song begins, or goes on from another position.
    Began {
        /// The song.
        song: SongId,
        /// The song differs from the one before.
        is_new: bool,
    },
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
            decoder: Decoder::new(),
            ended: None,
            front: vec![0; LOOKAHEAD_BYTES],
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
    decoder: Decoder,
    /// The last song, if it was played to its end.
    ended: Option<Playback>,
    front: Vec<u8>,
    pcm: Box<[i16; PCM_SAMPLES]>,
}

/// The song that is played.
struct CurrentSong {
    ticket: Ticket,
    started: Started,
    playback: Playback,
    opening: Opening,
    /// When the user asked for it; `None` after its first sample was written.
    asked: Option<time::Instant>,
    /// The decoder has produced samples.
    has_sound: bool,
}

/// How a song ended.
enum Outcome {
    /// It was heard to its end, or the next song follows it.
    Heard,
    /// It was replaced or stopped.
    Unwanted,
}

/// The front of a song in the player's buffer, and what to do with it.
struct Front {
    /// Bytes copied from the buffer.
    copied: usize,
    /// Bytes received since the song began.
    received: u64,
    /// No more bytes will arrive.
    is_over: bool,
    /// The whole song has arrived, and some of it should be heard.
    is_complete: bool,
    /// The copy holds all remaining bytes of the song.
    is_end: bool,
    action: Action,
}

impl Worker {
    fn run(mut self) {
        loop {
            match self.shared.wait_for_song(IDLE) {
                NextSong::Closed => return,
                NextSong::Idle => self.output.release(),
                NextSong::Play(track) => self.play(&track),
            }
        }
    }

    fn play(&mut self, track: &Track) {
        let ticket = track.item.ticket;
        let outcome = self.play_to_end(track);
        if !matches!(outcome, Ok(Outcome::Heard)) {
            self.output.discard();
        }
        let notify = &self.notify;
        self.shared.with_song(ticket, |player, _| match outcome {
            Ok(_) => {
                player.handle_finished();
                notify(Event::Finished);
            }
            Err(error) => {
                // A song was playing, so this cannot fail.
                let _ = player.stop();
                notify(Event::Failed(error));
            }
        });
    }

    fn play_to_end(&mut self, track: &Track) -> Result<Outcome, OutputError> {
        let &Track { item, started, .. } = track;
        let ended = self.ended.take().filter(|_| item.transition == Transition::Follow);
        if ended.is_none_or(|ended| !ended.continues_into(&started)) {
            self.decoder.reset();
        }
        let ticket = item.ticket;
        let (playback, opening) = (Playback::new(&started), Opening::default());
        let mut song = CurrentSong { ticket, started, playback, opening, asked: item.asked, has_sound: false };
        self.begin(&song)?;
        loop {
            let Some(front) = self.inspect(&mut song) else { return Ok(Outcome::Unwanted) };
            match front.action {
                Action::Wait => self.wait(&mut song, &front),
                Action::Decode => self.decode(&mut song, &front)?,
                Action::Drain if !front.is_over => self.skip_rest(&mut song, &front)?,
                Action::Drain => {
                    if !song.has_sound && front.is_complete {
                        (self.notify)(Event::Undecodable(started.song));
                    }
                    let outcome = self.drain(ticket)?;
                    self.ended = Some(song.playback).filter(|_| matches!(outcome, Outcome::Heard));
                    return Ok(outcome);
                }
            }
        }
    }

    /// Opens the device, if necessary, while the first bytes arrive.
    fn begin(&mut self, song: &CurrentSong) -> Result<(), OutputError> {
        let Started { rate, channels, .. } = song.started;
        // The server's figures may be wrong, or missing for a song without audio. Then the first frame gives the format.
        let is_plausible = SAMPLE_RATES.contains(&rate) && (1..=2).contains(&channels);
        self.format = is_plausible.then_some(PcmFormat { rate, channels: channels.into() });
        if let Some(format) = self.format {
            self.output.start(format)?;
        }
        let notify = &self.notify;
        let number = song.started.song;
        self.shared.with_song(song.ticket, |player, _| {
            notify(Event::Began { song: number, is_new: player.handle_began() });
        });
        Ok(())
    }

    /// Copies the front of the song and decides what to do with it. `None` if the song was replaced or stopped.
    fn inspect(&mut self, song: &mut CurrentSong) -> Option<Front> {
        let front = &mut self.front;
        self.shared.with_song(song.ticket, |player, now| {
            let track = player.first()?;
            let Track { received, is_over, .. } = *track;
            let is_complete = track.is_complete();
            if is_over {
                // A song that ended early has no more bytes than these.
                song.playback.on_ended(received);
            }
            let bytes = player.front();
            let copied = bytes.len().min(front.len());
            front[..copied].copy_from_slice(&bytes[..copied]);
            let is_end = is_over && copied == bytes.len();
            let action = song.playback.next_action(&player.supply(now));
            player.set_buffering(song.playback.is_buffering());
            Some(Front { copied, received, is_over, is_complete, is_end, action })
        })?
    }

    fn wait(&self, song: &mut CurrentSong, front: &Front) {
        self.shared.wait_for_more(song.ticket, front.received, DRY_POLL);
        if self.controls.queued_frames() == 0 {
            song.playback.on_dry();
        }
    }

    /// Drops the bytes after the last sample. The next song can be requested when all of them have arrived.
    fn skip_rest(&mut self, song: &mut CurrentSong, front: &Front) -> Result<(), OutputError> {
        self.shared.with_song(song.ticket, |player, _| player.consume(player.front().len()));
        if self.format.is_some() && self.output.drain()? == Drained::Interrupted {
            return Ok(());
        }
        self.wait(song, front);
        Ok(())
    }

    /// Removes decoded bytes from the buffer.
    fn consume(&self, ticket: Ticket, bytes: usize) {
        self.shared.with_song(ticket, |player, _| player.consume(bytes));
    }

    fn decode(&mut self, song: &mut CurrentSong, front: &Front) -> Result<(), OutputError> {
        match self.decoder.decode(&self.front[..front.copied], front.is_end, &mut self.pcm) {
            Decoded::Frame(frame) => {
                self.consume(song.ticket, frame.consumed);
                song.has_sound |= frame.samples > 0;
                self.output_frame(song, &frame)
            }
            Decoded::Junk { consumed } => {
                self.consume(song.ticket, consumed);
                Ok(())
            }
            // Cannot happen: `next_action` found enough bytes.
            Decoded::NeedMore => Ok(()),
        }
    }

    /// Writes the part of a decoded frame that is to be heard.
    fn output_frame(&mut self, song: &mut CurrentSong, frame: &Frame) -> Result<(), OutputError> {
        let channels = usize::from(frame.channels);
        let nominal = frame.nominal_samples;
        if frame.samples < nominal {
            // The frame is damaged or lacks the frames before it. Silence keeps the following frames in time.
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
            let from = position.saturating_sub(Ticks::of_samples(silence, frame.rate));
            self.shared.with_song(song.ticket, |player, _| player.count_from(from, frame.rate));
        }
        let is_wanted = || self.shared.with_song(song.ticket, |_, _| ()).is_some();
        let samples = &self.pcm[heard.start * channels..heard.end * channels];
        let is_written = write_silence(&mut self.output, silence * channels as u64, is_wanted)?
            && write(&mut self.output, samples, is_wanted)?;
        if is_written && let Some(asked) = song.asked.take() {
            let after = self.shared.now().saturating_since(asked);
            (self.notify)(Event::Sounded { song: song.started.song, after });
        }
        Ok(())
    }

    /// Waits until the song was heard, unless another song follows or replaces it.
    fn drain(&mut self, ticket: Ticket) -> Result<Outcome, OutputError> {
        loop {
            match self.shared.with_song(ticket, |player, _| player.is_followed()) {
                None => return Ok(Outcome::Unwanted),
                Some(true) => return Ok(Outcome::Heard),
                Some(false) if self.format.is_none() || self.output.drain()? == Drained::Heard => {
                    return Ok(Outcome::Heard);
                }
                Some(false) => {}
            }
        }
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
