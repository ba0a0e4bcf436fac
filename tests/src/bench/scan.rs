//! The section `scan`: a cold start on a large library, next to MPD's `update`.

use super::figures::{Figure, Row, Target};
use super::lister::Lister;
use super::peers::mpd::{Mpd, USUAL_OUTPUT_KIB};
use super::{Plan, Section, trees};
use crate::corpus::MusicDir;
use crate::server::ServerProcess;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The section.
pub const SECTION: Section = Section {
    name: "scan",
    title: "A cold start on a large library",
    about: "The processes start cold; the files are in the kernel's cache. Trill is timed from the start of the process \
        to its line `listening on`, and to the moment when it has read every file: its reading threads have ended, \
        and a list, which is not timed, has a duration for each song. MPD is timed from the start of the process \
        without a database, which starts an update, until `status` reports no update and `stats` reports as many \
        songs. Memory is the resident set at that moment, before anything is listed. Small files have 0.3 s of music \
        and are all different. Large files have 5 MB and are 10,000 hard links to 100 files; both programs count \
        them as 10,000 songs. MPD updates at the lowest scheduling priority, so the two are comparable only on an \
        idle machine. 100,000 files are measured in at most three rounds.",
    measure,
};

const MPD: &str = "MPD";

/// Largest fraction of MPD's time.
const MOST_OF_TIME: f64 = 0.1;

/// Largest fraction of MPD's memory.
const MOST_OF_MEMORY: f64 = 0.4;

/// Largest time to listening, as a multiple of a start without songs. It must not depend on the size of the library.
const MOST_TO_LISTEN: f64 = 1.5;

const NO_SONGS: &str = "Trill, without songs";

/// Largest number of rounds: MPD needs half a minute for each large library.
const MAX_LONG_ROUNDS: usize = 3;

/// A library.
struct Library {
    what: &'static str,
    songs: usize,
    make: fn(usize) -> PathBuf,
}

const LIBRARIES: [Library; 3] = [
    Library { what: "small files", songs: 10_000, make: trees::small },
    Library { what: "small files", songs: 100_000, make: trees::small },
    Library { what: "files of 5 MB", songs: 10_000, make: trees::large },
];

/// The figures of one start.
struct Start {
    to_listening: Option<Duration>,
    to_complete: Duration,
    resident_bytes: u64,
}

fn measure(plan: &Plan) -> Vec<Row> {
    LIBRARIES.iter().flat_map(|library| measure_library(plan, library)).collect()
}

fn measure_library(plan: &Plan, library: &Library) -> Vec<Row> {
    let Library { what, songs, make } = *library;
    let music = make(songs);
    let rounds = if songs > 10_000 { plan.rounds.min(MAX_LONG_ROUNDS) } else { plan.rounds };
    // The first start of each is not counted: it loads the directory into the kernel's cache.
    let (trill, mpd): (Vec<Start>, Vec<Start>) =
        (0..=rounds).map(|_| (start_trill(&music, songs), start_mpd(&music, songs))).skip(1).unzip();

    let row = |measured: &str, unit: &str, figures: Vec<f64>| {
        Row::new(format!("{} {what}: {measured}", Figure(songs as f64)), unit, figures)
    };
    let seconds = |starts: &[Start]| starts.iter().map(|start| start.to_complete.as_secs_f64()).collect();
    let mebibytes =
        |starts: &[Start]| starts.iter().map(|start| start.resident_bytes as f64 / f64::from(1 << 20)).collect();
    let milliseconds = |starts: &[Start]| {
        starts.iter().filter_map(|start| start.to_listening).map(|time| time.as_secs_f64() * 1_000.0).collect()
    };
    let no_songs = MusicDir::new();
    let without: Vec<Start> = (0..rounds).map(|_| start_trill(no_songs.path(), 0)).collect();
    vec![
        row("start to listening", "ms", milliseconds(&trill))
            .beside(NO_SONGS, milliseconds(&without))
            .target(Target::AtMostTimes(MOST_TO_LISTEN, NO_SONGS.into())),
        row("start to complete", "s", seconds(&trill))
            .beside(MPD, seconds(&mpd))
            .target(Target::AtMostTimes(MOST_OF_TIME, MPD.into())),
        row("memory when complete", "MiB", mebibytes(&trill))
            .beside(MPD, mebibytes(&mpd))
            .target(Target::AtMostTimes(MOST_OF_MEMORY, MPD.into())),
    ]
}

fn start_trill(music: &Path, songs: usize) -> Start {
    let mut command = ServerProcess::command();
    command.args(["--listen", "127.0.0.1:0"]).arg(music);
    let started = Instant::now();
    let server = ServerProcess::launch(command);
    let to_listening = Some(started.elapsed());
    let resident_bytes = server.usage_at_rest().resident_bytes;
    let to_complete = started.elapsed();
    let listed = Lister::connect(server.address()).list();
    assert_eq!((listed.entries, listed.measured), (songs, songs), "at rest it knows them all");
    Start { to_listening, to_complete, resident_bytes }
}

fn start_mpd(music: &Path, songs: usize) -> Start {
    let mut mpd = Mpd::start(music, USUAL_OUTPUT_KIB);
    let to_complete = mpd.wait_until_updated(songs);
    Start { to_listening: None, to_complete, resident_bytes: mpd.usage().resident_bytes }
}
