//! The work of `cargo xtask bench`: `bench FOLDER ROUNDS [SECTION...]`. See [`trill_tests::bench`].
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::path::Path;
    use std::process::ExitCode;
    use trill_tests::bench::results::{self, Measured, table};
    use trill_tests::bench::{Machine, Plan, SECTIONS};

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, rounds, names @ ..] = &arguments[..] else { panic!("bench FOLDER ROUNDS [SECTION...]") };
    let plan = Plan { rounds: rounds.parse().expect("a number of rounds") };
    if let Some(unknown) = names.iter().find(|name| !SECTIONS.iter().any(|section| section.name == **name)) {
        let known: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
        eprintln!("bench: there is no section `{unknown}`; there are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let machine = Machine::here(); // before results change the sources that it names
    let keep = |measured| {
        let kept = results::keep(Path::new(folder), measured);
        kept.map_err(|error| eprintln!("bench: {folder}: {error}"))
    };
    // What cannot be kept is not measured for an hour.
    if keep(vec![]).is_err() {
        return ExitCode::FAILURE;
    }
    let scratch = scratch();
    take_along(scratch.path().to_owned());
    trill_tests::load::raise_open_files();
    let mut missed = 0;
    for section in SECTIONS.iter().filter(|section| names.is_empty() || names.iter().any(|name| name == section.name)) {
        eprintln!("\n{} …", section.title);
        let rows = (section.measure)(&plan);
        println!("\n{}\n\n{}", section.title, table(&rows));
        missed += results::missed(&rows);
        // At once: what has been measured is kept, whatever becomes of the rest.
        if keep(vec![Measured { section: section.name.into(), machine: machine.clone(), rows }]).is_err() {
            return ExitCode::FAILURE;
        }
    }
    println!("targets missed: {missed}");
    ExitCode::SUCCESS
}

/// A folder for all that is needed for a while only.
#[cfg(target_os = "linux")]
fn scratch() -> tempfile::TempDir {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let scratch = tempfile::Builder::new().prefix("trill-bench-").tempdir().expect("the system has room");
    // Icecast, which runs as nobody, has to get through.
    set_permissions(scratch.path(), Permissions::from_mode(0o755)).expect("a folder of its own");
    tempfile::env::override_temp_dir(scratch.path()).expect("it is overridden once");
    scratch
}

/// When it is asked to end, this program asks all that it has started: a server that is left behind would be there for ever.
/// Nor is anything left behind in `scratch`.
#[cfg(target_os = "linux")]
fn take_along(scratch: std::path::PathBuf) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let asked = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]);
    let mut asked = asked.expect("signals that can be handled");
    std::thread::spawn(move || {
        if let Some(signal) = asked.forever().next() {
            trill_tests::process::end_children(std::process::id());
            drop(std::fs::remove_dir_all(scratch)); // what cannot be removed now is left
            std::process::exit(128 + signal);
        }
    });
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("bench reads /proc: it runs on Linux alone");
    std::process::ExitCode::FAILURE
}
