//! A server, fifty clients of all kinds and two bad paths, for as long as one likes: does anything grow, hang, crash or
//! sound wrong?
//!
//! ```text
//!  music, which changes ─▶ trill-server ─┬─▶ trill ×5, light listeners ×15      undisturbed: no underrun, every byte right
//!                                        ├─▶ bad path ───▶ light listeners ×6   every byte right
//!                                        ├─▶ broken path ─▶ trill ×4, babblers  no hang, no crash; files right to the sample
//!                                        └─▶ those who flood, dawdle, vanish, say nothing, come and go
//! ```
//!
//! Everybody draws what they do from random numbers of one seed. The order in which things happen between them is the
//! machine's. Every second the processes are measured; at the end there is a table, a picture, and a verdict: what grew (see
//! `growth`) is told from what comes and goes, and an underrun from a machine that stood still (see `witness`).

mod chart;
mod growth;
mod listener;
mod music;
mod nuisance;
mod program;
mod samples;
mod shared;
mod weather;
mod witness;

use crate::proxy::{Conditions, Fault, Proxy};
use crate::server::ServerProcess;
use crate::session::Session;
use crate::usage::Usage;
use fastrand::Rng;
use music::{Keeper, Music};
use program::Part;
use samples::Samples;
use shared::{Shared, message};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Between two readings.
const INTERVAL: Duration = Duration::from_secs(1);

/// How soon the server is to be back at its first count of threads and descriptors once all have gone.
const REST_DEADLINE: Duration = Duration::from_secs(20);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long.
    pub minutes: u32,
    /// From which random numbers.
    pub seed: u64,
    /// Where the picture goes.
    pub chart: PathBuf,
}

/// Runs for so long, or until `is_interrupted`, and prints what came of it. Returns whether all was well.
///
/// # Errors
/// When the picture cannot be written.
///
/// # Panics
/// When the server does not start.
pub fn run(options: &Options, is_interrupted: &AtomicBool) -> io::Result<bool> {
    let Options { minutes, seed, chart } = options;
    println!("soak: {minutes} minutes, seed {seed}");
    let music = Music::new();
    let mut keeper = Keeper::new(&music, *seed);
    let mut server = start_server(music.path());
    Session::open(server.address()).list_measured();
    let first = server.usage_at_rest();
    let mut samples = Samples::new(&first);

    let (bad, broken) = (path_to(&server), path_to(&server));
    let folder = tempfile::tempdir()?;
    let shared = Shared::new(&music, server.address(), &bad, &broken, folder.path());
    thread::scope(|scope| {
        for ((name, life), index) in cast().into_iter().zip(1..) {
            let (shared, random) = (&shared, Rng::with_seed(seed ^ (index << 32)));
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn_scoped(scope, move || live(shared, name, life, random)).expect("a thread");
        }
        for processor in 0..thread::available_parallelism().map_or(1, usize::from) {
            let shared = &shared;
            scope.spawn(move || witness::watch(shared, processor));
        }
        let changes = &shared;
        scope.spawn(move || keep(changes, &mut keeper));
        measure(&shared, &mut server, &mut samples, Duration::from_secs(60) * *minutes, is_interrupted);
        shared.stop.set();
    });
    // What was frozen on its way would arrive late.
    [&bad, &broken].into_iter().for_each(|path| path.inject_both(Fault::Reset));
    let mut troubles = shared.troubles();
    troubles.extend(check_rest(server, &first));
    troubles.extend(shared.witness.trouble());
    troubles.extend(samples.series.iter().filter_map(samples::Series::trouble));

    let ran = shared.elapsed().as_secs_f64() / 60.0;
    print!("{}", samples.table());
    println!("{}", told(&shared));
    fs::create_dir_all(chart.parent().unwrap_or(Path::new(".")))?;
    fs::write(chart, chart::draw(&samples, &format!("trill-server and 50 clients, {ran:.1} min, seed {seed}")))?;
    println!("soak: {}", chart.display());
    for trouble in &troubles {
        // What there is to show of it was shown when it came.
        println!("soak: {}", trouble.lines().next().unwrap_or(trouble));
    }
    println!("soak: {} after {ran:.1} minutes, seed {seed}", if troubles.is_empty() { "passed" } else { "FAILED" });
    Ok(troubles.is_empty())
}

/// Out of reach of the terminal's Ctrl-C: it is this program that ends it.
fn start_server(directory: &Path) -> ServerProcess {
    let mut command = ServerProcess::command();
    command.args(["--listen", "127.0.0.1:0"]).arg(directory).process_group(0);
    let mut server = ServerProcess::launch(command);
    server.wait_until_ready();
    server
}

fn path_to(server: &ServerProcess) -> Proxy {
    Proxy::start(server.address(), Conditions::PERFECT)
}

// ── who takes part ──

/// What somebody does between coming and going.
type Life = fn(&Shared<'_>, &mut Rng);

/// Everybody: 50 clients, and what happens to the paths.
fn cast() -> Vec<(&'static str, Life)> {
    const GOOD: Part = Part { is_broken: false, stays: true };
    const BROKEN: Part = Part { is_broken: true, stays: true };
    let parts: [(usize, &'static str, Life); 17] = [
        (3, "trill", |shared, random| program::play(shared, GOOD, random)),
        (1, "trill, now and then", |shared, random| program::play(shared, Part { stays: false, ..GOOD }, random)),
        (1, "recorder", |shared, random| program::record(shared, false, random)),
        (2, "trill, cut off", |shared, random| program::play(shared, BROKEN, random)),
        (1, "trill, now and then, cut off", |shared, random| {
            program::play(shared, Part { stays: false, ..BROKEN }, random)
        }),
        (1, "recorder, cut off", |shared, random| program::record(shared, true, random)),
        (12, "listener", |shared, random| listener::visit(shared, shared.address, false, random)),
        (3, "paused", listener::linger),
        (6, "listener, bad path", |shared, random| listener::visit(shared, shared.bad.address(), true, random)),
        (4, "says nothing", nuisance::say_nothing),
        (4, "vanishes", nuisance::vanish),
        (4, "comes and goes", nuisance::come_and_go),
        (3, "floods", nuisance::flood),
        (3, "dawdles", nuisance::dawdle),
        (2, "babbles", nuisance::babble),
        (1, "weather", weather::roughen),
        (1, "wrecker", weather::wreck),
    ];
    parts.into_iter().flat_map(|(count, name, life)| std::iter::repeat_n((name, life), count)).collect()
}

/// Lives one life after the other, until all is over. A panic is trouble, and the end of one of them.
fn live(shared: &Shared<'_>, name: &str, life: Life, mut random: Rng) {
    while !shared.stop.is_set() {
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| life(shared, &mut random))) {
            shared.report(&format!("{name}: {}", message(&*panic)));
        }
    }
}

/// Lets the directory change now and then.
fn keep(shared: &Shared<'_>, keeper: &mut Keeper<'_>) {
    while !shared.stop.wait(keeper.pause()) {
        keeper.change();
        shared.tally.changes.add(1);
    }
}

// ── the readings and the end ──

/// Reads every figure once a second until the time is over, somebody interrupts, or the server is gone.
fn measure(
    shared: &Shared<'_>,
    server: &mut ServerProcess,
    samples: &mut Samples,
    length: Duration,
    is_interrupted: &AtomicBool,
) {
    while !shared.stop.wait(INTERVAL) && shared.elapsed() < length && !is_interrupted.load(Ordering::Relaxed) {
        // A log of hours is not kept.
        let log = server.process().take_lines();
        if let Some(line) = log.iter().find(|line| line.contains("panic")) {
            shared.report(&format!("the server says: {line}"));
        }
        if server.process().has_ended() {
            return shared.report(&format!("the server has ended: {log:?}"));
        }
        if let Err(error) = samples.take(shared, server) {
            return shared.report(&format!("no reading of the server: {error}"));
        }
    }
}

/// Everybody has gone: the server must have let go of everything, and end when it is asked to.
fn check_rest(server: ServerProcess, first: &Usage) -> Option<String> {
    let rest = panic::catch_unwind(AssertUnwindSafe(move || {
        server.wait_until_back_at(first, REST_DEADLINE);
        let last = server.usage();
        println!(
            "soak: all have gone: the server has {} threads and {} descriptors, as before, and {} KiB, before {} KiB",
            last.threads,
            last.open_files,
            last.resident_bytes / 1024,
            first.resident_bytes / 1024
        );
        server.stop().expect_code(0);
    }));
    rest.err().map(|panic| format!("the server at the end: {}", message(&*panic)))
}

/// What was done, in a sentence.
fn told(shared: &Shared<'_>) -> String {
    let tally = &shared.tally;
    format!(
        "soak: {} commands, {} songs begun, {} MB compared; {} recordings compared; {} nuisances, {} faults, {} changes of \
         the directory",
        tally.operations.value(),
        tally.songs.value(),
        tally.bytes.value() / 1_000_000,
        tally.recordings.value(),
        tally.nuisances.value(),
        tally.faults.value(),
        tally.changes.value()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifty_clients() {
        let names: Vec<_> = cast().into_iter().map(|(name, _)| name).collect();
        let clients = names.iter().filter(|name| !["weather", "wrecker"].contains(name)).count();
        assert_eq!((clients, names.len()), (50, 52));
    }
}
