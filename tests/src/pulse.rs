//! A private PulseAudio server. Its sinks play at the rate of a real device and record every sample.
//!
//! A null sink is clocked like hardware, and its monitor returns every sample. With `norewinds=1` PulseAudio does not
//! take back samples, so captures are complete even on a busy machine.
//! Debian packages: `pulseaudio pulseaudio-utils libasound2-plugins`.

use crate::binaries;
use crate::pcm::Pcm;
use crate::process::{Process, system_program};
use crate::wait;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The sink of every server: 44.1 kHz, stereo.
pub const DEFAULT_SINK: &str = "cap";

/// Deadline of any request to the sound server.
const DEADLINE: Duration = Duration::from_secs(20);

/// A private PulseAudio server. Dropping it stops it.
#[derive(Debug)]
pub struct PulseServer {
    // Declared before the directory, so that it ends before its files are removed.
    process: Process,
    directory: TempDir,
    sinks: Vec<String>,
}

impl PulseServer {
    /// Starts a sound server with [`DEFAULT_SINK`].
    ///
    /// Raises the priority of the calling thread and its later children if permitted, because a device does not wait
    /// for a compiler.
    ///
    /// # Panics
    /// When it does not start; the message names missing packages.
    #[track_caller]
    pub fn start() -> Self {
        require_alsa_plugin();
        // Builds the programs first, so that compilers do not get the higher priority.
        binaries::client();
        let directory = TempDir::with_prefix("trill-pulse-").expect("a temporary directory");
        let configuration = directory.path().join("pulse.pa");
        let socket = socket_in(directory.path());
        let script = format!(
            "load-module module-native-protocol-unix auth-anonymous=1 socket={}\n\
             load-module module-null-sink {}\n\
             set-default-sink {DEFAULT_SINK}\n",
            socket.display(),
            null_sink(DEFAULT_SINK, 44_100)
        );
        fs::write(&configuration, script).expect("a writable temporary directory");

        let mut command = system_program("pulseaudio", "pulseaudio");
        command.arg("-n").arg("-F").arg(&configuration);
        command.args(["--daemonize=no", "--disallow-exit", "--use-pid-file=no"]);
        // Otherwise it would lower the priority that it gets below.
        command.args(["--high-priority=no", "--realtime=no"]);
        // It exits by itself if the test process dies without dropping its guards.
        command.arg("--exit-idle-time=600");
        command.env("HOME", directory.path()).env("XDG_RUNTIME_DIR", directory.path());
        let mut process = Process::spawn("pulseaudio", command);
        wait::wait_for(DEADLINE, "the socket of PulseAudio", || {
            assert!(!process.has_ended(), "PulseAudio ended: {process}");
            socket.exists()
        });

        let server = Self { process, directory, sinks: vec![DEFAULT_SINK.to_owned()] };
        server.write_alsa_configuration();
        wait::wait_for(DEADLINE, "an answer of PulseAudio", || server.try_control(&["info"]).is_some());
        put_first(&["--all-tasks"], server.process.id().to_string());
        put_first(&[], rustix::thread::gettid().as_raw_nonzero().to_string());
        server
    }

    /// Adds a stereo sink of 16-bit samples at `rate` Hz.
    ///
    /// # Panics
    /// When the sound server refuses.
    #[track_caller]
    pub fn add_sink(&mut self, name: &str, rate: u32) {
        self.load_sink(name, &null_sink(name, rate));
    }

    /// Adds a 44.1 kHz sink with the usual settings: it buffers up to 2 s ahead, and rewinds to replace samples that it
    /// has not played yet.
    ///
    /// # Panics
    /// When the sound server refuses.
    #[track_caller]
    pub fn add_ordinary_sink(&mut self, name: &str) {
        self.load_sink(name, &null_sink(name, 44_100).replace(" norewinds=1", ""));
    }

    #[track_caller]
    fn load_sink(&mut self, name: &str, arguments: &str) {
        let mut words = vec!["load-module", "module-null-sink"];
        words.extend(arguments.split(' '));
        self.control(&words);
        self.sinks.push(name.to_owned());
        self.write_alsa_configuration();
    }

    /// Removes a sink, as when headphones are unplugged. Its streams move to another sink, or are killed without one.
    ///
    /// # Panics
    /// When there is no such sink.
    #[track_caller]
    pub fn remove_sink(&mut self, name: &str) {
        let modules = self.control(&["list", "short", "modules"]);
        let module = modules.lines().find(|line| line.contains(&format!("sink_name={name} ")));
        let Some(index) = module.and_then(|line| line.split('\t').next()) else {
            panic!("no sink {name} in {modules}")
        };
        self.control(&["unload-module", index]);
        self.sinks.retain(|sink| sink != name);
    }

    /// The number of streams playing to any sink.
    ///
    /// # Panics
    /// When the sound server does not answer.
    #[track_caller]
    pub fn playing_streams(&self) -> usize {
        self.control(&["list", "short", "sink-inputs"]).lines().count()
    }

    /// The environment of a program that plays to `sink`, through ALSA or directly.
    pub fn env(&self, sink: &str) -> Vec<(&'static str, OsString)> {
        vec![
            ("PULSE_SERVER", format!("unix:{}", socket_in(self.directory.path()).display()).into()),
            ("PULSE_SINK", sink.into()),
            ("ALSA_CONFIG_PATH", self.alsa_configuration().into()),
            ("XDG_RUNTIME_DIR", self.directory.path().into()),
        ]
    }

    /// Records what `sink` plays, at 44.1 kHz. Returns when the recording has started.
    ///
    /// # Panics
    /// When the recorder does not start.
    #[track_caller]
    pub fn capture(&self, sink: &str) -> Capture {
        self.capture_at(sink, 44_100)
    }

    /// Records like [`Self::capture`] from a sink at `rate` Hz. PulseAudio resamples if the sink has another rate.
    ///
    /// # Panics
    /// When the recorder does not start.
    #[track_caller]
    pub fn capture_at(&self, sink: &str, rate: u32) -> Capture {
        let mut command = system_program("parec", "pulseaudio-utils");
        command.args(["--raw", "--format=s16le", "--channels=2"]);
        command.arg(format!("--rate={rate}")).arg(format!("--device={sink}.monitor"));
        command.envs(self.env(sink));
        Capture::start(command, rate)
    }

    /// Plays a whole WAV file to `sink`.
    ///
    /// # Panics
    /// When it does not play.
    #[track_caller]
    pub fn play_wav(&self, sink: &str, path: &Path) {
        let mut command = system_program("paplay", "pulseaudio-utils");
        command.arg(path).envs(self.env(sink));
        Process::spawn("paplay", command).wait(Duration::from_secs(60)).expect_code(0);
    }

    /// Sends a request to the sound server with `pactl`. Returns the answer.
    ///
    /// # Panics
    /// When it refuses.
    #[track_caller]
    pub fn control(&self, words: &[&str]) -> String {
        match self.try_control(words) {
            Some(answer) => answer,
            None => panic!("pactl {words:?} failed; {}", self.process),
        }
    }

    #[track_caller]
    fn try_control(&self, words: &[&str]) -> Option<String> {
        let mut command = system_program("pactl", "pulseaudio-utils");
        command.args(words).envs(self.env(DEFAULT_SINK)).env("LC_ALL", "C");
        let output = Process::spawn("pactl", command).wait(DEADLINE);
        output.status.success().then_some(output.stdout)
    }

    fn alsa_configuration(&self) -> PathBuf {
        self.directory.path().join("asound.conf")
    }

    /// ALSA's whole configuration for a client: the default device, and one named for each sink.
    fn write_alsa_configuration(&self) {
        let device = |name: &str, target: &str, description: &str| {
            format!(
                "pcm.{name} {{\n  type pulse\n{target}  \
                 hint {{\n    show on\n    description \"{description}\"\n  }}\n}}\n\
                 ctl.{name} {{\n  type pulse\n}}\n"
            )
        };
        let mut text = device("!default", "", "the default of a test");
        for sink in &self.sinks {
            text.push_str(&device(sink, &format!("  device {sink}\n"), &format!("the sink {sink} of a test")));
        }
        // Replaced atomically: a client that is starting reads the old or the new file.
        let new = self.directory.path().join("asound.conf.new");
        fs::write(&new, text).expect("a writable temporary directory");
        fs::rename(&new, self.alsa_configuration()).expect("a writable temporary directory");
    }
}

/// A running recording. Dropping it stops the recorder.
#[derive(Debug)]
pub struct Capture {
    recorder: Child,
    rate: u32,
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    bytes: Vec<u8>,
    /// Arrival times of the total lengths.
    arrivals: Vec<(usize, Instant)>,
}

impl Capture {
    fn start(mut command: Command, rate: u32) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut recorder = command.spawn().expect("parec was just found");
        let stream = recorder.stdout.take().expect("stdout was piped above");
        let recorded = Arc::<Mutex<Recorded>>::default();
        let writer = Arc::clone(&recorded);
        thread::spawn(move || record(stream, &writer));
        let capture = Self { recorder, rate, recorded };
        // A monitor runs while it is recorded: silence arrives before anything plays.
        wait::wait_for(DEADLINE, "the first recorded sample", || capture.frames() > 0);
        capture
    }

    /// The number of recorded frames.
    pub fn frames(&self) -> usize {
        self.lock().bytes.len() / BYTES_PER_FRAME
    }

    /// The recording so far.
    pub fn so_far(&self) -> Pcm {
        self.since(0)
    }

    /// The recording from frame `start` on.
    ///
    /// # Panics
    /// When fewer frames have been recorded.
    pub fn since(&self, start: usize) -> Pcm {
        let recorded = self.lock();
        let samples = recorded.bytes[start * BYTES_PER_FRAME..]
            .chunks_exact(BYTES_PER_FRAME)
            .flat_map(|frame| [[frame[0], frame[1]], [frame[2], frame[3]]].map(i16::from_le_bytes))
            .collect();
        Pcm { rate: self.rate, channels: 2, samples }
    }

    /// When frame `index` reached this process: after it was played, by up to the recorder's buffer.
    ///
    /// # Panics
    /// When it has not been recorded.
    pub fn arrival(&self, index: usize) -> Instant {
        let recorded = self.lock();
        let later = recorded.arrivals.iter().find(|(bytes, _)| *bytes > index * BYTES_PER_FRAME);
        later.expect("the frame has been recorded").1
    }

    /// Waits until a frame at or after `start` is not silent. Returns its index.
    ///
    /// # Panics
    /// When nothing sounds within `deadline`.
    #[track_caller]
    pub fn wait_for_sound(&self, deadline: Duration, start: usize) -> usize {
        let mut searched = start;
        wait::wait_for_some(deadline, "sound in the recording", || {
            let new = self.since(searched);
            let found = (0..new.frames()).find(|&index| !new.is_silent(index)).map(|index| searched + index);
            searched += new.frames();
            found
        })
    }

    /// Waits until the recording ends in `length` of silence: then everything played before it has been recorded.
    ///
    /// # Panics
    /// When it still sounds after `deadline`.
    #[track_caller]
    pub fn wait_for_silence(&self, deadline: Duration, length: Duration) {
        let frames = (length.as_secs_f64() * f64::from(self.rate)) as usize;
        let begin = self.frames();
        wait::wait_for(deadline, "silence in the recording", || {
            let now = self.frames();
            now >= begin + frames && self.since(now - frames).sounding().is_empty()
        });
    }

    /// Stops the recording and returns it.
    pub fn stop(self) -> Pcm {
        self.so_far()
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        // After a panic elsewhere the pieces here are still complete.
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Fails only when the recorder has already ended.
        self.recorder.kill().ok();
        self.recorder.wait().ok();
    }
}

/// Two channels of two bytes.
const BYTES_PER_FRAME: usize = 4;

fn record(mut stream: impl Read, recorded: &Mutex<Recorded>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let mut recorded = recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.bytes.extend_from_slice(&buffer[..count]);
        let total = recorded.bytes.len();
        recorded.arrivals.push((total, Instant::now()));
    }
}

/// Gives a thread and its later children real-time priority (`SCHED_RR`), as desktops do for sound servers. Without the
/// permission, sound may have gaps on a busy machine.
fn put_first(options: &[&str], id: String) {
    let mut command = system_program("chrt", "util-linux");
    command.args(options).args(["--rr", "--pid", "1", &id]);
    Process::spawn("chrt", command).wait(DEADLINE);
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("native")
}

fn null_sink(name: &str, rate: u32) -> String {
    format!("sink_name={name} norewinds=1 rate={rate} channels=2 format=s16le")
}

/// Clients reach PulseAudio through ALSA's plugin, which is a separate package.
#[track_caller]
fn require_alsa_plugin() {
    let libraries = ["/usr/lib", "/usr/lib64"].iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    let mut directories =
        libraries.filter_map(|entry| Some(entry.ok()?.path())).chain(["/usr/lib".into(), "/usr/lib64".into()]);
    let found = directories.any(|dir| dir.join("alsa-lib/libasound_module_pcm_pulse.so").exists());
    assert!(found, "ALSA's plugin for PulseAudio is not installed: apt-get install libasound2-plugins");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::compare::assert_same;

    /// Half a second of noise, in which every position is unique.
    fn noise(rate: u32) -> Pcm {
        let mut random = fastrand::Rng::with_seed(rate.into());
        let samples = (0..rate).map(|_| random.i16(..)).collect();
        Pcm { rate, channels: 2, samples }
    }

    fn check(pulse: &PulseServer, sink: &str, rate: u32) {
        let path = pulse.directory.path().join("noise.wav");
        let played = noise(rate);
        played.write_wav(&path);
        let capture = pulse.capture_at(sink, rate);
        pulse.play_wav(sink, &path);
        let start = capture.wait_for_sound(DEADLINE, 0);
        capture.wait_for_silence(DEADLINE, Duration::from_millis(200));
        assert!(capture.arrival(start) <= capture.arrival(start + played.frames()));
        let captured = capture.stop();
        let sounding = captured.sounding();
        assert_eq!(sounding.len(), played.sounding().len());
        assert_same(&captured, &played);
        let offset = sounding.start - played.sounding().start;
        assert_eq!(captured.slice(offset..offset + played.frames()), played, "bit-exact");
    }

    #[test]
    fn captures_what_was_played_bit_for_bit() {
        let mut pulse = PulseServer::start();
        check(&pulse, DEFAULT_SINK, 44_100);
        pulse.add_sink("other", 48_000);
        check(&pulse, "other", 48_000);
        assert_eq!(pulse.playing_streams(), 0);
        pulse.remove_sink("other");
        assert!(!pulse.control(&["list", "short", "sinks"]).contains("other"));
    }

    #[test]
    fn sinks_do_not_hear_each_other() {
        let mut pulse = PulseServer::start();
        pulse.add_sink("other", 44_100);
        let path = pulse.directory.path().join("noise.wav");
        noise(44_100).write_wav(&path);
        let (heard, unheard) = (pulse.capture(DEFAULT_SINK), pulse.capture("other"));
        pulse.play_wav(DEFAULT_SINK, &path);
        heard.wait_for_sound(DEADLINE, 0);
        heard.wait_for_silence(DEADLINE, Duration::from_millis(200));
        assert!(unheard.so_far().sounding().is_empty());
    }
}
