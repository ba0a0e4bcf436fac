//! Does one piece of work at a time, for `cargo xtask instructions`, which counts what the processor executes meanwhile.
//!
//! Without an argument it prints what there is to choose from. Each piece is the same in every run: nothing depends on a
//! clock, on chance or on a file from elsewhere, and on another thread only while nothing is counted.

mod count;
mod music;
mod proto;
mod session;

use std::process::ExitCode;

use session::Side;

/// The pieces, by the names under which their counts are stored.
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
    // `cargo bench` adds an option that is for benchmarks of the standard harness.
    let Some(name) = std::env::args().skip(1).find(|arg| arg != "--bench") else {
        BENCHES.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, bench)) = BENCHES.iter().find(|(known, _)| *known == name) else {
        eprintln!("there is no bench `{name}`");
        return ExitCode::FAILURE;
    };
    bench();
    ExitCode::SUCCESS
}
