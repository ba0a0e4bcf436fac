//! The program's main loop: handles user input, network events and playback events one by one.
//!
//! ```text
//!   prompt or stdin ─┐                            ┌─▶ Shared: the player (commands)
//!   network ─────────┼─▶ channel ─▶ App (a loop) ─┼─▶ Network (when to connect)
//!   decode loop ─────┘                            └─▶ Console
//! ```
//!
//! One thread runs the loop, so it must not wait for the network or for music. Only three calls can block it: writing to the
//! terminal or pipe, opening the output, and writing the state file. The program caches no answers: every `list`, `info` and
//! `play` is a new request to the server. The [crate's documentation](crate) says how an answer
//! finds who has asked.

mod browse;
mod commands;
mod events;
mod lists;
mod questions;
mod remote;
mod status;
mod titles;

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use trill_cli::signals::{self, EndSignal};
use trill_player::command::{self, Command};

use lists::Continuation;
use questions::Questions;
use status::News;

use crate::decode_loop::{self, DecodeLoop};
use crate::network::{self, Identity, Network, Song};
use crate::options::{Options, Verbosity};
use crate::output::{Notice, Output, OutputError, OutputTarget};
use crate::remote::Request;
use crate::settings::state::{State, StateFile};
use crate::shared::Shared;
use crate::ui::console::Console;
use crate::ui::prompt::{self, Input, Lines, TitleSearch};
use remote::Outside;

use browse::Browsing;

/// How often to draw the status line while music plays.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// How long a non-interactive program tries to reach a lost server before it gives up the song.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the program may take to end after a signal, even if a thread blocks, for example on a full pipe.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long sending GOODBYE may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a command that only reports waits for earlier commands to take effect: a few round-trips to a distant server.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Success: status 0.
    Done,
    /// Something failed, and a line on standard error said so: status 1.
    Failed,
    /// The command line is wrong: status 2.
    Usage,
    /// A signal such as Ctrl-C ended the program: the process dies of that signal.
    Signalled(EndSignal),
}

impl Exit {
    /// Ends the process, or returns its exit status.
    pub fn finish(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Failed => ExitCode::FAILURE,
            Self::Usage => ExitCode::from(2),
            Self::Signalled(signal) => signal.die(),
        }
    }
}

/// Runs the program until it ends. A prompt remembers its settings in `state`.
pub fn run(options: &Options, state: StateFile) -> Exit {
    let usage = |reason: &str| {
        Console::plain(options.verbosity).error(reason);
        Exit::Usage
    };
    match options.command.as_deref().map(command::parse) {
        Some(Err(error)) => usage(&error.to_string()),
        Some(Ok(Some(Command::Help(command)))) => show(&commands::help(command)),
        Some(Ok(Some(Command::Browse))) if prompt::is_possible() => start(options, state, Mode::Interactive),
        Some(Ok(Some(command))) => match commands::alone(&command) {
            Ok(()) => start(options, state, Mode::OneShot),
            Err(reason) => usage(&reason),
        },
        Some(Ok(None)) | None if io::stdin().is_terminal() => start(options, state, Mode::Interactive),
        Some(Ok(None)) | None => start(options, state, Mode::Script { is_over: false }),
    }
}

/// Prints `text` on standard output.
pub fn show(text: &str) -> Exit {
    let mut console = Console::plain(Verbosity::Normal);
    console.print(text);
    if console.has_failed() { Exit::Failed } else { Exit::Done }
}

/// Whether a single command is controlled by keys: a command that plays, at a terminal that would show what it prints.
fn takes_keys(options: &Options) -> bool {
    let plays = matches!(options.command.as_deref().map(command::parse), Some(Ok(Some(Command::Play(_)))));
    let is_quiet = options.verbosity < Verbosity::Normal;
    plays && !is_quiet && options.output != OutputTarget::WavToStdout && prompt::has_keys()
}

fn cannot_use(error: impl std::fmt::Display) -> String {
    format!("cannot use this terminal: {error}")
}

fn start(options: &Options, state: StateFile, mode: Mode) -> Exit {
    match App::new(options, state, mode) {
        Ok(app) => app.run(),
        Err(reason) => {
            Console::plain(options.verbosity).error(&reason);
            Exit::Failed
        }
    }
}

/// The source of commands, which determines when the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The command line. The program ends when the command is done.
    OneShot,
    /// Standard input that is not a terminal. Each line waits for the one before; the program ends after the last.
    Script { is_over: bool },
    /// A terminal, with a prompt if it supports one. The program ends when the user quits.
    Interactive,
}

/// An event for the main loop.
#[derive(Debug)]
pub enum Event {
    /// A line of input, or its end.
    Input(Input),
    /// Tab was pressed behind words.
    TitleSearch(TitleSearch),
    /// The network has events. The loop fetches them from [`Shared`].
    Wake,
    /// From the server.
    Network(network::Event),
    /// From the decode loop.
    DecodeLoop(decode_loop::Event),
    /// From the sound output.
    Output(Notice),
    /// A page of a list is on the screen.
    Drawn,
    /// From outside the program.
    Request(Request),
    /// The desktop cannot control the program, for this reason.
    NoDesktop(String),
    /// A signal to end the program.
    Signal(EndSignal),
}

struct App {
    mode: Mode,
    /// The command of the command line, until it is executed.
    command: Option<String>,
    console: Console,
    lines: Option<Lines>,
    /// A line was requested and has not arrived.
    is_reading: bool,
    /// Input that has not been handled.
    inputs: VecDeque<Input>,
    /// When a command that only reports is executed even if earlier ones have not taken effect.
    report_at: Instant,
    events: Receiver<Event>,
    sender: Sender<Event>,
    /// Events that have arrived and have not been handled.
    pending: VecDeque<Event>,
    shared: Arc<Shared>,
    network: Network,
    /// The server's name; `None` before the first WELCOME.
    server_name: Option<String>,
    /// When the last useful connection was lost.
    lost_at: Option<Instant>,
    output: OutputTarget,
    decode_loop: Option<DecodeLoop>,
    /// The error message of the last attempt to open the output.
    output_failure: Option<String>,
    volume_percent: u8,
    news: News,
    /// The song that is heard.
    title: Option<Song>,
    /// What the first title says of keys.
    key_hint: &'static str,
    /// The song that follows.
    following: Option<Song>,
    /// The first of the songs that are being added to the queue.
    found: Option<Song>,
    questions: Questions,
    /// Where the list that was shown in part goes on.
    continuation: Option<Continuation>,
    state: StateFile,
    /// The full screen, if it is shown.
    browsing: Browsing,
    outside: Outside,
    /// Answers on standard output are JSON.
    is_json: bool,
    has_failed: bool,
    exit: Option<Exit>,
}

impl App {
    fn new(options: &Options, state: StateFile, mode: Mode) -> Result<Self, String> {
        let (sender, events) = mpsc::channel();
        let send_input = {
            let sender = sender.clone();
            move |input| drop(sender.send(Event::Input(input)))
        };
        let (lines, console) = match mode {
            Mode::OneShot if takes_keys(options) => {
                let (lines, screen) = prompt::open_for_keys(send_input).map_err(cannot_use)?;
                (Some(lines), Console::above_status(options.verbosity, screen))
            }
            Mode::OneShot => (None, Console::plain(options.verbosity)),
            Mode::Interactive if prompt::is_possible() => {
                let sender = sender.clone();
                let send_search = move |search| drop(sender.send(Event::TitleSearch(search)));
                let (lines, screen) = prompt::open(send_input, send_search).map_err(cannot_use)?;
                (Some(lines), Console::above_status(options.verbosity, screen))
            }
            Mode::Script { .. } | Mode::Interactive => {
                let lines = Lines::of_stdin(send_input).map_err(|error| error.to_string())?;
                (Some(lines), Console::plain(options.verbosity))
            }
        };
        let console = console.with_output(&options.output);
        let has_keys = lines.is_some();
        let send_signal = {
            let sender = sender.clone();
            move |signal| drop(sender.send(Event::Signal(signal)))
        };
        signals::watch(EXIT_TIMEOUT, send_signal).map_err(|error| format!("cannot watch for signals: {error}"))?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| format!("cannot get random numbers: {error}"))?;
        let name = options.name.clone().unwrap_or_else(|| concat!("trill ", env!("CARGO_PKG_VERSION")).to_owned());
        let identity = Identity { name, nonce };
        let seed = u32::from_le_bytes([nonce[0], nonce[1], nonce[2], nonce[3]]);
        // A quiet program that plays one song shows no titles.
        let shared = Shared::new(seed, mode != Mode::OneShot || !console.is_quiet());
        shared.with(|player, _| {
            player.set_gain(options.gain);
            player.set_shuffle(options.shuffle);
            // A single command or a script would never end.
            if mode == Mode::Interactive {
                player.set_repeat(options.repeat);
            }
        });
        let server = options.server.clone();
        let network = Network { server, identity, shared: shared.clone(), events: sender.clone() };
        Ok(Self {
            mode,
            command: options.command.clone(),
            console,
            lines,
            is_reading: false,
            inputs: VecDeque::new(),
            report_at: Instant::now(),
            events,
            pending: VecDeque::new(),
            sender,
            shared,
            network,
            server_name: None,
            lost_at: None,
            output: options.output.clone(),
            decode_loop: None,
            output_failure: None,
            volume_percent: options.volume_percent,
            news: News::default(),
            title: None,
            key_hint: if mode == Mode::OneShot && has_keys { "; ? shows the keys" } else { "" },
            following: None,
            found: None,
            questions: Questions::default(),
            continuation: None,
            state,
            browsing: Browsing::default(),
            outside: Outside::default(),
            is_json: options.is_json,
            has_failed: false,
            exit: None,
        })
    }

    fn run(mut self) -> Exit {
        self.network.connect();
        self.open_to_others();
        self.prepare();
        let exit = loop {
            self.on_time();
            self.execute_inputs(Instant::now());
            self.remember();
            // Exit before anything more is drawn.
            if let Some(exit) = self.exit.or_else(|| self.is_done().then(|| self.verdict())) {
                break exit;
            }
            self.draw();
            self.serve_others(Instant::now());
            self.ask_for_input();
            if let Some(event) = self.next_event() {
                self.handle(event);
            }
        };
        self.network.close(GOODBYE_TIMEOUT);
        self.close_to_others();
        // A signal may arrive while the program ends, for example when the terminal hangs up.
        let signal = self.events.try_iter().find_map(|event| match event {
            Event::Signal(signal) => Some(Exit::Signalled(signal)),
            _ => None,
        });
        signal.unwrap_or(exit)
    }

    /// Opens the output while the connection is made, if it is needed.
    fn prepare(&mut self) {
        let plays = matches!(self.command.as_deref().map(command::parse), Some(Ok(Some(Command::Play(_)))));
        let is_needed = plays || self.mode == Mode::Interactive;
        if !is_needed {
            return;
        }
        // A prompt is useful without sound, for example to list songs.
        if !self.open_output() && self.mode == Mode::OneShot {
            self.exit = Some(Exit::Failed);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Input(input) => self.on_input(input),
            Event::TitleSearch(search) => self.on_title_search(search),
            Event::Wake => {}
            Event::Network(event) => self.on_network(event),
            Event::DecodeLoop(event) => self.on_decode_loop(event),
            Event::Output(notice) => self.on_output(&notice),
            Event::Drawn => self.make_room(),
            Event::Request(request) => self.on_request(request),
            Event::NoDesktop(reason) => self.on_no_desktop(&reason),
            Event::Signal(signal) => self.exit = Some(Exit::Signalled(signal)),
        }
    }

    fn on_input(&mut self, input: Input) {
        self.is_reading = false;
        let input = self.on_browser_input(input);
        self.inputs.extend(input);
    }

    /// Shows the present state, on the full screen or above the prompt.
    fn draw(&mut self) {
        if self.browsing.is_on() { self.show_browser() } else { self.show_status() }
    }

    /// Handles input in order. A command that reports waits until earlier commands have taken effect.
    fn execute_inputs(&mut self, now: Instant) {
        while self.exit.is_none()
            && let Some(input) = self.inputs.pop_front()
        {
            if now < self.report_at && self.must_wait(&input) {
                return self.inputs.push_front(input);
            }
            self.report_at = now + REPORT_TIMEOUT;
            self.handle_input(input);
        }
    }

    /// Whether `input` depends on an earlier command that has not taken effect.
    fn must_wait(&mut self, input: &Input) -> bool {
        let Input::Line(line) = input else { return false };
        match command::parse(line) {
            Ok(None) => false,
            Ok(Some(command)) => self.depends_on_earlier(&command),
            // Errors are reported in order, too.
            Err(_) => !self.is_settled(),
        }
    }

    pub(super) fn handle_input(&mut self, input: Input) {
        match (input, &mut self.mode) {
            (Input::Line(line), _) => match command::parse(&line) {
                Ok(Some(command)) => self.execute(command),
                Ok(None) => {}
                Err(error) => self.fail(&error.to_string()),
            },
            (Input::Refused(reason), _) => self.fail(&reason),
            (Input::Key(key), Mode::OneShot) => self.on_music_key(key),
            // The browser has taken its keys. The next drawing takes the new size.
            (Input::Key(_) | Input::Resized, _) => {}
            (Input::Failed(reason), Mode::Script { .. }) => {
                self.fail(&reason);
                self.handle_input(Input::End);
            }
            (Input::Failed(reason), _) => {
                self.fail(&reason);
                self.exit = Some(Exit::Failed);
            }
            (Input::End, Mode::Script { is_over }) => {
                *is_over = true;
                // No later command can resume paused music. It does not matter if nothing is playing.
                let _ = self.shared.with(|player, _| player.set_paused(false));
            }
            (Input::End | Input::Quit, _) => self.exit = Some(Exit::Done),
        }
    }

    /// Waits for an event, at most until the next deadline.
    fn next_event(&mut self) -> Option<Event> {
        if self.has_pending() {
            return self.pending.pop_front();
        }
        let report_at = (!self.inputs.is_empty()).then_some(self.report_at);
        let connect_at = self.shared.with(|player, _| player.poll_connect()).map(|at| self.shared.on_clock(at));
        let deadline =
            [connect_at, self.status_deadline(), report_at, self.browsing.deadline(), self.others_deadline()]
                .into_iter()
                .flatten()
                .min();
        // `self.sender` keeps the channel open.
        match deadline {
            Some(deadline) => self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok(),
            None => self.events.recv().ok(),
        }
    }

    fn status_deadline(&self) -> Option<Instant> {
        let moves = self.has_watcher() && (self.news.is_any() || !self.shared.with(|player, _| player.is_silent()));
        moves.then(|| Instant::now() + STATUS_INTERVAL)
    }

    /// Requests the next line or key when it can be handled: at a terminal at once, in a script when all before it is done.
    fn ask_for_input(&mut self) {
        let is_due = match self.mode {
            Mode::OneShot => true,
            Mode::Script { is_over } => !is_over && self.inputs.is_empty() && self.is_settled(),
            // The full screen takes the keys.
            Mode::Interactive => !self.inputs.iter().any(is_browse),
        };
        if let Some(lines) = &self.lines
            && is_due
            && !self.is_reading
            && self.server_name.is_some()
        {
            self.is_reading = true;
            if self.browsing.is_on() || self.mode == Mode::OneShot { lines.next_key() } else { lines.next() }
        }
    }

    /// Whether all requests were answered and the answers were shown.
    fn is_settled(&mut self) -> bool {
        self.shared.with(|player, _| player.is_settled()) && !self.has_pending()
    }

    fn is_done(&mut self) -> bool {
        let is_last = match self.mode {
            Mode::OneShot => true,
            Mode::Script { is_over } => is_over,
            Mode::Interactive => false,
        };
        let is_silent = self.shared.with(|player, _| player.is_silent());
        is_last && self.command.is_none() && is_silent && self.is_settled()
    }

    /// Whether events wait to be handled. The player knows of them before the loop does.
    fn has_pending(&mut self) -> bool {
        // Whatever the decode loop sent before an event of the network comes before it.
        let from_network = self.shared.take_events();
        self.pending.extend(self.events.try_iter());
        self.pending.extend(from_network.into_iter().map(Event::Network));
        !self.pending.is_empty()
    }

    fn verdict(&self) -> Exit {
        if self.has_failed || self.console.has_failed() { Exit::Failed } else { Exit::Done }
    }

    /// Prints an error and makes the program's status a failure, or that of the client that has sent the command.
    fn fail(&mut self, reason: &str) {
        self.console.error(reason);
        if self.console.client().is_none() {
            self.has_failed = true;
            self.copy_error(reason);
        }
    }

    /// Opens the output if it is not open. Returns whether it is open now. Prints each reason for a failure once.
    fn open_output(&mut self) -> bool {
        if self.decode_loop.is_some() {
            return true;
        }
        let (notices, events) = (self.sender.clone(), self.sender.clone());
        let opened = Output::open(&self.output, move |notice| drop(notices.send(Event::Output(notice))));
        if let Err(OutputError::NoDevice { reason }) = &opened {
            self.console.verbose(&format!("the system says: {reason}"));
        }
        let decode_loop = opened.map_err(|error| error.to_string()).and_then(|output| {
            output.1.set_volume(self.volume_percent);
            let on_event = move |event| drop(events.send(Event::DecodeLoop(event)));
            DecodeLoop::spawn(self.shared.clone(), output, on_event).map_err(|error| format!("cannot play: {error}"))
        });
        match decode_loop {
            Ok(decode_loop) => self.decode_loop = Some(decode_loop),
            Err(reason) if self.output_failure.as_ref() == Some(&reason) => self.fail("there is still no sound output"),
            Err(reason) => {
                self.fail(&reason);
                self.output_failure = Some(reason);
            }
        }
        self.decode_loop.is_some()
    }

    /// Remembers the settings of a prompt for the next run. A script or a single command changes nothing.
    fn remember(&mut self) {
        if self.mode != Mode::Interactive || self.server_name.is_none() {
            return;
        }
        let (gain, shuffle, repeat) = self.shared.with(|player, _| (player.gain(), player.shuffle(), player.repeat()));
        let state = State {
            server: Some(self.network.server.to_text()),
            volume: Some(self.volume_percent),
            gain: Some(gain.to_string()),
            shuffle: Some(shuffle.to_string()),
            repeat: Some(repeat.to_string()),
        };
        if let Err(message) = self.state.keep(state) {
            self.console.notice(&message);
        }
    }

    /// Stops the music and its transmission.
    fn stop(&mut self) {
        self.shared.with(|player, _| {
            // It does not matter if nothing was playing.
            let _ = player.stop();
            player.forget_failures();
        });
        self.lost_at = None;
    }
}

fn is_browse(input: &Input) -> bool {
    matches!(input, Input::Line(line) if matches!(command::parse(line), Ok(Some(Command::Browse))))
}
