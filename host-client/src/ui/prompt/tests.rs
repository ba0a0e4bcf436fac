use std::sync::Mutex;

use rustyline::history::DefaultHistory;

use super::*;

#[track_caller]
fn check_completion(line: &str, expected: &[&str]) {
    let history = DefaultHistory::new();
    let (start, pairs) = Commands::default().complete(line, line.len(), &Context::new(&history)).unwrap();
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

/// What is drawn, in the order in which it is.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<String>>);

impl ExternalPrinter for Paper {
    fn print(&mut self, text: String) -> rustyline::Result<()> {
        self.0.lock().unwrap().push_str(&text);
        Ok(())
    }
}

#[test]
fn the_status_line_stays_right_above_the_prompt() {
    let (draw, drawings) = mpsc::channel();
    for drawing in [
        Drawing::Status("one".into()),
        Drawing::Status("one".into()),
        Drawing::Text("hello\nworld".into()),
        Drawing::Status("two".into()),
        Drawing::Entered,
        Drawing::Status("two".into()),
    ] {
        draw.send(drawing).unwrap();
    }
    drop(draw);
    let paper = Paper::default();
    draw_all(&drawings, paper.clone(), || 80);
    let up = CLEAR_ROW_ABOVE;
    assert_eq!(*paper.0.lock().unwrap(), format!("one\n{up}hello\nworld\none\n{up}two\ntwo\n"));
}

#[test]
fn a_status_line_that_a_narrower_terminal_wraps_is_cleared_whole() {
    for (status, columns, rows) in
        [("", 80, 1), ("12345", 5, 1), ("12345", 4, 2), ("12345", 2, 3), ("東京", 3, 2), ("1", 0, 1)]
    {
        assert_eq!(clear_status(status, columns), CLEAR_ROW_ABOVE.repeat(rows), "{status:?} in {columns}");
    }
}
