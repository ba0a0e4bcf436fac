//! `trill`: see the library.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use trill::app::{self, Exit};
use trill::discovery::{self, Found};
use trill::options::{Ctl, HELP, Invocation, Options, VERSION, Verbosity};
use trill::output::{DeviceEntry, list_devices};
use trill::server::{HOST_VARIABLE, Server};
use trill::settings::state::StateFile;
use trill::settings::{Settings, config};
use trill::ui::console::Console;
use trill::ui::text;

fn main() -> ExitCode {
    if let Err(error) = trill_cli::signals::fail_writes_at_file_size_limit() {
        return fail(&format!("cannot watch for signals: {error}"), Exit::Failed).finish();
    }
    let exit = match Invocation::parse(std::env::args_os().skip(1)) {
        Ok(Invocation::Help) => app::show(HELP),
        Ok(Invocation::Version) => app::show(VERSION),
        Ok(Invocation::ListDevices) => print_devices(),
        Ok(Invocation::Find) => print_servers(),
        Ok(Invocation::Run { settings, command, is_json }) => match configured(settings) {
            Ok(settings) => run(settings, command, is_json),
            Err(reason) => fail(&reason, Exit::Usage),
        },
        Ok(Invocation::Ctl(ctl)) => control(&ctl),
        Err(error) => fail(&error.to_string(), Exit::Usage),
    };
    exit.finish()
}

/// Completes the settings of the command line by those of the environment and the configuration.
fn configured(settings: Settings) -> Result<Settings, String> {
    let environment = Settings::of_environment(std::env::var_os(HOST_VARIABLE));
    let environment = environment.map_err(|error| format!("{HOST_VARIABLE}: {error}"))?;
    let config = config::load().map_err(|error| error.to_string())?;
    Ok(settings.or(environment).or(config))
}

/// Completes the settings by those of the last prompt, unless this is a script, and runs the program.
fn run(settings: Settings, command: Option<String>, is_json: bool) -> Exit {
    let is_at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let (state, message) = if is_at_terminal { StateFile::open() } else { Default::default() };
    let mut settings = settings.or(state.state().settings());
    if is_at_terminal {
        settings.server.get_or_insert_with(Server::any);
    }
    let options = Options::new(settings, command, is_json);
    if let Some(message) = message {
        Console::plain(options.verbosity).notice(&message);
    }
    app::run(&options, state)
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

fn print_servers() -> Exit {
    let servers = discovery::find_all();
    if servers.is_empty() {
        return fail("no server found on this network; trill HOST connects to one by its address", Exit::Failed);
    }
    let widest = servers.iter().map(|server| text::width(&server.name)).max().unwrap_or(0);
    let line = |server: &Found| {
        let Found { name, .. } = server;
        match io::stdout().is_terminal() {
            true => format!("{name}{}  {}", " ".repeat(widest - text::width(name)), server.address()),
            false => format!("{name}\t{}", server.address()),
        }
    };
    app::show(&servers.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[cfg(unix)]
fn control(ctl: &Ctl) -> Exit {
    trill::ctl::run(ctl)
}

#[cfg(not(unix))]
fn control(_: &Ctl) -> Exit {
    fail("ctl is not possible on this system, which has no Unix sockets", Exit::Failed)
}

fn fail(reason: &str, exit: Exit) -> Exit {
    Console::plain(Verbosity::Normal).error(reason);
    exit
}
