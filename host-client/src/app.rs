//! The program: what the user asks for, what the server answers, what the player reports, one after the other.
//!
//! ```text
//!   prompt or stdin ─┐                            ┌─▶ Link ──▶ Connection (commands)
//!   reader thread ───┼─▶ channel ─▶ App (a loop) ─┼─▶ Player's controls
//!   player thread ───┘                            └─▶ Console
//! ```
//!
//! One thread runs the loop and nothing in it blocks for long, so a command is obeyed whatever else is going on.
//! Nothing the server said is kept to answer with later: every `list`, `info` and `play` is a new exchange.

mod commands;
mod link;
mod news;
mod requests;
mod stage;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use trill_cli::signals::{self, EndSignal};
use trill_player::command::{self, Command};
use trill_proto::ids::RequestId;

use crate::buffer::Buffer;
use crate::network::{self, ConnectError, Connection, Identity};
use crate::options::{Options, Verbosity};
use crate::output::{Notice, Output, OutputError, OutputSpec};
use crate::player::{self, Player};
use crate::ui::console::Console;
use crate::ui::prompt::{self, Input, Lines};

use link::Link;
use requests::Request;
use stage::Stage;

/// How often the status line is drawn while something moves.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// How long a program that nobody sits at tries to reach a server that it lost, before it gives the song up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the program may take to end when the system asks it to. A thread that is stuck, such as one that writes to
/// a full pipe, cannot delay the end for longer.
const GRACE: Duration = Duration::from_secs(2);

/// How long a command that only reports something waits for the commands before it to take effect: a few round-trips
/// to a server far away.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);

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
enum Event {
    Input(Input),
    Connected {
        attempt: u64,
        result: Result<Arc<Connection>, ConnectError>,
    },
    Network {
        attempt: u64,
        event: network::Event,
    },
    Player(player::Event),
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
    link: Link,
    /// How the server calls itself, once it has.
    server_name: Option<String>,
    buffer: Arc<Buffer>,
    output: OutputSpec,
    player: Option<Player>,
    /// Why the output could not be opened, as it was said.
    output_failure: Option<String>,
    volume_percent: u8,
    stage: Stage,
    /// Asked, and not answered.
    requests: BTreeMap<RequestId, Request>,
    /// To be asked when the connection is there.
    held: Vec<Request>,
    /// To be asked when the answers before them are on the screen.
    undrawn: Vec<Request>,
    has_failed: bool,
    exit: Option<Exit>,
}

impl App {
    fn new(options: &Options, mode: Mode) -> Result<Self, String> {
        let (sender, events) = mpsc::channel();
        let tell_input = {
            let sender = sender.clone();
            move |input| drop(sender.send(Event::Input(input)))
        };
        let (lines, console) = match mode {
            Mode::OneShot => (None, Console::plain(options.verbosity)),
            Mode::Interactive if prompt::is_possible() => {
                let opened = prompt::open(tell_input);
                let (lines, screen) = opened.map_err(|error| format!("cannot use this terminal: {error}"))?;
                (Some(lines), Console::above_prompt(options.verbosity, screen))
            }
            Mode::Script { .. } | Mode::Interactive => {
                let lines = Lines::of_stdin(tell_input).map_err(|error| error.to_string())?;
                (Some(lines), Console::plain(options.verbosity))
            }
        };
        let console = console.beside(&options.output);
        let tell_signal = {
            let sender = sender.clone();
            move |signal| drop(sender.send(Event::Signal(signal)))
        };
        signals::watch(GRACE, tell_signal).map_err(|error| format!("cannot watch for signals: {error}"))?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| format!("the system gives no random numbers: {error}"))?;
        let name = options.name.clone().unwrap_or_else(|| concat!("trill ", env!("CARGO_PKG_VERSION")).to_owned());
        let buffer = Buffer::new();
        let identity = Identity { name, nonce };
        Ok(Self {
            mode,
            command: options.command,
            console,
            lines,
            is_reading: false,
            inputs: VecDeque::new(),
            report_at: Instant::now(),
            events,
            link: Link::new(options.server.clone(), identity, buffer.clone(), sender.clone()),
            sender,
            server_name: None,
            buffer,
            output: options.output.clone(),
            player: None,
            output_failure: None,
            volume_percent: options.volume_percent,
            stage: Stage::default(),
            requests: BTreeMap::new(),
            held: Vec::new(),
            undrawn: Vec::new(),
            has_failed: false,
            exit: None,
        })
    }

    fn run(mut self) -> Exit {
        self.link.connect();
        self.prepare();
        let exit = loop {
            let now = Instant::now();
            self.on_time(now);
            self.obey(now);
            self.find_what_follows();
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
        self.link.close();
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
        if !self.open_player() && self.mode == Mode::OneShot {
            self.exit = Some(Exit::Failed);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Input(input) => self.on_input(input),
            Event::Connected { attempt, result } => {
                if let Err(error) = self.link.on_connected(attempt, result) {
                    self.on_attempt_failed(&error.to_string());
                }
            }
            Event::Network { attempt, event } if self.link.is_present(attempt) => self.on_network(event),
            Event::Network { .. } => {}
            Event::Player(event) => self.on_player(event),
            Event::Output(notice) => self.on_output(&notice),
            Event::Drawn => self.request_undrawn(),
            Event::Signal(signal) => self.exit = Some(Exit::Signalled(signal)),
        }
    }

    fn on_input(&mut self, input: Input) {
        self.is_reading = false;
        self.inputs.push_back(input);
    }

    /// Obeys what was typed, in order. What reports something waits until the commands before it have taken effect.
    fn obey(&mut self, now: Instant) {
        while self.exit.is_none()
            && self.inputs.front().is_some_and(|input| now >= self.report_at || !self.must_wait(input))
            && let Some(input) = self.inputs.pop_front()
        {
            self.report_at = now + REPORT_PATIENCE;
            self.obey_one(input);
        }
    }

    /// Whether the effect of earlier commands is missing that `input` depends on.
    fn must_wait(&self, input: &Input) -> bool {
        let Input::Line(line) = input else { return false };
        match command::parse(line) {
            Ok(None) => false,
            Ok(Some(command)) => self.depends_on_earlier(&command),
            // Complaints come in order, too.
            Err(_) => !self.is_settled(),
        }
    }

    fn obey_one(&mut self, input: Input) {
        match (input, &mut self.mode) {
            (Input::Line(line), _) => match command::parse(&line) {
                Ok(Some(command)) => self.execute(command),
                Ok(None) => {}
                Err(error) => self.fail(&error.to_string()),
            },
            (Input::Refused(reason), _) => self.fail(&reason),
            (Input::Failed(reason), Mode::Script { .. }) => {
                self.fail(&reason);
                self.obey_one(Input::End);
            }
            (Input::Failed(reason), _) => {
                self.fail(&reason);
                self.exit = Some(Exit::Failed);
            }
            (Input::End, Mode::Script { is_over }) => {
                *is_over = true;
                // Nobody is left to resume what was paused.
                self.set_paused(false);
            }
            (Input::End | Input::Quit, _) => self.exit = Some(Exit::Done),
        }
    }

    /// Waits for an event, at most until there is something else to do.
    fn next_event(&self) -> Option<Event> {
        let report_at = (!self.inputs.is_empty()).then_some(self.report_at);
        let deadline = [self.link.deadline(), self.status_deadline(), report_at].into_iter().flatten().min();
        // The channel cannot be closed: `self.sender` is one end.
        match deadline {
            Some(deadline) => self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok(),
            None => self.events.recv().ok(),
        }
    }

    fn status_deadline(&self) -> Option<Instant> {
        let moves = self.console.has_prompt() && !self.stage.is_empty();
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

    /// Whether everything asked for was answered.
    fn is_settled(&self) -> bool {
        let is_answered = self.requests.is_empty() && self.held.is_empty() && self.undrawn.is_empty();
        is_answered && !self.stage.is_switching() && !self.link.is_connecting()
    }

    fn is_done(&self) -> bool {
        let is_last = match self.mode {
            Mode::OneShot => true,
            Mode::Script { is_over } => is_over,
            Mode::Interactive => false,
        };
        is_last && self.command.is_none() && self.is_settled() && self.stage.is_empty()
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
    fn open_player(&mut self) -> bool {
        if self.player.is_some() {
            return true;
        }
        let (notices, events) = (self.sender.clone(), self.sender.clone());
        let opened = Output::open(&self.output, move |notice| drop(notices.send(Event::Output(notice))));
        if let Err(OutputError::NoDevice { reason }) = &opened {
            self.console.verbose(&format!("the system says: {reason}"));
        }
        let player = opened.map_err(|error| error.to_string()).and_then(|output| {
            output.1.set_volume(self.volume_percent);
            let tell = move |event| drop(events.send(Event::Player(event)));
            Player::spawn(self.buffer.clone(), output, tell).map_err(|error| format!("cannot play: {error}"))
        });
        match player {
            Ok(player) => self.player = Some(player),
            Err(reason) if self.output_failure.as_ref() == Some(&reason) => self.fail("there is still no sound output"),
            Err(reason) => {
                self.fail(&reason);
                self.output_failure = Some(reason);
            }
        }
        self.player.is_some()
    }

    fn set_paused(&self, is_paused: bool) {
        if let Some(player) = &self.player {
            player.controls().set_paused(is_paused);
        }
    }

    fn is_paused(&self) -> bool {
        self.player.as_ref().is_some_and(|player| player.controls().is_paused())
    }

    /// Ends all music, here and at the server.
    fn stop(&mut self) {
        self.cancel_lookups();
        self.stage.clear();
        self.buffer.clear();
        if let Some(connection) = self.link.connection() {
            connection.stop();
        }
        self.link.give_up();
        // A pause lasts until the next song begins: lifted now, it could let a moment of this one through.
    }
}
