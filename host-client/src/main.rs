//! `trill`: see the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use trill::app::{self, Exit};
use trill::options::{HELP, Invocation, VERSION, Verbosity};
use trill::output::{DeviceEntry, list_devices};
use trill::ui::console::Console;

fn main() -> ExitCode {
    if let Err(error) = trill_cli::signals::fail_writes_at_file_size_limit() {
        return fail(&format!("cannot watch for signals: {error}"), Exit::Failed).finish();
    }
    let exit = match Invocation::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Help) => app::show(HELP),
        Ok(Invocation::Version) => app::show(VERSION),
        Ok(Invocation::ListDevices) => print_devices(),
        Ok(Invocation::Run(options)) => app::run(&options),
        Err(error) => fail(&error.to_string(), Exit::Usage),
    };
    exit.finish()
}

fn print_devices() -> Exit {
    let devices = match list_devices() {
        Ok(devices) => devices,
        Err(error) => return fail(&error.to_string(), Exit::Failed),
    };
    if devices.is_empty() {
        return fail("no sound device found: connect one or start a sound server", Exit::Failed);
    }
    let widest = devices.iter().map(|device| device.id.chars().count()).max().unwrap_or(0);
    let line = |device: &DeviceEntry| {
        let default = if device.is_default { "  (default)" } else { "" };
        format!("{:<widest$}  {}{default}", device.id, device.name)
    };
    app::show(&devices.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn fail(reason: &str, exit: Exit) -> Exit {
    Console::plain(Verbosity::Normal).error(reason);
    exit
}
