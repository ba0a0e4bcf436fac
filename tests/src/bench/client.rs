//! The section `client`: CPU time and memory of a player.

use super::figures::{Row, Target};
use super::peers::nginx::Nginx;
use super::{Plan, Section};
use crate::client::Client;
use crate::corpus::{self, MusicDir};
use crate::process::{Process, system_program};
use crate::server::ServerProcess;
use crate::usage;
use rustix::process::{Pid, WaitId, WaitIdOptions};
use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The paragraph for the results.
pub(super) const CLIENT: Section = Section {
    name: "client",
    title: "What it costs to listen",
    about: "CPU time of the player alone, user and system, for an hour of music at 192 kbit/s over the loopback address: \
        from `trill-server` to Trill, from nginx by HTTP to the others. At full speed, an hour is played to its end \
        into `/dev/null` (ffmpeg: into its `null` output). In real time, 33 seconds are measured and scaled to an \
        hour: Trill plays to `--output null`, whose thread takes 50 ms of sound every 50 ms; the others write to a \
        pipe that is read at the same pace. The others do not spend CPU time on taking the sound, so Trill's figure \
        is given without that thread, and once more with it. Memory is the largest resident set during the hour at \
        full speed. All decode to 16 bits. mpg123 uses its default decoder.",
    measure,
};

/// The song's name on the HTTP server.
const NAME: &str = "hour.mp3";
const SECONDS_AN_HOUR: f64 = 3_600.0;

/// Time before a player is measured. At the start it fills its buffers.
const SETTLING: Duration = Duration::from_secs(3);

/// Duration of a measurement in real time. Trill requests a quarter of its buffer every 11 seconds.
const WINDOW: Duration = Duration::from_secs(33);

/// Interval and size of reads from a player's pipe: 44,100 frames of 4 bytes per second.
const PERIOD: Duration = Duration::from_millis(50);
const PERIOD_BYTES: usize = 2_205 * 4;

/// The thread of Trill that consumes the sound at the rate of a clock.
const SINK: &str = "null output";

const FFMPEG: &str = "ffmpeg";

fn measure(plan: &Plan) -> Vec<Row> {
    let music = MusicDir::new();
    music.add(NAME, &corpus::HOUR);
    let (server, nginx) = (ServerProcess::start(music.path()), Nginx::start(music.path()));
    let url = nginx.url(NAME);
    let trill = |output: &str| {
        let client = Client::of(server.address()).args(["--quiet", "--output", output, "play", "1"]);
        client.into_command()
    };
    let mpg123 = |options: &[&str]| {
        let mut command = system_program("mpg123", "mpg123");
        command.arg("--quiet").args(options).arg(&url);
        command
    };
    let ffmpeg = |options: &[&str]| {
        let mut command = system_program("ffmpeg", "ffmpeg");
        command.args(["-v", "error", "-nostdin", "-i", &url]).args(options);
        command
    };

    let [mut fast, mut paced, mut peak] = [(); 3].map(|()| [Vec::new(), Vec::new(), Vec::new()]);
    let mut with_sink = Vec::new();
    for _ in 0..plan.rounds {
        let whole = [trill("wav:/dev/null"), mpg123(&["--wav", "/dev/null"]), ffmpeg(&["-f", "null", "-"])];
        for (who, cost) in whole.map(cost_of).into_iter().enumerate() {
            fast[who].push(cost.cpu_time.as_secs_f64());
            peak[who].push(cost.peak_bytes as f64 / f64::from(1 << 20));
        }
        let to_pipe = [mpg123(&["--stdout"]), ffmpeg(&["-f", "s16le", "-"])];
        let (player, sink) = play(trill("null"), WINDOW);
        paced[0].push(player);
        with_sink.push(player + sink);
        for (who, command) in to_pipe.into_iter().enumerate() {
            paced[who + 1].push(play_to_pipe(command, WINDOW));
        }
    }
    let mpg123 = format!("mpg123, decoder {}", decoder_of_mpg123());
    let row = |what: &str, unit: &str, [trill, by_mpg123, by_ffmpeg]: [Vec<f64>; 3]| {
        Row::new(what, unit, trill)
            .beside(&mpg123, by_mpg123)
            .beside(FFMPEG, by_ffmpeg)
            .target(Target::AtMostTimes(1.0, mpg123.clone()))
    };
    let [_, paced_mpg123, paced_ffmpeg] = paced.clone();
    vec![
        row("CPU to play an hour at full speed", "s", fast),
        row("CPU to play an hour in real time", "s", paced),
        row("CPU to play an hour in real time, with its sink", "s", [with_sink, paced_mpg123, paced_ffmpeg]),
        row("memory to play an hour", "MiB", peak),
    ]
}

/// The cost of a whole run of a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    cpu_time: Duration,
    /// The largest resident set.
    pub(super) peak_bytes: u64,
}

/// Runs a program to its end.
pub(super) fn cost_of(mut command: Command) -> Cost {
    let mut process = Playing(command.stdin(Stdio::null()).spawn().expect("a program that was just found"));
    let (pid, mut peak_bytes) = (process.0.id(), 0);
    // Polls without reaping the child, so that its CPU time can be read after its end.
    while !has_ended(&process.0) {
        // A process that is ending has no memory any more.
        peak_bytes = usage::peak_resident_bytes(pid).unwrap_or(peak_bytes);
        thread::sleep(PERIOD);
    }
    let cpu_time = usage::cpu_time_of(pid).expect("an unreaped process has a record");
    let status = process.0.wait().expect("an ended child has a status");
    assert!(status.success(), "{command:?}: {status}");
    Cost { cpu_time, peak_bytes }
}

fn has_ended(process: &Child) -> bool {
    let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let ended = rustix::process::waitid(WaitId::Pid(Pid::from_child(process)), how);
    ended.expect("a child can be asked for its status").is_some()
}

/// CPU seconds per hour of a player with its own clock: of the player, and of the thread that consumes the sound.
fn play(mut command: Command, window: Duration) -> (f64, f64) {
    let process = Playing(command.stdin(Stdio::null()).spawn().expect("a program that was just found"));
    thread::sleep(SETTLING);
    let [player, sink] = [Of::Player, Of::Sink].map(|whose| Meter::start(&process.0, whose));
    thread::sleep(window);
    let (player, sink) = (player.an_hour(), sink.an_hour());
    assert!(sink > 0.0, "there is a thread {SINK:?}, or its time is in the player's");
    (player, sink)
}

/// CPU seconds per hour of a player that is paced by the reader of its pipe.
fn play_to_pipe(mut command: Command, window: Duration) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = Playing(command.spawn().expect("a program that was just found"));
    let mut sound = process.0.stdout.take().expect("stdout was piped above");
    take_sound(&mut sound, SETTLING);
    let meter = Meter::start(&process.0, Of::Player);
    take_sound(&mut sound, window);
    meter.an_hour()
}

/// Reads sound at the rate of a device for this time.
fn take_sound(sound: &mut ChildStdout, length: Duration) {
    let begin = Instant::now();
    let periods = length.as_millis() / PERIOD.as_millis();
    for period in 1..=periods as u32 {
        sound.read_exact(&mut [0; PERIOD_BYTES]).expect("sound of a player");
        thread::sleep((begin + PERIOD * period).saturating_duration_since(Instant::now()));
    }
}

/// A subset of a process's threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// The thread that consumes the sound, if any.
    Sink,
    /// All other threads.
    Player,
}

/// Measures the CPU time of a process from its creation on.
struct Meter {
    pid: u32,
    whose: Of,
    begin: Instant,
    before: Duration,
}

impl Meter {
    fn start(process: &Child, whose: Of) -> Self {
        let pid = process.id();
        Self { pid, whose, begin: Instant::now(), before: running_time(pid, whose) }
    }

    /// CPU seconds per hour.
    fn an_hour(&self) -> f64 {
        let taken = running_time(self.pid, self.whose) - self.before;
        taken.as_secs_f64() / self.begin.elapsed().as_secs_f64() * SECONDS_AN_HOUR
    }
}

fn running_time(pid: u32, whose: Of) -> Duration {
    let is_meant = |thread: &str| (thread == SINK) == (whose == Of::Sink);
    usage::running_time_of(pid, is_meant).expect("a process that plays has a record")
}

/// A child process. Dropping it kills it.
struct Playing(Child);

impl Drop for Playing {
    fn drop(&mut self) {
        // Fails only for a child that was already reaped.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The decoder that mpg123 uses: the first supported one that it lists.
fn decoder_of_mpg123() -> String {
    let mut command = system_program("mpg123", "mpg123");
    command.arg("--test-cpu");
    let said = Process::spawn("mpg123", command).wait(SETTLING * 10).expect_code(0).stdout;
    first_decoder(&said).unwrap_or("unknown").to_owned()
}

/// The first word after `Supported decoders:`.
fn first_decoder(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.strip_prefix("Supported decoders:"))?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_mpg123_says_of_its_decoders() {
        assert_eq!(first_decoder("Supported decoders: AVX x86-64 generic\n"), Some("AVX"));
        assert_eq!(first_decoder("Supported decoders:\n"), None);
        assert_eq!(first_decoder("no such option"), None);
    }

    #[test]
    fn counts_what_a_program_took() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done"]);
        let cost = cost_of(command);
        assert!(cost.cpu_time >= Duration::from_millis(10) && cost.peak_bytes > 100_000, "{cost:?}");
    }
}
