use std::sync::Mutex;

use rustyline::ExternalPrinter;
use rustyline::history::DefaultHistory;

use super::screen::{CLEAR_ROW_ABOVE, clear_status, draw_all};
use super::*;

#[track_caller]
fn check_completion(line: &str, expected: &[&str]) {
    let history = DefaultHistory::new();
    let (start, pairs) =
        Commands::new(Arc::new(Modes::of_stdin())).complete(line, line.len(), &Context::new(&history)).unwrap();
    let completed: Vec<_> = pairs.iter().map(|pair| format!("{}{}", &line[..start], pair.replacement)).collect();
    assert_eq!(completed, expected, "{line:?}");
}

#[test]
fn names_of_commands_are_completed_and_nothing_else() {
    check_completion("sta", &["status "]);
    check_completion("st", &["stop ", "status "]);
    check_completion("  PL", &["  play "]);
    check_completion("help se", &["help seek "]);
    check_completion("play 1 st", &[]);
    check_completion("help play st", &[]);
    check_completion("xyz", &[]);
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

/// A screen of 80 columns, and what has been drawn on it.
struct Bench {
    draw: Sender<Drawing>,
    status: Arc<PendingStatus>,
    paper: Paper,
}

impl Bench {
    fn new() -> Self {
        let (draw, drawings) = mpsc::channel();
        let (status, paper) = (Arc::new(PendingStatus::default()), Paper::default());
        let (pending_status, printer) = (status.clone(), paper.clone());
        thread::spawn(move || draw_all(&drawings, &pending_status, FullScreen::default(), printer, || 80));
        Self { draw, status, paper }
    }

    fn draw(&self, drawing: Drawing) {
        let (done, drawn) = mpsc::channel();
        self.draw.send(drawing).unwrap();
        self.draw.send(Drawing::Flush(done)).unwrap();
        drawn.recv().unwrap();
    }

    fn status(&self, line: &str) {
        self.status.put(line.to_owned());
        self.draw(Drawing::Status);
    }

    fn text(&self, text: &str) {
        self.draw(Drawing::Text(text.to_owned(), Box::new(|| {})));
    }

    fn drawn(&self) -> String {
        std::mem::take(&mut self.paper.0.lock().unwrap())
    }
}

#[test]
fn the_status_line_stays_right_above_the_prompt() {
    let bench = Bench::new();
    bench.status("one");
    bench.status("one");
    bench.text("hello\nworld");
    bench.status("two");
    bench.draw(Drawing::Entered);
    bench.status("two");
    let up = CLEAR_ROW_ABOVE;
    assert_eq!(bench.drawn(), format!("one\n{up}hello\nworld\none\n{up}two\ntwo\n"));
}

#[test]
fn after_a_stop_the_status_line_is_drawn_below_what_the_shell_has_drawn() {
    let bench = Bench::new();
    bench.status("one");
    bench.drawn();
    bench.draw(Drawing::Continued);
    assert_eq!(bench.drawn(), "one\n");
    bench.status("two");
    assert_eq!(bench.drawn(), format!("{CLEAR_ROW_ABOVE}two\n"));
}

#[test]
fn only_the_last_waiting_status_line_is_drawn() {
    let bench = Bench::new();
    let is_first = ["one", "two", "three"].map(|line| bench.status.put(line.to_owned()));
    assert_eq!(is_first, [true, false, false], "one drawing is queued for all");
    bench.draw(Drawing::Status);
    assert_eq!(bench.drawn(), "three\n");
}

#[test]
fn the_sender_of_a_text_learns_when_it_is_drawn() {
    let bench = Bench::new();
    let (told, drawn) = mpsc::channel();
    let paper = bench.paper.clone();
    let on_drawn = move || told.send(paper.0.lock().unwrap().clone()).unwrap();
    bench.draw(Drawing::Text("page".to_owned(), Box::new(on_drawn)));
    assert_eq!(drawn.recv().unwrap(), "page\n\n");
}

#[test]
fn a_status_line_that_a_narrower_terminal_wraps_is_cleared_whole() {
    for (status, columns, rows) in
        [("", 80, 1), ("12345", 5, 1), ("12345", 4, 2), ("12345", 2, 3), ("東京", 3, 2), ("1", 0, 1)]
    {
        assert_eq!(clear_status(status, columns), CLEAR_ROW_ABOVE.repeat(rows), "{status:?} in {columns}");
    }
}
