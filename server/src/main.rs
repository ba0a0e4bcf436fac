//! The program `trill-server`: options in, a running server, exit status out.
#![forbid(unsafe_code)]

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use gethostname::gethostname;
use trill_proto::text::visible;
use trill_server::library::{self, Library, Source};
use trill_server::options::{HELP, Invocation, Options, VERSION};
use trill_server::{Config, Server, demo, greeting, log, shutdown};

/// What the main thread waits for.
enum Happening {
    /// The directory was walked, and so many songs were found.
    Walked(u32),
    /// The server should end.
    Asked,
}

fn main() -> ExitCode {
    match Invocation::parse(env::args_os().skip(1)) {
        Ok(Invocation::Help) => say(HELP),
        Ok(Invocation::Version) => say(VERSION),
        Ok(Invocation::Run(options)) => return run(options),
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn run(options: Options) -> ExitCode {
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Serves until the process is asked to end.
fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    log::init(options.log_level)?;
    let source = options.directory.map_or(Source::BuiltIn(demo::SONGS), Source::Directory);
    let is_demo = matches!(source, Source::BuiltIn(_));
    let library = Library::open(source, library::Options { follow_symlinks: options.follow_symlinks })?;
    let name = options.name.unwrap_or_else(|| gethostname().to_string_lossy().into_owned());

    let (happened, happenings) = mpsc::channel();
    let asked = happened.clone();
    shutdown::watch(move || drop(asked.send(Happening::Asked)))?;
    let Options { listen, max_clients, max_per_address, .. } = options;
    let config = Config { listen, max_clients, max_per_address, name };
    let server = Server::start(Arc::clone(&library), config)?;
    say(&greeting::listening(server.address()));
    if is_demo {
        say(&greeting::demo(demo::SONGS.len()));
    }
    ::log::info!("room for {} clients", server.max_clients());
    if max_clients.is_some_and(|wanted| wanted.get() > server.max_clients()) {
        ::log::warn!("the system has no memory, threads or files for more");
    }
    let walk = move || drop(happened.send(Happening::Walked(library.wait_until_scanned())));
    thread::Builder::new().name("walk".into()).spawn(walk)?;

    for happening in happenings {
        match happening {
            Happening::Walked(songs) => {
                say(&greeting::ready(songs, server.address(), &greeting::addresses_of_this_machine()));
            }
            Happening::Asked => break,
        }
    }
    ::log::info!("shutting down");
    server.shut_down();
    log::flush();
    Ok(())
}

/// Prints to stdout; if that is gone, nobody wants to know.
fn say(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

fn complain(error: &dyn Display) {
    let message: String = visible(&error.to_string()).collect();
    let _ = writeln!(io::stderr(), "trill-server: {message}");
}
