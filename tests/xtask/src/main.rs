//! Runs the project's development tasks: `cargo xtask COMMAND`.
//!
//! The tasks need only a Rust toolchain. [`system`] lists the system packages of each task. A task installs missing
//! packages if it may, or prints the command that installs them.

#![forbid(unsafe_code)]

mod arguments;
mod bare_metal;
mod bench;
mod boards;
mod cross;
mod demo;
mod error;
mod fuzz;
mod instructions;
mod lint;
mod process;
mod programs;
mod soak;
mod suite;
mod system;

use std::process::ExitCode;

use arguments::Task;
use error::Error;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments::parse(&args).and_then(run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(task: Task) -> Result<ExitCode, Error> {
    match task {
        Task::Help => print!("{}", arguments::HELP),
        Task::Demo { dir, client_args } => return demo::run(dir.as_deref(), &client_args),
        Task::Test { cargo_args } => suite::run(&cargo_args)?,
        Task::Cross => cross::run()?,
        Task::Lint => lint::run()?,
        Task::Fuzz { targets, span } => fuzz::run(&targets, span)?,
        Task::Bench { sections, rounds } => return bench::run(&sections, rounds),
        Task::Soak { minutes, seed, svg } => return soak::run(minutes, seed, svg.as_deref()),
        Task::Instructions { accept } => instructions::run(accept)?,
        Task::Size => boards::measure_all()?,
        Task::Build { boards } => boards::build_all(&boards)?,
        Task::Flash { board } => boards::flash(board)?,
        Task::Qemu { board, server, wav } => return boards::run_in_qemu(board, server.as_deref(), wav.as_deref()),
    }
    Ok(ExitCode::SUCCESS)
}
