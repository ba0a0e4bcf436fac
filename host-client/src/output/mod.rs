//! Sound outputs: a sound device, a WAV file, or a null output in real time.
//!
//! ```text
//!             decoder thread                       │        audio callback, or a clock's thread
//!  Output::write → convert → ring (400 ms or four ─┼─→ Callback::fill: discard, pause, volume, count → device
//!                            of the device's periods)
//!                 Controls (any thread): atomics for both sides, a condition variable for the producer
//! ```
//!
//! [`Output`] belongs to the one thread that produces samples. Any thread may use [`Controls`]. Pause, volume, stop and a
//! switch act in the callback, behind the ring, so they are heard at once. The ring is short: the buffer against network
//! delays holds compressed bytes and comes before the decoder.
//!
//! # Playing songs
//!
//! `start` sets a song's format, `write` takes its samples, `drain` waits until the last sample was heard. A song that
//! starts without a drain or discard follows the previous song without a gap.
//!
//! To **switch**, the producer calls [`Output::discard`] and starts the next song. No sample of the old song can follow,
//! because the same thread writes. Another thread that switches first changes the state that tells the producer what to
//! play. Then it calls [`Controls::interrupt`], or [`Controls::discard`] to drop the queued samples too. The next `write`
//! or `drain` returns `Interrupted` once, and the producer reads that state again before it goes on.
//!
//! Only `device` uses cpal.

mod callback;
mod controls;
mod convert;
mod device;
mod null;
mod open_stream;
mod queue;
mod stream_output;
mod target;
mod unheard;
mod wav;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use controls::Controls;
use controls::OutputState;
pub use device::{DeviceEntry, list_devices};
use queue::Sink;
use stream_output::StreamOutput;
pub use target::{OutputTarget, ParseTargetError};
use wav::{Destination, Wav};

/// Rate and channels of interleaved 16-bit samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcmFormat {
    /// Frames per second, 1,000 to 384,000.
    pub rate: u32,
    /// Samples per frame. A song has 1 or 2; a device may have more.
    pub channels: u16,
}

/// The result of [`Output::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "samples that were not taken must be written again or dropped"]
pub enum Written {
    /// All samples were taken.
    All,
    /// Another thread interrupted or discarded. Check what to play; to go on with the same song, write the rest.
    Interrupted {
        /// Samples (not frames) taken from the front. After a discard they will not be heard.
        taken: usize,
    },
}

/// The result of [`Output::drain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an interrupted drain has not waited for the end"]
pub enum Drained {
    /// Everything written was heard.
    Heard,
    /// Another thread interrupted or discarded. Check what to play; drain again if nothing changed.
    Interrupted,
}

/// An open device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The system's name for it.
    pub name: String,
    /// The format it was opened with.
    pub format: PcmFormat,
    /// Frames per callback that were requested: 20 ms, or the device's minimum if that is longer.
    pub asked_frames: u32,
    /// Frames per callback that the system granted.
    pub granted_frames: u32,
}

/// A change of the output for the user. `Display` gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A device was opened.
    Opened(Device),
    /// The device takes no samples, but the system does not report it lost. It may be suspended.
    Stalled {
        /// The system's name for it.
        name: String,
    },
    /// The device takes samples again.
    Resumed {
        /// The system's name for it.
        name: String,
    },
    /// The device is gone, and the first attempt to open it again failed. Attempts go on for half a minute.
    Lost {
        /// The system's name for it.
        name: String,
    },
    /// The device is back, or another replaced it. The music goes on where it stopped.
    Restored(Device),
}

/// Receives each [`Notice`]. Called on the producer's thread, never in an audio callback.
type Notify = Box<dyn Fn(Notice) + Send>;

/// Why there is no sound. `Display` gives one line.
#[derive(Debug)]
pub enum OutputError {
    /// The machine has no sound device that can be opened. Tell the user about the other outputs (`wav:`, `null`).
    NoDevice {
        /// The system's message. `Display` leaves it out because it explains little.
        reason: String,
    },
    /// No device has the requested name. Show the known ones.
    UnknownDevice {
        /// The requested name.
        name: String,
        /// Ids of the known devices.
        known: Vec<String>,
    },
    /// The device exists but cannot be opened now (busy, no permission, no usable format). Retrying may help.
    DeviceRefused {
        /// The system's name for it.
        name: String,
        /// The system's message.
        reason: String,
    },
    /// The device went away and nothing replaced it. Drop the song; the next one may find a device.
    DeviceLost {
        /// The system's name for it.
        name: String,
    },
    /// The WAV file cannot be created or written. Give up.
    File {
        /// The file, or `standard output`.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The WAV file has reached the format's limit of 4 GiB. It is valid up to here. Give up.
    FileFull {
        /// The file.
        path: PathBuf,
    },
    /// Songs of this format cannot be played. Go on with the next song.
    UnsupportedFormat(PcmFormat),
    /// The caller used `write` or `drain` before the first `start`.
    NotStarted,
}

/// A sound output, owned by the thread that produces samples.
///
/// Dropping it stops the sound at once. Call [`drain`](Self::drain) first to hear the end.
pub struct Output {
    sink: Box<dyn Sink>,
    controls: Controls,
}

impl Output {
    /// Opens the output `target`. `notify` is called for each [`Notice`], on the thread that owns the output.
    ///
    /// This looks a device up; the first [`start`](Self::start), which knows the rate, opens it. The first sample creates
    /// a WAV file. An existing file is replaced at the end of the first song, so that a full disk does not lose it.
    ///
    /// # Errors
    ///
    /// [`NoDevice`](OutputError::NoDevice), [`UnknownDevice`](OutputError::UnknownDevice) or
    /// [`File`](OutputError::File).
    pub fn open(
        target: &OutputTarget,
        notify: impl Fn(Notice) + Send + 'static,
    ) -> Result<(Self, Controls), OutputError> {
        let state = OutputState::new();
        let controls = Controls::new(state.clone());
        let stream = |driver| Box::new(StreamOutput::new(driver, Box::new(notify), state.clone()));
        let sink: Box<dyn Sink> = match target {
            OutputTarget::DefaultDevice => stream(Box::new(device::DeviceDriver::find(None)?)),
            OutputTarget::Device(name) => stream(Box::new(device::DeviceDriver::find(Some(name))?)),
            OutputTarget::Null => stream(Box::new(null::NullDriver)),
            OutputTarget::Wav(path) => Box::new(Wav::new(Destination::Path(path.clone()), state)?),
            OutputTarget::WavToStdout => Box::new(Wav::new(Destination::Stdout, state)?),
        };
        Ok((Self { sink, controls: controls.clone() }, controls))
    }

    /// Starts a song of `format`.
    ///
    /// If the open device can play this format, the song follows the last one without a gap. Otherwise the device plays
    /// the last song to its end and is opened again.
    ///
    /// # Errors
    ///
    /// [`UnsupportedFormat`](OutputError::UnsupportedFormat), or the reason why the device could not be opened.
    pub fn start(&mut self, format: PcmFormat) -> Result<(), OutputError> {
        if !(1_000..=384_000).contains(&format.rate) || !(1..=2).contains(&format.channels) {
            return Err(OutputError::UnsupportedFormat(format));
        }
        self.sink.start(format)
    }

    /// Takes interleaved samples of the song in whole frames; drops an incomplete frame at the end. Blocks while the ring
    /// is full or, for a WAV file, while paused.
    ///
    /// # Errors
    ///
    /// [`DeviceLost`](OutputError::DeviceLost) when no device replaced a lost one,
    /// [`File`](OutputError::File) or [`FileFull`](OutputError::FileFull), [`NotStarted`](OutputError::NotStarted).
    pub fn write(&mut self, samples: &[i16]) -> Result<Written, OutputError> {
        self.sink.write(samples)
    }

    /// Blocks until everything written was heard, the device's latency included; for a WAV file, until it is on disk.
    /// Call this after the last song: without it, the empty ring counts as an underrun.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn drain(&mut self) -> Result<Drained, OutputError> {
        self.sink.drain()
    }

    /// Drops all queued samples. Unlike [`Controls::discard`], it does not interrupt the next `write`, whose samples are
    /// the first to be heard.
    pub fn discard(&mut self) {
        self.controls.discard();
        self.sink.queue().acknowledge();
    }

    /// Closes the device after its last sound was heard; the next `start` opens it again. Use it when there is nothing to
    /// play, because an open device plays silence and keeps waking the callback.
    pub fn release(&mut self) {
        self.sink.release();
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("controls", &self.controls).finish_non_exhaustive()
    }
}

impl fmt::Display for PcmFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.channels {
            1 => write!(f, "{} Hz mono", self.rate),
            2 => write!(f, "{} Hz stereo", self.rate),
            channels => write!(f, "{} Hz, {channels} channels", self.rate),
        }
    }
}

impl Device {
    /// The duration of a callback of `frames`.
    fn period(&self, frames: u32) -> Duration {
        Duration::from_secs_f64(f64::from(frames) / f64::from(self.format.rate.max(1)))
    }

    /// The requested period, as a duration.
    pub fn asked_period(&self) -> Duration {
        self.period(self.asked_frames)
    }

    /// The granted period, as a duration.
    pub fn granted_period(&self) -> Duration {
        self.period(self.granted_frames)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |period: Duration| period.as_secs_f64() * 1000.0;
        write!(
            f,
            "{}, {}, buffer {:.1} ms asked, {:.1} ms granted",
            self.name,
            self.format,
            ms(self.asked_period()),
            ms(self.granted_period())
        )
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened(device) => write!(f, "sound device: {device}"),
            Self::Stalled { name } => write!(f, "sound device {name} is stalled; is it suspended?"),
            Self::Resumed { name } => write!(f, "sound device {name} is running again"),
            Self::Lost { name } => write!(f, "sound device lost: {name}; trying to open it again"),
            Self::Restored(device) => write!(f, "sound device back: {device}"),
        }
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice { .. } => {
                f.write_str("no sound device: connect one or start a sound server, or use --output=wav:PATH")
            }
            Self::UnknownDevice { name, known } if known.is_empty() => {
                write!(f, "no sound device {name:?}, and no other device")
            }
            Self::UnknownDevice { name, known } => {
                write!(f, "no sound device {name:?}; known devices: {}", known.join(", "))
            }
            Self::DeviceRefused { name, reason } => write!(f, "cannot open sound device {name}: {reason}"),
            Self::DeviceLost { name } => write!(f, "sound device {name} was lost and did not come back"),
            Self::File { path, source } => write!(f, "cannot write {}: {source}", path.display()),
            Self::FileFull { path } => write!(f, "{} is full: a WAV file ends at 4 GiB", path.display()),
            Self::UnsupportedFormat(format) => write!(f, "cannot play {format}"),
            Self::NotStarted => f.write_str("samples written before a song was started"),
        }
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
