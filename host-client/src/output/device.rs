//! Sound devices through cpal. No other module uses cpal.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, ErrorKind, FromSample, Host, SampleFormat, SizedSample, StreamConfig};
use cpal::{SupportedBufferSize, SupportedStreamConfigRange};

use super::callback::Callback;
use super::controls::OutputState;
use super::stream_output::{Driver, Stream};
use super::{Device, OutputError, PcmFormat};

/// Requested callbacks per second. 20 ms is short enough that a command is heard at once, and long enough for a busy machine.
const PERIODS_PER_SECOND: u32 = 50;

/// How long cpal waits for a device before it checks whether the device still exists.
const POLL: Duration = Duration::from_millis(500);

/// How long to wait for a stream to close. Usually it takes a few milliseconds.
const HANG: Duration = Duration::from_secs(1);

/// Frames converted at a time for a device that does not take 16-bit samples.
const SCRATCH_FRAMES: usize = 1024;

/// A device that the user can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceEntry {
    /// The name for `device:NAME`: unique and stable.
    pub id: String,
    /// The system's name for it.
    pub name: String,
    /// Whether this is the default device.
    pub is_default: bool,
}

/// Lists the usable sound devices of this machine: the sinks of a sound server, or else ALSA's devices.
///
/// # Errors
///
/// [`OutputError::NoDevice`] if the system cannot list them.
pub fn list_devices() -> Result<Vec<DeviceEntry>, OutputError> {
    keep_libasound_quiet();
    let host = cpal::default_host();
    let default = default_device(&host).ok().and_then(|device| device.id().ok());
    let entries = host.output_devices().map_err(no_device)?.filter(is_offered).filter_map(|device| {
        let id = device.id().ok()?;
        Some(DeviceEntry {
            name: device.to_string(),
            is_default: Some(&id) == default.as_ref(),
            id: id.id().to_owned(),
        })
    });
    Ok(entries.collect())
}

/// Opens streams on one device or on its replacement.
pub(super) struct DeviceDriver {
    /// `None` for the default device.
    wanted: Option<String>,
    /// Kept open, because each host may be a connection to a sound server with its own thread.
    host: Host,
    found: Found,
}

/// A device and its capabilities.
struct Found {
    device: cpal::Device,
    configs: Vec<SupportedStreamConfigRange>,
    /// The rate for songs whose own rate it does not support.
    default_rate: u32,
}

impl DeviceDriver {
    /// Finds the device with the id or name `wanted`, or the default device, and reads its capabilities.
    ///
    /// # Errors
    ///
    /// [`OutputError::NoDevice`], [`OutputError::UnknownDevice`], [`OutputError::DeviceRefused`].
    pub(super) fn find(wanted: Option<&str>) -> Result<Self, OutputError> {
        keep_libasound_quiet();
        let host = cpal::default_host();
        let device = match wanted {
            None => default_device(&host)?,
            Some(name) => named_device(&host, name)?,
        };
        let found = Found::probe(device).map_err(|error| match (error, wanted) {
            // The user did not name the default device.
            (OutputError::DeviceRefused { reason, .. }, None) => OutputError::NoDevice { reason },
            (error, _) => error,
        })?;
        Ok(Self { wanted: wanted.map(str::to_owned), host, found })
    }
}

impl Found {
    fn probe(device: cpal::Device) -> Result<Self, OutputError> {
        let refused = |error| refused(&device, error);
        let configs = device.supported_output_configs().map_err(refused)?.collect();
        let default_rate = device.default_output_config().map_err(refused)?.sample_rate();
        Ok(Self { device, configs, default_rate })
    }
}

impl Driver for DeviceDriver {
    fn negotiate(&mut self, song: PcmFormat) -> Result<PcmFormat, OutputError> {
        let Found { device, configs, default_rate } = &self.found;
        let choice = choose(configs, song.rate).or_else(|| choose(configs, *default_rate));
        let choice = choice.ok_or_else(|| refused(device, "it supports no known sample format"))?;
        Ok(PcmFormat { rate: choice.rate, channels: choice.range.channels() })
    }

    fn open(
        &mut self,
        format: PcmFormat,
        callback: &mut dyn FnMut() -> Callback,
    ) -> Result<(Box<dyn Stream>, Device), OutputError> {
        keep_libasound_quiet();
        let Found { device, configs, .. } = &self.found;
        let range = choose(configs, format.rate).ok_or_else(|| refused(device, "it changed"))?.range;
        let asked_frames = period(format.rate, range.buffer_size());
        let stream = with_fallback(asked_frames, |buffer_size| {
            let config = StreamConfig { channels: format.channels, sample_rate: format.rate, buffer_size };
            build(device, config, range.sample_format(), callback())
        });
        let stream = stream.map_err(|error| refused(device, error))?;
        stream.play().map_err(|error| refused(device, error))?;
        let granted_frames = stream.buffer_size().unwrap_or(asked_frames);
        let name = device.to_string();
        Ok((Box::new(CpalStream(Some(stream))), Device { name, format, asked_frames, granted_frames }))
    }

    fn refresh(&mut self) -> Result<(), OutputError> {
        if !is_alive(&self.host) {
            self.host = cpal::default_host();
        }
        let found = match &self.wanted {
            None => default_device(&self.host)?,
            // If a named device is gone, the music goes on at the default device.
            Some(name) => named_device(&self.host, name).or_else(|_| default_device(&self.host))?,
        };
        self.found = Found::probe(found)?;
        Ok(())
    }
}

/// Sends libasound's messages on this thread to a buffer that is never read. Otherwise libasound prints them to standard
/// error, in the middle of a prompt. The handler is per thread; libasound prints on the opening thread and on cpal's own.
/// Each call starts a new buffer.
fn keep_libasound_quiet() {
    #[cfg(target_os = "linux")]
    drop(alsa::Output::local_error_handler());
}

/// A cpal stream. Dropping it stops it and drops the samples that it holds.
struct CpalStream(Option<cpal::Stream>);

impl Stream for CpalStream {}

impl Drop for CpalStream {
    fn drop(&mut self) {
        let stream = self.0.take();
        let (sender, ended) = mpsc::channel();
        // On a thread of its own: a sound server that hangs must not block the program.
        let ending = move || {
            drop(stream);
            // After `HANG` the receiver is gone.
            let _ = sender.send(());
        };
        if thread::Builder::new().name("end of a stream".into()).spawn(ending).is_ok() {
            let _ = ended.recv_timeout(HANG);
        }
    }
}

/// The environment variable that names the default sink. libpulse and ALSA's PulseAudio plugin use it too.
const SINK_VARIABLE: &str = "PULSE_SINK";

fn default_device(host: &Host) -> Result<cpal::Device, OutputError> {
    if is_pulse_audio(host)
        && let Ok(name) = std::env::var(SINK_VARIABLE)
        && let Ok(sink) = device_of_host(host, &name)
    {
        return Ok(sink);
    }
    host.default_output_device()
        .ok_or_else(|| OutputError::NoDevice { reason: "the system has no default device".into() })
}

/// Finds a device by id, or else by name, on `host` or else on another host. So a user with a sound server can name ALSA's
/// devices too.
fn named_device(host: &Host, wanted: &str) -> Result<cpal::Device, OutputError> {
    device_of_host(host, wanted).or_else(|error| {
        let others = cpal::available_hosts().into_iter().filter(|&id| id != host.id());
        let mut hosts = others.filter_map(|id| cpal::host_from_id(id).ok());
        hosts.find_map(|other| device_of_host(&other, wanted).ok()).ok_or(error)
    })
}

fn device_of_host(host: &Host, wanted: &str) -> Result<cpal::Device, OutputError> {
    let devices: Vec<_> = host.output_devices().map_err(no_device)?.collect();
    let id = |device: &cpal::Device| device.id().map(|id| id.id().to_owned()).unwrap_or_default();
    let by_id = devices.iter().find(|device| id(device) == wanted);
    let found = by_id.or_else(|| devices.iter().find(|device| device.to_string().eq_ignore_ascii_case(wanted)));
    found.cloned().ok_or_else(|| {
        let known = devices.iter().filter(|device| is_offered(device)).map(id).collect();
        OutputError::UnknownDevice { name: wanted.to_owned(), known }
    })
}

/// ALSA outputs that are not listed: converters, which are parts of other devices; a silent device, since Trill has the
/// output `null`; and JACK, whose library prints to the terminal if JACK does not run.
const NOT_OFFERED: [&str; 9] =
    ["a52", "jack", "lavrate", "null", "samplerate", "speex", "speexrate", "upmix", "vdownmix"];

/// Whether to list `device`. ALSA lists configured devices, which need not exist, so a device without a card is probed.
fn is_offered(device: &cpal::Device) -> bool {
    let Ok(id) = device.id() else { return false };
    if !is_alsa(id.host()) {
        return true;
    }
    let name = id.id();
    !NOT_OFFERED.contains(&name) && (name.contains(':') || device.supported_output_configs().is_ok())
}

#[cfg(target_os = "linux")]
fn is_alsa(host: cpal::HostId) -> bool {
    host == cpal::HostId::Alsa
}

#[cfg(not(target_os = "linux"))]
fn is_alsa(_: cpal::HostId) -> bool {
    false
}

/// Whether `host` is a sound server that still answers. Any other host is created again, because a sound server may have
/// started.
fn is_alive(host: &Host) -> bool {
    is_pulse_audio(host) && host.devices().is_ok()
}

#[cfg(target_os = "linux")]
fn is_pulse_audio(host: &Host) -> bool {
    host.id() == cpal::HostId::PulseAudio
}

#[cfg(not(target_os = "linux"))]
fn is_pulse_audio(_: &Host) -> bool {
    false
}

fn refused(device: &cpal::Device, reason: impl ToString) -> OutputError {
    OutputError::DeviceRefused { name: device.to_string(), reason: reason.to_string() }
}

fn no_device(error: cpal::Error) -> OutputError {
    OutputError::NoDevice { reason: error.to_string() }
}

/// A configuration of a device at a supported rate.
struct Choice {
    range: SupportedStreamConfigRange,
    rate: u32,
}

/// Chooses the best of `configs` at `rate`. Only a listed rate is used, because ALSA accepts any rate and silently uses the
/// nearest supported one.
fn choose(configs: &[SupportedStreamConfigRange], rate: u32) -> Option<Choice> {
    let usable =
        configs.iter().filter(|range| range.contains_rate(rate) && format_rank(range.sample_format()).is_some());
    let best = usable.min_by_key(|range| (channel_rank(range.channels()), format_rank(range.sample_format())))?;
    Some(Choice { range: *best, rate })
}

/// Order of preference: 16-bit samples need no conversion, the others lose nothing.
fn format_rank(format: SampleFormat) -> Option<u8> {
    match format {
        SampleFormat::I16 => Some(0),
        SampleFormat::I32 => Some(1),
        SampleFormat::F32 => Some(2),
        _ => None,
    }
}

/// Order of preference: stereo (for mono songs too), then mono, then the fewest channels.
fn channel_rank(channels: u16) -> u16 {
    match channels {
        2 => 0,
        1 => 1,
        more => more,
    }
}

/// The number of frames to request per callback.
fn period(rate: u32, supported: &SupportedBufferSize) -> u32 {
    let wanted = rate / PERIODS_PER_SECOND;
    match *supported {
        SupportedBufferSize::Range { min, max } => wanted.max(min).min(max),
        SupportedBufferSize::Unknown => wanted,
    }
}

/// Builds with a buffer of `frames` per callback, or with the device's default if it refuses that size.
fn with_fallback<T>(
    frames: u32,
    mut build: impl FnMut(BufferSize) -> Result<T, cpal::Error>,
) -> Result<T, cpal::Error> {
    build(BufferSize::Fixed(frames)).or_else(|error| match error.kind() {
        ErrorKind::UnsupportedConfig | ErrorKind::InvalidInput | ErrorKind::UnsupportedOperation => {
            build(BufferSize::Default)
        }
        _ => Err(error),
    })
}

fn build(
    device: &cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    callback: Callback,
) -> Result<cpal::Stream, cpal::Error> {
    match format {
        SampleFormat::I16 => build_of::<i16>(device, config, callback),
        SampleFormat::I32 => build_of::<i32>(device, config, callback),
        _ => build_of::<f32>(device, config, callback),
    }
}

fn build_of<T: SizedSample + FromSample<i16>>(
    device: &cpal::Device,
    config: StreamConfig,
    mut callback: Callback,
) -> Result<cpal::Stream, cpal::Error> {
    let on_error = {
        let state = callback.state().clone();
        move |error: cpal::Error| note_error(&state, error.kind())
    };
    let mut detector = UnderrunDetector::new(config.sample_rate, config.channels);
    let mut scratch = vec![0; SCRATCH_FRAMES * usize::from(config.channels)];
    let mut is_quiet = false;
    let on_data = move |out: &mut [T], info: &cpal::OutputCallbackInfo| {
        // On this thread libasound reports a lost device. Once, before any sound, because it allocates.
        if !std::mem::replace(&mut is_quiet, true) {
            keep_libasound_quiet();
        }
        let latency = latency(info);
        callback.state().latency_us.store(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX), SeqCst);
        detector.note(callback.state(), Instant::now(), latency, out.len());
        for piece in out.chunks_mut(scratch.len()) {
            let samples = &mut scratch[..piece.len()];
            callback.fill(samples);
            for (sample, out) in samples.iter().zip(piece) {
                *out = T::from_sample(*sample);
            }
        }
    };
    device.build_output_stream(config, on_data, on_error, Some(POLL))
}

/// Records an error. It does no more, because cpal calls it on the audio thread, endlessly for a lost device.
fn note_error(state: &OutputState, kind: ErrorKind) {
    match kind {
        ErrorKind::Xrun => state.broke_off.store(true, SeqCst),
        ErrorKind::DeviceNotAvailable | ErrorKind::StreamInvalidated => state.lost.store(true, SeqCst),
        // The sound goes on.
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => state.has_failed.store(true, SeqCst),
    }
}

/// The time until the next sample is heard, that is, the duration of the samples that the device holds.
fn latency(info: &cpal::OutputCallbackInfo) -> Duration {
    let timestamp = info.timestamp();
    timestamp.playback.saturating_duration_since(timestamp.callback)
}

/// Counts underruns of the device's own buffer, which happen when a callback comes too late.
///
/// Most devices report them (`Xrun`); ALSA's plugin for sound servers does not always. Without a report, an underrun is
/// assumed if no callback came for more than three periods and the device holds less than one. Either sign alone proves
/// nothing, because the sound server holds samples too.
struct UnderrunDetector {
    samples_per_second: u32,
    /// The time of the last callback, and the duration of the samples that it delivered.
    last: Option<(Instant, Duration)>,
}

impl UnderrunDetector {
    fn new(rate: u32, channels: u16) -> Self {
        Self { samples_per_second: rate * u32::from(channels), last: None }
    }

    /// Records a callback for `samples` at `now`, when the device still held `latency`.
    fn note(&mut self, state: &OutputState, now: Instant, latency: Duration, samples: usize) {
        let ran_out = self
            .last
            .is_some_and(|(before, period)| now.saturating_duration_since(before) > 3 * period && latency < period);
        let said_so = state.broke_off.swap(false, SeqCst);
        if (ran_out || said_so) && state.sounding.load(SeqCst) {
            state.underruns.fetch_add(1, SeqCst);
        }
        let period = Duration::from_secs_f64(samples as f64 / f64::from(self.samples_per_second.max(1)));
        self.last = Some((now, period));
    }
}

#[cfg(test)]
mod tests;
