//! Runs one benchmark for `cargo xtask instructions`, which counts its instructions.
//!
//! Without an argument it prints the names. Each benchmark is reproducible: it does not depend on clocks, random
//! numbers or external files, and counted code does not depend on other threads.

mod count;
mod music;
mod proto;
mod session;

use std::process::ExitCode;

use session::Side;

/// The benchmarks, by the names of their stored counts.
const BENCHES: &[(&str, fn())] = &[
    ("encode", proto::encode),
    ("decode", proto::decode),
    ("frames-whole", proto::frames_whole),
    ("frames-byte-by-byte", proto::frames_byte_by_byte),
    ("frames-data", proto::frames_data),
    ("commands", proto::commands),
    ("session-client", || session::run(Side::Client)),
    ("session-server", || session::run(Side::Server)),
    ("server-seek", music::seek),
    ("client-buffer", music::buffer),
    ("client-decoder", music::decode),
    ("client-output", music::output),
];

fn main() -> ExitCode {
    // `cargo bench` adds an option for the standard harness.
    let Some(name) = std::env::args().skip(1).find(|arg| arg != "--bench") else {
        BENCHES.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, bench)) = BENCHES.iter().find(|(known, _)| *known == name) else {
        eprintln!("unknown benchmark `{name}`");
        return ExitCode::FAILURE;
    };
    bench();
    ExitCode::SUCCESS
}
