//! The program: what the user asks for, what the server answers, what the player reports, one after the other.
//!
//! ```text
//!   prompt or stdin ─┐                            ┌─▶ Shared: the player (commands)
//!   reader thread ───┼─▶ channel ─▶ App (a loop) ─┼─▶ Network (when to connect)
//!   decode loop ─────┘                            └─▶ Console
//! ```
//!
//! One thread runs the loop and nothing in it blocks for long, so a command is obeyed whatever else is going on.
//! Nothing the server said is kept to answer with later: every `list`, `info` and `play` is a new exchange.

mod commands;
mod events;
mod lists;
mod status;

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use trill_cli::signals::{self, EndSignal};
use trill_player::command::{self, Command};

use crate::decode_loop::{self, DecodeLoop};
use crate::network::{self, Identity, Network, Song};
use crate::options::{Options, Verbosity};
use crate::output::{Notice, Output, OutputError, OutputTarget};
use crate::shared::Shared;
use crate::ui::console::Console;
use crate::ui::prompt::{self, Input, Lines};
use crate::ui::table::Table;

/// How often the status line is drawn while something moves.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// How long a program that nobody sits at tries to reach a server that it lost, before it gives the song up.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the program may take to end when the system asks it to. A thread that is stuck, such as one that writes to
/// a full pipe, cannot delay the end for longer.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a goodbye may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a command that only reports something waits for the commands before it to take effect: a few round-trips
/// to a server far away.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done: status 0.
    Done,
    /// Something failed, and a line on standard error said what: status 1.
    Failed,
    /// What was asked for makes no sense: status 2.
    Usage,
    /// A signal asked the program to end, such as Ctrl-C: the process dies of that signal.
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

/// Runs the program that the command line asks for, to its end.
pub fn run(options: &Options) -> Exit {
    match &options.command {
        Some(Command::Help(command)) => show(&commands::help(*command)),
        Some(command) => match commands::alone(command) {
            Ok(()) => start(options, Mode::OneShot),
            Err(reason) => {
                Console::plain(options.verbosity).error(&reason);
                Exit::Usage
            }
        },
        None if io::stdin().is_terminal() => start(options, Mode::Interactive),
        None => start(options, Mode::Script { is_over: false }),
    }
}

/// Prints what was asked for, which is all there is to do.
pub fn show(text: &str) -> Exit {
    let mut console = Console::plain(Verbosity::Normal);
    console.print(text);
    if console.has_failed() { Exit::Failed } else { Exit::Done }
}

fn start(options: &Options, mode: Mode) -> Exit {
    match App::new(options, mode) {
        Ok(app) => app.run(),
        Err(reason) => {
            Console::plain(options.verbosity).error(&reason);
            Exit::Failed
        }
    }
}

/// Where commands come from, and so when the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The command line: ends when the command is done.
    OneShot,
    /// Standard input, no terminal: each line is obeyed when the one before is done; ends when the last is.
    Script { is_over: bool },
    /// Somebody types, with a prompt if the terminal is up to it: ends when they say so.
    Interactive,
}

/// What the loop waits for.
#[derive(Debug)]
pub enum Event {
    /// A line, or the end of them.
    Input(Input),
    /// From the server.
    Network(network::Event),
    /// From the decode loop.
    DecodeLoop(decode_loop::Event),
    /// From the sound output.
    Output(Notice),
    /// A page of a list is on the screen.
    Drawn,
    /// The system asks the program to end.
    Signal(EndSignal),
}

struct App {
    mode: Mode,
    /// The one command to obey, until it is.
    command: Option<Command>,
    console: Console,
    lines: Option<Lines>,
    /// A line was asked for and has not come.
    is_reading: bool,
    /// Typed, and not obeyed.
    inputs: VecDeque<Input>,
    /// When a command that only reports is obeyed, whatever those before it have come to.
    report_at: Instant,
    events: Receiver<Event>,
    sender: Sender<Event>,
    /// Came, and not handled.
    pending: VecDeque<Event>,
    shared: Arc<Shared>,
    network: Network,
    /// How the server calls itself, once it has.
    server_name: Option<String>,
    /// Since when music is missing: when the last useful connection was lost.
    lost_at: Option<Instant>,
    output: OutputTarget,
    decode_loop: Option<DecodeLoop>,
    /// Why the output could not be opened, as it was said.
    output_failure: Option<String>,
    volume_percent: u8,
    /// The song that is heard.
    title: Option<Song>,
    /// The list that is being shown, laid out when its first page came.
    table: Option<Table>,
    has_failed: bool,
    exit: Option<Exit>,
}

impl App {
    fn new(options: &Options, mode: Mode) -> Result<Self, String> {
        let (sender, events) = mpsc::channel();
        let send_input = {
            let sender = sender.clone();
            move |input| drop(sender.send(Event::Input(input)))
        };
        let (lines, console) = match mode {
            Mode::OneShot => (None, Console::plain(options.verbosity)),
            Mode::Interactive if prompt::is_possible() => {
                let opened = prompt::open(send_input);
                let (lines, screen) = opened.map_err(|error| format!("cannot use this terminal: {error}"))?;
                (Some(lines), Console::above_prompt(options.verbosity, screen))
            }
            Mode::Script { .. } | Mode::Interactive => {
                let lines = Lines::of_stdin(send_input).map_err(|error| error.to_string())?;
                (Some(lines), Console::plain(options.verbosity))
            }
        };
        let console = console.with_output(&options.output);
        let send_signal = {
            let sender = sender.clone();
            move |signal| drop(sender.send(Event::Signal(signal)))
        };
        signals::watch(EXIT_TIMEOUT, send_signal).map_err(|error| format!("cannot watch for signals: {error}"))?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| format!("the system gives no random numbers: {error}"))?;
        let name = options.name.clone().unwrap_or_else(|| concat!("trill ", env!("CARGO_PKG_VERSION")).to_owned());
        let identity = Identity { name, nonce };
        let seed = u32::from_le_bytes([nonce[0], nonce[1], nonce[2], nonce[3]]);
        // One that plays a song and says nothing needs no title.
        let shared = Shared::new(seed, mode != Mode::OneShot || !console.is_quiet());
        let server = options.server.clone();
        let network = Network { server, identity, shared: shared.clone(), events: sender.clone() };
        Ok(Self {
            mode,
            command: options.command,
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
            title: None,
            table: None,
            has_failed: false,
            exit: None,
        })
    }

    fn run(mut self) -> Exit {
        self.network.connect();
        self.prepare();
        let exit = loop {
            self.on_time();
            self.execute_inputs(Instant::now());
            // Before anything more is drawn.
            if let Some(exit) = self.exit.or_else(|| self.is_done().then(|| self.verdict())) {
                break exit;
            }
            self.show_status();
            self.ask_for_input();
            if let Some(event) = self.next_event() {
                self.handle(event);
            }
        };
        self.network.close(GOODBYE_TIMEOUT);
        // A signal may come while the program is ending, as when a terminal hangs up.
        let signal = self.events.try_iter().find_map(|event| match event {
            Event::Signal(signal) => Some(Exit::Signalled(signal)),
            _ => None,
        });
        signal.unwrap_or(exit)
    }

    /// Opens the output while the connection is made, if it will be needed.
    fn prepare(&mut self) {
        let is_needed = matches!(self.command, Some(Command::Play(_))) || self.mode == Mode::Interactive;
        if !is_needed {
            return;
        }
        // At a prompt there is still the list to look at.
        if !self.open_output() && self.mode == Mode::OneShot {
            self.exit = Some(Exit::Failed);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Input(input) => self.on_input(input),
            Event::Network(event) => self.on_network(event),
            Event::DecodeLoop(event) => self.on_decode_loop(event),
            Event::Output(notice) => self.on_output(&notice),
            Event::Drawn => self.make_room(),
            Event::Signal(signal) => self.exit = Some(Exit::Signalled(signal)),
        }
    }

    fn on_input(&mut self, input: Input) {
        self.is_reading = false;
        self.inputs.push_back(input);
    }

    /// Obeys what was typed, in order. What reports something waits until the commands before it have taken effect.
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

    /// Whether the effect of earlier commands is missing that `input` depends on.
    fn must_wait(&mut self, input: &Input) -> bool {
        let Input::Line(line) = input else { return false };
        match command::parse(line) {
            Ok(None) => false,
            Ok(Some(command)) => self.depends_on_earlier(&command),
            // Complaints come in order, too.
            Err(_) => !self.is_settled(),
        }
    }

    fn handle_input(&mut self, input: Input) {
        match (input, &mut self.mode) {
            (Input::Line(line), _) => match command::parse(&line) {
                Ok(Some(command)) => self.execute(command),
                Ok(None) => {}
                Err(error) => self.fail(&error.to_string()),
            },
            (Input::Refused(reason), _) => self.fail(&reason),
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
                // Nobody is left to resume what was paused. That nothing is playing is fine.
                let _ = self.shared.with(|player, _| player.set_paused(false));
            }
            (Input::End | Input::Quit, _) => self.exit = Some(Exit::Done),
        }
    }

    /// Waits for an event, at most until there is something else to do.
    fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.pending.pop_front() {
            return Some(event);
        }
        let report_at = (!self.inputs.is_empty()).then_some(self.report_at);
        let connect_at = self.shared.with(|player, _| player.poll_connect()).map(|at| self.shared.on_clock(at));
        let deadline = [connect_at, self.status_deadline(), report_at].into_iter().flatten().min();
        // The channel cannot be closed: `self.sender` is one end.
        match deadline {
            Some(deadline) => self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok(),
            None => self.events.recv().ok(),
        }
    }

    fn status_deadline(&self) -> Option<Instant> {
        let moves = self.console.has_prompt() && !self.shared.with(|player, _| player.is_silent());
        moves.then(|| Instant::now() + STATUS_INTERVAL)
    }

    /// Reads the next line when it may be obeyed: at a prompt always, of a script when all before it is done.
    fn ask_for_input(&mut self) {
        let is_due = match self.mode {
            Mode::OneShot => false,
            Mode::Script { is_over } => !is_over && self.inputs.is_empty() && self.is_settled(),
            Mode::Interactive => true,
        };
        if let Some(lines) = &self.lines
            && is_due
            && !self.is_reading
            && self.server_name.is_some()
        {
            self.is_reading = true;
            lines.next();
        }
    }

    /// Whether everything asked for was answered, and the answers were shown.
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

    /// Whether something happened that was not handled: the player knows of it before the loop does.
    fn has_pending(&mut self) -> bool {
        self.pending.extend(self.events.try_iter());
        !self.pending.is_empty()
    }

    fn verdict(&self) -> Exit {
        if self.has_failed || self.console.has_failed() { Exit::Failed } else { Exit::Done }
    }

    /// Says what failed; the program's status will say that something did.
    fn fail(&mut self, reason: &str) {
        self.has_failed = true;
        self.console.error(reason);
    }

    /// Opens the output, if it is not open. Returns whether it is open now. Why it cannot be opened is said once.
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
            let tell = move |event| drop(events.send(Event::DecodeLoop(event)));
            DecodeLoop::spawn(self.shared.clone(), output, tell).map_err(|error| format!("cannot play: {error}"))
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

    /// Ends all music, here and at the server.
    fn stop(&mut self) {
        self.shared.with(|player, _| {
            // That nothing was playing is fine.
            let _ = player.stop();
            player.forget_failures();
        });
        self.lost_at = None;
    }
}
