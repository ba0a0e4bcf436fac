//! The program behind `cargo xtask soak`: `soak MINUTES SVG [SEED]`. See [`trill_tests::soak`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use std::sync::Arc;
    use trill_tests::soak::{Options, run};

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (minutes, chart, seed) = match &arguments[..] {
        [minutes, chart] => (minutes.parse(), chart, Ok(fastrand::u64(..1 << 32))),
        [minutes, chart, seed] => (minutes.parse(), chart, seed.parse()),
        _ => panic!("usage: soak MINUTES SVG [SEED]"),
    };
    let options = Options {
        minutes: minutes.expect("a number of minutes"),
        seed: seed.expect("a number as seed"),
        chart: chart.into(),
    };
    let is_interrupted = Arc::default();
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_interrupted)).expect("a signal that can be handled");
    }
    match run(&options, &is_interrupted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {}: {error}", options.chart.display());
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("soak reads /proc: it runs only on Linux");
    ExitCode::FAILURE
}
