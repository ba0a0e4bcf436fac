//! The program behind `cargo xtask bench`: `bench FOLDER ROUNDS [SECTION...]`. See [`trill_tests::bench`].
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
        eprintln!("bench: unknown section `{unknown}`; sections: {}", known.join(", "));
        return ExitCode::from(2);
    }
    let machine = Machine::here(); // before results change the sources that it names
    let keep = |measured| {
        let kept = results::keep(Path::new(folder), measured);
        kept.map_err(|error| eprintln!("bench: {folder}: {error}"))
    };
    // Checks that results can be written before an hour of measurements.
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
        // Written after each section, so that a later failure loses nothing.
        if keep(vec![Measured { section: section.name.into(), machine: machine.clone(), rows }]).is_err() {
            return ExitCode::FAILURE;
        }
    }
    println!("targets missed: {missed}");
    ExitCode::SUCCESS
}

/// The folder of all temporary files.
#[cfg(target_os = "linux")]
fn scratch() -> tempfile::TempDir {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let scratch = tempfile::Builder::new().prefix("trill-bench-").tempdir().expect("the system has room");
    // Icecast runs as `nobody` and needs access.
    set_permissions(scratch.path(), Permissions::from_mode(0o755)).expect("a folder of its own");
    tempfile::env::override_temp_dir(scratch.path()).expect("it is overridden once");
    scratch
}

/// When this program is asked to stop, it stops all processes that it has started and removes `scratch`. Otherwise a
/// server would keep running.
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
    eprintln!("bench reads /proc: it runs only on Linux");
    std::process::ExitCode::FAILURE
}
