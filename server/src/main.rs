//! The program `trill-server`: reads the options, runs the server and returns the exit status.
#![forbid(unsafe_code)]

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use gethostname::gethostname;
use trill_cli::signals::{self, EndSignal};
use trill_proto::text::visible;
use trill_server::announce::Announcement;
use trill_server::library::{self, Library, Source};
use trill_server::options::{HELP, Invocation, Options, VERSION};
use trill_server::{Config, Server, banner, log};

/// How long the server may take to shut down before the signal ends it.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the program waits at its end for stdout.
const PRINT_TIMEOUT: Duration = Duration::from_millis(200);

/// What the main thread waits for.
enum MainEvent {
    /// The first scan is over. Holds the number of songs.
    Scanned(u32),
    /// The process was asked to end.
    EndSignal(EndSignal),
}

fn main() -> ExitCode {
    match Invocation::parse(env::args_os().skip(1)) {
        Ok(Invocation::Help) => print(HELP),
        Ok(Invocation::Version) => print(VERSION),
        Ok(Invocation::Run(options)) => return run(options),
        Err(error) => {
            print_error(&error);
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn run(options: Options) -> ExitCode {
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Serves until the process is asked to end.
fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let (sender, events) = mpsc::channel();
    let asked = sender.clone();
    signals::fail_writes_at_file_size_limit()?;
    signals::watch(SHUTDOWN_TIMEOUT, move |signal| drop(asked.send(MainEvent::EndSignal(signal))))?;
    log::init(options.log_level)?;
    let printer = Printer::start()?;
    // Bind first: the library scans and logs as soon as it is open, and an error should be the only message.
    let socket = Server::bind(options.listen)?;
    let is_demo = options.directory.is_none();
    let library = Library::open(match options.directory {
        Some(path) => Source::Directory { path, follow_symlinks: options.follow_symlinks },
        None => Source::BuiltIn(library::DEMO),
    })?;
    let host = gethostname().to_string_lossy().split('.').next().unwrap_or_default().to_owned();
    let name = options.name.unwrap_or_else(|| host.clone());

    let Options { max_clients, max_per_address, is_announced, .. } = options;
    let config = Config { max_clients, max_per_address, name: name.clone() };
    let server = Server::start(socket, Arc::clone(&library), config)?;
    let announcement = if is_announced { announce(&name, &host, server.address()) } else { None };
    printer.print(banner::listening(server.address()));
    if is_demo {
        printer.print(banner::built_in(library::DEMO.len()));
    }
    ::log::info!("{}", banner::capacity(server.max_clients()));
    if max_clients.is_some_and(|wanted| wanted.get() > server.max_clients()) {
        ::log::warn!("the system has no memory, threads or files for more");
    }
    let scan = move || drop(sender.send(MainEvent::Scanned(library.wait_until_scanned())));
    thread::Builder::new().name("scan".into()).spawn(scan)?;

    for event in events {
        match event {
            MainEvent::Scanned(songs) => {
                printer.print(banner::ready(songs, server.address(), &banner::addresses_of_this_machine()));
            }
            MainEvent::EndSignal(signal) => {
                ::log::info!("{}: shutting down", signal.name());
                break;
            }
        }
    }
    if let Some(announcement) = announcement {
        announcement.end();
    }
    server.shut_down();
    printer.finish();
    log::flush();
    Ok(())
}

/// Announces the server. A machine without multicast serves as well.
fn announce(name: &str, host: &str, address: SocketAddr) -> Option<Announcement> {
    Announcement::start(name, host, address).unwrap_or_else(|error| {
        ::log::info!("cannot announce this server: {error}");
        None
    })
}

/// Prints to stdout on its own thread, because stdout may be a full pipe.
struct Printer {
    texts: Sender<String>,
    finished: Receiver<()>,
}

impl Printer {
    fn start() -> io::Result<Self> {
        let (texts, to_print) = mpsc::channel::<String>();
        let (is_finished, finished) = mpsc::channel();
        let print_all = move || {
            to_print.into_iter().for_each(|text| print(&text));
            drop(is_finished);
        };
        thread::Builder::new().name("stdout".into()).spawn(print_all)?;
        Ok(Self { texts, finished })
    }

    /// Does not block.
    fn print(&self, text: String) {
        let _ = self.texts.send(text);
    }

    /// Waits a moment until everything is printed.
    fn finish(self) {
        drop(self.texts);
        let _ = self.finished.recv_timeout(PRINT_TIMEOUT);
    }
}

/// Prints to stdout. Ignores a stdout that is closed.
fn print(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

fn print_error(error: &dyn Display) {
    let message: String = visible(&error.to_string()).collect();
    let _ = writeln!(io::stderr(), "trill-server: {message}");
}
