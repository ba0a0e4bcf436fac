//! Where decoded sound goes: a sound device, a WAV file, or nowhere at the pace of a clock.
//!
//! ```text
//!             decoder thread                       │        audio callback, or a clock's thread
//!  Output::write → convert → ring (400 ms or four ─┼─→ Callback::fill: discard, pause, volume, count → device
//!                            of the device's periods)
//!                 Controls (any thread): atomics for both sides, a condition variable for the producer
//! ```
//!
//! [`Output`] belongs to the one thread that produces samples. [`Controls`] is for everybody. The ring is short, and
//! pause, volume, stop and a switch act in the callback, so they are heard at once; what is buffered against the network is
//! compressed and lies before the decoder.
//!
//! # Playing songs
//!
//! `start` announces a song's format, `write` takes its samples, `drain` waits until the last was heard. A song
//! started without draining or discarding the one before follows it without a gap.
//!
//! To **switch**, the producer itself calls [`Output::discard`] and starts the next song: as the same thread writes,
//! not one sample of the old song can follow. If another thread decides on the switch, it first changes whatever
//! the producer looks at for its orders and then calls [`Controls::interrupt`], so that a producer waiting for room
//! looks there now; or [`Controls::discard`], which also silences what is queued. Either way the next `write` or
//! `drain` returns `Interrupted` once, and the producer looks at its orders before it goes on.
//!
//! Only `device` knows cpal.

mod callback;
mod controls;
mod convert;
mod device;
mod null;
mod open_stream;
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

/// How far [`Output::write`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "samples not taken have to be written again, or given up"]
pub enum Written {
    /// All samples were taken.
    All,
    /// Somebody interrupted or discarded: look at your orders. To go on with the same song, write the rest.
    Interrupted {
        /// Samples (not frames) taken from the front. After a discard they will not be heard.
        taken: usize,
    },
}

/// How [`Output::drain`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an interrupted drain has not waited for the end"]
pub enum Drained {
    /// Everything written was heard.
    Heard,
    /// Somebody interrupted or discarded: look at your orders, drain again if nothing changed.
    Interrupted,
}

/// A device in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What the system calls it.
    pub name: String,
    /// The format it was opened with.
    pub format: PcmFormat,
    /// Frames per callback that were asked for: 20 ms, or the device's least if that is more.
    pub asked_frames: u32,
    /// Frames per callback that the system granted.
    pub granted_frames: u32,
}

/// Something a user may want to be told. `Display` says it in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A device was opened.
    Opened(Device),
    /// The device takes no samples, but the system does not say that it is gone. Perhaps it is suspended.
    Stalled {
        /// What the system calls it.
        name: String,
    },
    /// The device takes samples again.
    Resumed {
        /// What the system calls it.
        name: String,
    },
    /// The device is gone, and opening it again failed: that is tried for up to half a minute.
    Lost {
        /// What the system called it.
        name: String,
    },
    /// A device is back, or another took its place: the music goes on where it broke off.
    Restored(Device),
}

/// Whom to tell a [`Notice`]. Called on the producer's thread, never in an audio callback.
type Notify = Box<dyn Fn(Notice) + Send>;

/// Why there is no sound. `Display` says it in one line.
#[derive(Debug)]
pub enum OutputError {
    /// The machine has no sound device, or none that can be opened: say so, and what else there is (`wav:`, `null`).
    NoDevice {
        /// What the system said. It explains little, so `Display` leaves it out.
        reason: String,
    },
    /// No device has the name asked for: show the known ones.
    UnknownDevice {
        /// The name asked for.
        name: String,
        /// Ids of the devices there are.
        known: Vec<String>,
    },
    /// The device is there but cannot be opened now (busy, no permission, no usable format). Retrying may help.
    DeviceRefused {
        /// What the system calls it.
        name: String,
        /// What the system said.
        reason: String,
    },
    /// The device went away and nothing took its place. The song is lost; the next may find a device again.
    DeviceLost {
        /// What the system called it.
        name: String,
    },
    /// The WAV cannot be created or written. Give it up.
    File {
        /// The file, or `standard output`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The WAV file is at the format's limit of 4 GiB. What was written is whole; give it up.
    FileFull {
        /// The file.
        path: PathBuf,
    },
    /// A song of this format cannot be played. The next one may.
    UnsupportedFormat(PcmFormat),
    /// `write` or `drain` before the first `start`: a mistake of the caller.
    NotStarted,
}

/// The way to the ear, or to a file. Owned by the thread that produces samples.
///
/// Dropping it stops the sound at once; [`drain`](Self::drain) first to hear the end.
pub struct Output {
    sink: Sink,
    controls: Controls,
}

enum Sink {
    Stream(StreamOutput),
    Wav(Wav),
}

impl Output {
    /// Opens what `target` asks for. `notify` is told of devices opened, lost and restored, on the thread that owns
    /// the output.
    ///
    /// A device is looked up now, and opened by the first [`start`](Self::start), which knows the rate. A WAV file is
    /// created with the first sample, and replaces an existing one then.
    ///
    /// # Errors
    ///
    /// [`NoDevice`](OutputError::NoDevice), [`UnknownDevice`](OutputError::UnknownDevice) or
    /// [`File`](OutputError::File).
    pub fn open(
        target: &OutputTarget,
        notify: impl Fn(Notice) + Send + 'static,
    ) -> Result<(Self, Controls), OutputError> {
        let shared = OutputState::new();
        let controls = Controls::new(shared.clone());
        let stream = |driver| Sink::Stream(StreamOutput::new(driver, Box::new(notify), shared.clone()));
        let sink = match target {
            OutputTarget::DefaultDevice => stream(Box::new(device::DeviceDriver::find(None)?)),
            OutputTarget::Device(name) => stream(Box::new(device::DeviceDriver::find(Some(name))?)),
            OutputTarget::Null => stream(Box::new(null::NullDriver)),
            OutputTarget::Wav(path) => Sink::Wav(Wav::new(Destination::Path(path.clone()), shared)?),
            OutputTarget::WavToStdout => Sink::Wav(Wav::new(Destination::Stdout, shared)?),
        };
        Ok((Self { sink, controls: controls.clone() }, controls))
    }

    /// What follows is a song of `format`.
    ///
    /// If the device plays it as it is opened, nothing is flushed or waited for: the song follows the last one
    /// without a gap. A device that has to be opened anew first plays what it was given.
    ///
    /// # Errors
    ///
    /// [`UnsupportedFormat`](OutputError::UnsupportedFormat), or why the device could not be opened.
    pub fn start(&mut self, format: PcmFormat) -> Result<(), OutputError> {
        if !(1_000..=384_000).contains(&format.rate) || !(1..=2).contains(&format.channels) {
            return Err(OutputError::UnsupportedFormat(format));
        }
        match &mut self.sink {
            Sink::Stream(stream) => stream.start(format),
            Sink::Wav(wav) => wav.start(format),
        }
    }

    /// Takes interleaved samples of the song, whole frames (half a frame at the end is dropped). Blocks while the
    /// ring is full or, for a WAV file, while paused.
    ///
    /// # Errors
    ///
    /// [`DeviceLost`](OutputError::DeviceLost) when no device took a lost one's place,
    /// [`File`](OutputError::File) or [`FileFull`](OutputError::FileFull), [`NotStarted`](OutputError::NotStarted).
    pub fn write(&mut self, samples: &[i16]) -> Result<Written, OutputError> {
        match &mut self.sink {
            Sink::Stream(stream) => stream.write(samples),
            Sink::Wav(wav) => wav.write(samples),
        }
    }

    /// Blocks until everything written was heard, the device's latency included; for a WAV file, until it is on
    /// disk. Say so at the end of the last song, else the ring running dry counts as an underrun.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn drain(&mut self) -> Result<Drained, OutputError> {
        match &mut self.sink {
            Sink::Stream(stream) => stream.drain(),
            Sink::Wav(wav) => wav.drain(),
        }
    }

    /// [`Controls::discard`] by the producer itself, which therefore need not be interrupted: the samples written
    /// next are the first to be heard.
    pub fn discard(&mut self) {
        self.controls.discard();
        match &mut self.sink {
            Sink::Stream(stream) => stream.acknowledge(),
            Sink::Wav(wav) => wav.acknowledge(),
        }
    }

    /// Gives the device back, after its last sound was heard; the next `start` opens it again. For a player with
    /// nothing to play: an open device is fed silence all the time.
    pub fn release(&mut self) {
        if let Sink::Stream(stream) = &mut self.sink {
            stream.close();
        }
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
    /// How long a callback of `frames` lasts.
    fn period(&self, frames: u32) -> Duration {
        Duration::from_secs_f64(f64::from(frames) / f64::from(self.format.rate.max(1)))
    }

    /// The period asked for: the buffer's length in time.
    pub fn asked_period(&self) -> Duration {
        self.period(self.asked_frames)
    }

    /// The period granted.
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
            Self::Stalled { name } => write!(f, "sound device {name} takes no sound for now; is it suspended?"),
            Self::Resumed { name } => write!(f, "sound device {name} takes sound again"),
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
                write!(f, "no sound device `{name}`, nor any other")
            }
            Self::UnknownDevice { name, known } => {
                write!(f, "no sound device `{name}`; there are: {}", known.join(", "))
            }
            Self::DeviceRefused { name, reason } => write!(f, "cannot open sound device {name}: {reason}"),
            Self::DeviceLost { name } => write!(f, "sound device lost and not back: {name}"),
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
