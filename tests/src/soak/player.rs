//! Real `trill` programs that are controlled through standard input or write to a file.

use super::shared::{Shared, lock};
use crate::client::Client;
use crate::pcm::Pcm;
use crate::process::{Output, Process};
use crate::session::Session;
use crate::wait;
use fastrand::Rng;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

/// Time for a command on any path before the program counts as hung: longer than its attempts to reach a server.
const COMMAND_DEADLINE: Duration = Duration::from_secs(90);

/// Time to write a whole song to a file.
const RECORDING_DEADLINE: Duration = Duration::from_secs(240);

/// Error messages for a song that was changed or removed since the list.
const GONE: [&str; 4] = ["is gone; list", "has changed on the server", "there is no song", "is not that long"];

/// The last line of the answer to `status`.
const LAST_OF_STATUS: &str = "volume  ";

/// Number of log lines that an error shows.
const KEPT_LINES: usize = 30;

/// The behaviour of a player.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Role {
    /// Whether it uses the broken path.
    pub(super) is_broken: bool,
    /// Whether it runs to the end. Otherwise it quits from time to time, and another starts.
    pub(super) stays: bool,
}

/// Runs a `trill` without sound output and sends it random commands until it quits.
pub(super) fn play(shared: &Shared<'_>, role: Role, random: &mut Rng) {
    let address = if role.is_broken { shared.broken.address() } else { shared.address };
    let Some(mut player) = Player::start(address, role) else { return };
    if role.stays {
        lock(&shared.residents).insert(player.process.id());
    }
    let mut left = random.u32(5..50);
    while !shared.stop.wait(Duration::from_millis(random.u64(200..4_000))) && left > 0 {
        shared.tally.operations.add(1);
        let command = player.any_command(random);
        player.execute(&command);
        if !role.is_broken {
            player.report_underruns(shared);
        }
        left -= u32::from(!role.stays);
    }
    lock(&shared.residents).remove(&player.process.id());
    player.quit();
}

struct Player {
    process: Process,
    role: Role,
    songs: Vec<u32>,
    lines: Vec<String>,
    has_complained: bool,
    underruns: u64,
    told_underruns: u64,
    told_at: Instant,
}

impl Player {
    /// Starts the program. `None` if the path broke before the server answered.
    fn start(address: SocketAddr, role: Role) -> Option<Self> {
        let client = Client::of(address).args(["-v", "--output=null"]).preferred();
        let mut player = Self {
            process: spawn(client),
            role,
            songs: Vec::new(),
            lines: Vec::new(),
            has_complained: false,
            underruns: 0,
            told_underruns: 0,
            told_at: Instant::now(),
        };
        let is_connected = wait::try_wait(COMMAND_DEADLINE, || {
            let is_connected = player.take_lines().iter().any(|line| line.starts_with("connected to "));
            (is_connected || player.process.has_ended()).then_some(is_connected)
        });
        match is_connected {
            Some(true) => {
                player.execute("list");
                Some(player)
            }
            Some(false) if role.is_broken => {
                player.process.wait(COMMAND_DEADLINE).expect_code(1);
                None
            }
            _ => panic!("{}no connection", player.shown()),
        }
    }

    fn any_command(&self, random: &mut Rng) -> String {
        // A nonexistent song if the list is unknown.
        let mut song = || self.songs.get(random.usize(0..self.songs.len().max(1))).copied().unwrap_or(1);
        let (first, second) = (song(), song());
        let seconds = random.u8(0..30);
        match random.u8(0..24) {
            0..2 => "list".into(),
            2 => format!("info {first}"),
            3..7 => format!("play {first}"),
            7 => format!("play {first} at 0:{seconds:02}"),
            8..10 => format!("play {}-{}", first.min(second), first.max(second)),
            10 => "play all".into(),
            11 => "stop".into(),
            12 => "pause".into(),
            13..15 => "resume".into(),
            15 => "next".into(),
            16 => "previous".into(),
            17 => format!("seek 0:{seconds:02}"),
            18 => format!("seek +{seconds}"),
            19 => format!("seek -{seconds}"),
            20 => format!("volume {}", random.u8(0..=100)),
            21 => "help".into(),
            22 => format!("play {}", random.u32(..)),
            _ => (0..random.usize(0..300)).map(|_| random.char('!'..'~')).collect(),
        }
    }

    /// Sends `command` and `status`, and waits for the answer to `status`: then `command` was executed.
    ///
    /// # Panics
    /// The answer takes too long, or the program ends.
    #[track_caller]
    fn execute(&mut self, command: &str) {
        self.lines.push(format!("> {command}"));
        self.process.write(format!("{command}\nstatus\n").as_bytes());
        let mut songs = Vec::new();
        let answered = wait::try_wait(COMMAND_DEADLINE, || {
            let (lines, has_ended) = (self.take_lines(), self.process.has_ended());
            songs.extend(lines.iter().filter_map(|line| line.split_whitespace().next()?.parse::<u32>().ok()));
            if let Some(underruns) = lines.iter().find_map(|line| line.strip_prefix("underruns ")) {
                self.underruns = underruns.trim().parse().expect("a number of underruns");
            }
            let is_answered = lines.iter().any(|line| line.starts_with(LAST_OF_STATUS));
            (is_answered || has_ended).then_some(is_answered)
        });
        assert!(answered == Some(true), "{}{command:?} is not answered: {answered:?}", self.shown());
        if command == "list" && !songs.is_empty() {
            self.songs = songs;
        }
    }

    /// Reports the underruns since the last call.
    fn report_underruns(&mut self, shared: &Shared<'_>) {
        let more = self.underruns - self.told_underruns;
        let excused = more.min(shared.stall_monitor.stalls_since(self.told_at));
        shared.tally.excused_underruns.add(excused);
        shared.tally.underruns.add(more - excused);
        if more > 0 {
            eprintln!("soak: {}{more} underruns, {excused} of them during stalls of this machine", self.shown());
        }
        (self.told_underruns, self.told_at) = (self.underruns, Instant::now());
    }

    fn quit(mut self) {
        self.lines.push("> quit".into());
        self.process.write(b"quit\n");
        let ended = wait::try_wait(COMMAND_DEADLINE, || {
            self.take_lines();
            self.process.has_ended().then_some(())
        });
        assert!(ended.is_some(), "{}it does not quit", self.shown());
        self.take_lines();
        let shown = self.shown();
        let (code, expected) = (self.process.wait(COMMAND_DEADLINE).status.code(), i32::from(self.has_complained));
        // The last answer may arrive together with the end.
        assert!(code == Some(expected) || code == Some(1), "{shown}ended with {code:?}, not {expected}");
    }

    fn take_lines(&mut self) -> Vec<String> {
        let lines = self.process.take_lines();
        self.has_complained |= lines.iter().any(|line| line.starts_with("trill: "));
        self.lines.extend(lines.iter().cloned());
        let old = self.lines.len().saturating_sub(KEPT_LINES);
        self.lines.drain(..old);
        assert!(!lines.iter().any(|line| line.contains("panicked at")), "{}it panicked", self.shown());
        lines
    }

    /// The last lines, for an error message.
    fn shown(&self) -> String {
        let path = if self.role.is_broken { "a path that breaks" } else { "a good path" };
        format!("trill {} on {path}:\n  {}\n", self.process.id(), self.lines.join("\n  "))
    }
}

/// Runs a `trill` that writes a song to a file, and compares every sample.
pub(super) fn record(shared: &Shared<'_>, is_broken: bool, random: &mut Rng) {
    let songs = Session::open(shared.address).list();
    let song = songs[random.usize(0..songs.len())].id.to_string();
    let (address, name) =
        if is_broken { (shared.broken.address(), "broken.wav") } else { (shared.address, "good.wav") };
    let file = shared.folder.join(name);
    let output = format!("--output=wav:{}", file.display());
    let mut process = spawn(Client::of(address).args(["-vv", &output, "play", &song]));
    process.close_stdin();
    check_recording(shared, is_broken, &file, process.wait(RECORDING_DEADLINE));
    shared.stop.wait(Duration::from_millis(random.u64(500..5_000)));
}

fn check_recording(shared: &Shared<'_>, is_broken: bool, file: &std::path::Path, output: Output) {
    let is_gone = GONE.iter().any(|gone| output.stderr.contains(gone));
    // If the server is unreachable before the song starts, the program gives up. After that it finishes the song.
    let has_begun = output.stderr.contains(" starts: bytes ");
    match output.status.code() {
        Some(0) => {
            shared.music.check_whole(&Pcm::read_wav(file));
            shared.tally.recordings.add(1);
        }
        Some(1) if is_gone || (is_broken && !has_begun) => {}
        _ => panic!("a recording failed: {output}"),
    }
}

/// Starts a client out of reach of the terminal's Ctrl-C: this program stops it.
fn spawn(client: Client) -> Process {
    let mut command = client.into_command();
    command.process_group(0);
    Process::spawn("trill", command)
}
