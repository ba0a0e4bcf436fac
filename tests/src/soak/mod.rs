//! Runs a server with fifty clients and two faulty network paths, and reports growth, hangs, crashes and wrong sound.
//!
//! ```text
//!  changing music ─▶ trill-server ─┬─▶ trill ×5, light listeners ×15                no underrun, every byte right
//!                                  ├─▶ bad path ────▶ light listeners ×6            every byte right
//!                                  ├─▶ broken path ─▶ trill ×4, garbage senders ×2  no hang, no crash; files right to the sample
//!                                  └─▶ clients that flood, read slowly, disconnect abruptly, stay silent, reconnect ×18
//! ```
//!
//! The seed determines the actions of each client, but not their order across clients. The processes are measured every
//! second. At the end the run prints a table and a verdict and draws charts. `growth` separates growth from
//! fluctuation, and `stall_monitor` separates underruns from stalls of the machine.

mod chart;
mod growth;
mod hostile_clients;
mod listener;
mod music;
mod path_faults;
mod player;
mod samples;
mod shared;
mod stall_monitor;

use crate::proxy::{Conditions, Fault, Proxy};
use crate::server::ServerProcess;
use crate::session::Session;
use crate::usage::Usage;
use fastrand::Rng;
use music::{DirectoryEditor, Music};
use player::Role;
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

/// Time between two measurements.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time for the server to return to its initial threads and descriptors after the last client has left.
const REST_DEADLINE: Duration = Duration::from_secs(20);

/// Options of a soak.
#[derive(Clone, Debug)]
pub struct Options {
    /// Duration in minutes.
    pub minutes: u32,
    /// Seed of the random numbers.
    pub seed: u64,
    /// File of the charts, an SVG.
    pub chart: PathBuf,
}

/// Runs until the time is over or `is_interrupted` is set, and prints the results. Returns whether the run passed.
///
/// # Errors
/// The charts cannot be written.
///
/// # Panics
/// The server does not start.
pub fn run(options: &Options, is_interrupted: &AtomicBool) -> io::Result<bool> {
    let Options { minutes, seed, chart } = options;
    println!("soak: {minutes} minutes, seed {seed}");
    let music = Music::new();
    let mut editor = DirectoryEditor::new(&music, *seed);
    let mut server = start_server(music.path());
    Session::open(server.address()).list_measured();
    let first = server.usage_at_rest();
    let mut samples = Samples::new(&first);

    let (bad, broken) = (path_to(&server), path_to(&server));
    let folder = tempfile::tempdir()?;
    let shared = Shared::new(&music, server.address(), &bad, &broken, folder.path());
    thread::scope(|scope| {
        for ((name, activity), index) in activities().into_iter().zip(1..) {
            let (shared, random) = (&shared, Rng::with_seed(seed ^ (index << 32)));
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn_scoped(scope, move || run_repeatedly(shared, name, activity, random)).expect("a thread");
        }
        for processor in 0..thread::available_parallelism().map_or(1, usize::from) {
            let shared = &shared;
            scope.spawn(move || stall_monitor::watch(shared, processor));
        }
        let changes = &shared;
        scope.spawn(move || edit_directory(changes, &mut editor));
        measure(&shared, &mut server, &mut samples, Duration::from_secs(60) * *minutes, is_interrupted);
        shared.stop.set();
    });
    // Frozen data would arrive late.
    [&bad, &broken].into_iter().for_each(|path| path.inject_both(Fault::Reset));
    let mut failures = shared.failures();
    failures.extend(check_rest(server, &first));
    failures.extend(shared.stall_monitor.failure());
    failures.extend(samples.series.iter().filter_map(samples::Series::failure));

    let ran = shared.elapsed().as_secs_f64() / 60.0;
    print!("{}", samples.table());
    println!("{}", totals(&shared));
    fs::create_dir_all(chart.parent().unwrap_or(Path::new(".")))?;
    fs::write(chart, chart::draw(&samples, &format!("trill-server and 50 clients, {ran:.1} min, seed {seed}")))?;
    println!("soak: {}", chart.display());
    for failure in &failures {
        // The details were printed when it occurred.
        println!("soak: {}", failure.lines().next().unwrap_or(failure));
    }
    println!("soak: {} after {ran:.1} minutes, seed {seed}", if failures.is_empty() { "passed" } else { "FAILED" });
    Ok(failures.is_empty())
}

/// Starts the server in a process group of its own, out of reach of the terminal's Ctrl-C: this program stops it.
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

// ── the clients ──

/// One pass of a client, or one fault.
type Activity = fn(&Shared<'_>, &mut Rng);

/// The 50 clients, and the faults of the two paths.
fn activities() -> Vec<(&'static str, Activity)> {
    const GOOD: Role = Role { is_broken: false, stays: true };
    const BROKEN: Role = Role { is_broken: true, stays: true };
    let parts: [(usize, &'static str, Activity); 17] = [
        (3, "trill", |shared, random| player::play(shared, GOOD, random)),
        (1, "trill, restarting", |shared, random| player::play(shared, Role { stays: false, ..GOOD }, random)),
        (1, "recorder", |shared, random| player::record(shared, false, random)),
        (2, "trill, cut off", |shared, random| player::play(shared, BROKEN, random)),
        (1, "trill, restarting, cut off", |shared, random| {
            player::play(shared, Role { stays: false, ..BROKEN }, random)
        }),
        (1, "recorder, cut off", |shared, random| player::record(shared, true, random)),
        (12, "listener", |shared, random| listener::visit(shared, shared.address, false, random)),
        (3, "paused", listener::pause_often),
        (6, "listener, bad path", |shared, random| listener::visit(shared, shared.bad.address(), true, random)),
        (4, "silent", hostile_clients::stay_silent),
        (4, "disconnects abruptly", hostile_clients::disconnect_abruptly),
        (4, "reconnects", hostile_clients::reconnect),
        (3, "floods", hostile_clients::flood),
        (3, "reads slowly", hostile_clients::read_slowly),
        (2, "sends garbage", hostile_clients::send_garbage),
        (1, "path faults: bad", path_faults::degrade),
        (1, "path faults: broken", path_faults::disrupt),
    ];
    parts.into_iter().flat_map(|(count, name, activity)| std::iter::repeat_n((name, activity), count)).collect()
}

/// Repeats an activity until the run stops. A panic ends one pass and is a failure of the run.
fn run_repeatedly(shared: &Shared<'_>, name: &str, activity: Activity, mut random: Rng) {
    while !shared.stop.is_set() {
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| activity(shared, &mut random))) {
            shared.report(&format!("{name}: {}", message(&*panic)));
        }
    }
}

/// Changes the directory from time to time.
fn edit_directory(shared: &Shared<'_>, editor: &mut DirectoryEditor<'_>) {
    while !shared.stop.wait(editor.pause()) {
        editor.change();
        shared.tally.changes.add(1);
    }
}

// ── measurements and the end ──

/// Measures once a second until the time is over, the user interrupts, or the server has ended.
fn measure(
    shared: &Shared<'_>,
    server: &mut ServerProcess,
    samples: &mut Samples,
    length: Duration,
    is_interrupted: &AtomicBool,
) {
    while !shared.stop.wait(INTERVAL) && shared.elapsed() < length && !is_interrupted.load(Ordering::Relaxed) {
        // Drains the log: hours of it would fill the memory.
        let log = server.process().take_lines();
        if let Some(line) = log.iter().find(|line| line.contains("panic")) {
            shared.report(&format!("server log: {line}"));
        }
        if server.process().has_ended() {
            return shared.report(&format!("the server has ended: {log:?}"));
        }
        if let Err(error) = samples.take(shared, server) {
            return shared.report(&format!("cannot measure the server: {error}"));
        }
    }
}

/// Checks after the last client that the server has released everything and stops on request.
fn check_rest(server: ServerProcess, first: &Usage) -> Option<String> {
    let rest = panic::catch_unwind(AssertUnwindSafe(move || {
        server.wait_until_back_at(first, REST_DEADLINE);
        let last = server.usage();
        println!(
            "soak: all clients have left: the server has {} threads and {} descriptors, as before, and {} KiB (initially {} KiB)",
            last.threads,
            last.open_files,
            last.resident_bytes / 1024,
            first.resident_bytes / 1024
        );
        server.stop().expect_code(0);
    }));
    rest.err().map(|panic| format!("the server at the end: {}", message(&*panic)))
}

/// The totals of the run, as a sentence.
fn totals(shared: &Shared<'_>) -> String {
    let tally = &shared.tally;
    format!(
        "soak: {} commands, {} songs started, {} MB compared; {} recordings compared; {} hostile connections, {} faults, {} changes of \
         the directory",
        tally.operations.value(),
        tally.songs.value(),
        tally.bytes.value() / 1_000_000,
        tally.recordings.value(),
        tally.hostile_connections.value(),
        tally.faults.value(),
        tally.changes.value()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifty_clients() {
        let names: Vec<_> = activities().into_iter().map(|(name, _)| name).collect();
        let clients = names.iter().filter(|name| !["path faults: bad", "path faults: broken"].contains(name)).count();
        assert_eq!((clients, names.len()), (50, 52));
    }
}
