use std::sync::Mutex;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::history::DefaultHistory;
use rustyline::{Context, ExternalPrinter};

use super::commands::common_beginning;
use super::screen::{REDRAW, print_all};
use super::*;

fn commands() -> (Commands, Receiver<Drawing>) {
    let (draw, drawings) = mpsc::channel();
    (Commands::new(Arc::new(Modes::of_stdin()), Arc::default(), draw, Titles::new(drop)), drawings)
}

/// Checks the line after a Tab, and what is shown above it.
#[track_caller]
fn check_completion(line: &str, expected: &str, shown: &str) {
    let history = DefaultHistory::new();
    let (commands, drawings) = commands();
    let (start, completed) = commands.complete(line, line.len(), &Context::new(&history)).unwrap();
    assert!(completed.len() <= 1, "the line editor must show no list: {completed:?}");
    let line_after = completed.first().map_or_else(|| line.to_owned(), |word| format!("{}{word}", &line[..start]));
    let list = drawings.try_iter().map(|drawing| match drawing {
        Drawing::Text(text, _) => text,
        _ => panic!("only a list is drawn"),
    });
    assert_eq!((line_after.as_str(), list.collect::<String>().as_str()), (expected, shown), "{line:?}");
}

#[test]
fn names_and_keywords_of_commands_are_completed() {
    check_completion("sta", "status ", "");
    check_completion("st", "st", "stop  status");
    check_completion("  PL", "  play ", "");
    check_completion("al", "albums ", "");
    check_completion("re", "re", "remove  repeat  resume");
    check_completion("help se", "help seek ", "");
    check_completion("help", "help ", "");
    check_completion("repeat o", "repeat o", "off  one");
    check_completion("gain AL", "gain album ", "");
    check_completion("play 1 st", "play 1 st", "");
    check_completion("help play st", "help play st", "");
    check_completion("xyz", "xyz", "");
    check_completion("xyz a", "xyz a", "");
}

#[test]
fn the_common_beginning_of_texts() {
    let check = |texts: &[&str], expected: &str| {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(common_beginning(&texts), expected);
    };
    check(&["albums", "all"], "al");
    check(&["é", "è"], "");
    check(&["same", "same"], "same");
    check(&[], "");
}

/// The drawn text, in order.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<String>>);

impl ExternalPrinter for Paper {
    fn print(&mut self, text: String) -> rustyline::Result<()> {
        self.0.lock().unwrap().push_str(&text);
        Ok(())
    }
}

/// A screen, and what has been drawn on it.
struct Bench {
    draw: Sender<Drawing>,
    paper: Paper,
}

impl Bench {
    fn new() -> Self {
        let (draw, drawings) = mpsc::channel();
        let paper = Paper::default();
        let printer = paper.clone();
        thread::spawn(move || print_all(&drawings, printer));
        Self { draw, paper }
    }

    fn drawn_by(&self, drawing: Drawing) -> String {
        let (done, drawn) = mpsc::channel();
        self.draw.send(drawing).unwrap();
        self.draw.send(Drawing::Flush(done)).unwrap();
        drawn.recv().unwrap();
        std::mem::take(&mut self.paper.0.lock().unwrap())
    }
}

#[test]
fn texts_and_the_prompt_are_drawn_in_order() {
    let bench = Bench::new();
    let text = Drawing::Text("hello\nworld".to_owned(), Box::new(|| {}));
    assert_eq!(bench.drawn_by(text), "hello\nworld\n");
    assert_eq!(bench.drawn_by(Drawing::Prompt), REDRAW);
}

#[test]
fn the_sender_of_a_text_learns_when_it_is_drawn() {
    let bench = Bench::new();
    let (told, drawn) = mpsc::channel();
    let paper = bench.paper.clone();
    let on_drawn = move || told.send(paper.0.lock().unwrap().clone()).unwrap();
    bench.drawn_by(Drawing::Text("page".to_owned(), Box::new(on_drawn)));
    assert_eq!(drawn.recv().unwrap(), "page\n");
}

fn put(row: &StatusRow, line: &'static str) -> bool {
    row.put(Box::new(move |_| line.to_owned()))
}

#[test]
fn the_status_is_the_prompts_first_row_until_the_line_is_entered() {
    let (commands, _drawings) = commands();
    let prompt = || commands.highlight_prompt(PROMPT, true).into_owned();
    assert_eq!(prompt(), "\ntrill> ");
    put(&commands.status, "one");
    assert_eq!(prompt(), "one\ntrill> ");
    commands.status.hide(true);
    assert_eq!(prompt(), "trill> ");
    commands.status.hide(false);
    assert_eq!(prompt(), "one\ntrill> ");
    assert_eq!(commands.highlight_prompt("(search) ", false), "(search) ");
}

#[test]
fn one_drawing_is_queued_for_all_changes_of_the_status() {
    let row = StatusRow::default();
    assert_eq!(["one", "two", "three"].map(|line| put(&row, line)), [true, false, false]);
    assert_eq!(row.draw(), "three\n");
    assert_eq!(["three", "four"].map(|line| put(&row, line)), [false, true]);
}
