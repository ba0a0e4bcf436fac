//! Runs the load generator: see [`trill_tests::load`]. Prints one line of JSON.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use trill_tests::load;

    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let options = match load::options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("load: {error}\n\n{}", load::options::HELP);
            return ExitCode::from(2);
        }
    };
    load::raise_open_files();
    match load::run(&options) {
        Ok(report) => {
            println!("{}", report.to_json());
            for remark in report.remarks() {
                eprintln!("load: {remark}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("load reads /proc: it runs only on Linux");
    ExitCode::FAILURE
}
