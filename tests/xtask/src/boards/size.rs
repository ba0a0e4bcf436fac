//! `cargo xtask size`: what each board's program takes, beside what it may take.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{BOARDS, Board, elf, qemu};
use crate::demo::Songs;
use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// The file of budgets, in the workspace: a board a line, then flash, RAM and stack in bytes.
const BUDGETS: &str = "firmware-client/boards/budget.txt";

/// What a board's program takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    flash: u64,
    /// Without the stack.
    ram: u64,
    /// At its deepest, in a session that does all there is to do; 0 for a board that is not emulated.
    stack: u64,
}

/// Measures every board and prints a table.
///
/// # Errors
/// [`Error::OverBudget`] after the table if a board takes more than its budget; and whatever keeps it from measuring.
pub(crate) fn run() -> Result<(), Error> {
    system::ensure(&[Need::Emulator])?;
    let path = process::workspace_dir().join(BUDGETS);
    let budgets = fs::read_to_string(&path).map_err(Error::io(BUDGETS))?;
    let mut rows = Vec::new();
    for board in BOARDS {
        let program = super::build(board)?;
        rows.push((board, measure(board, &program)?, budget(&budgets, board.name)?));
    }
    println!("\n{:<14}{:>20}{:>20}{:>20}", "bytes (budget)", "flash", "static RAM", "peak stack");
    let cell = |size: u64, budget: u64| format!("{size} ({budget})");
    for (board, size, budget) in &rows {
        let [flash, ram, stack] = [
            cell(size.flash, budget.flash),
            cell(size.ram, budget.ram),
            if size.stack == 0 { "not run".to_owned() } else { cell(size.stack, budget.stack) },
        ];
        println!("{:<14}{flash:>20}{ram:>20}{stack:>20}", board.name);
    }
    let over =
        |size: &Size, budget: &Size| size.flash > budget.flash || size.ram > budget.ram || size.stack > budget.stack;
    match rows.iter().find(|(_, size, budget)| over(size, budget)) {
        None => Ok(()),
        Some((board, ..)) => Err(Error::OverBudget { board: board.name, budgets: BUDGETS }),
    }
}

fn measure(board: &Board, program: &Path) -> Result<Size, Error> {
    let segments = elf::segments(program)?;
    let flash = segments.iter().map(|segment| segment.bytes.len() as u64).sum();
    let writable = segments.iter().filter(|segment| segment.is_writable);
    let ram = writable.map(|segment| u64::from(segment.memory_bytes)).sum();
    let stack = match &board.machine {
        Some(machine) => peak_stack(machine, program)?,
        None => 0,
    };
    Ok(Size { flash, ram, stack })
}

/// The deepest stack in a session that does everything once.
fn peak_stack(machine: &qemu::Machine, program: &Path) -> Result<u64, Error> {
    let songs = Songs::serve()?;
    let mut session = Session::start(qemu::silent(machine, program, songs.address()))?;
    for (line, answer) in [
        ("help", "connects to another server"),
        ("list", "    3  "),
        ("info 1", "size    "),
        ("play 99", "there is no such song"),
        ("play 1", "playing 1 "),
        ("play 3", "playing 3 "),
        ("pause", ""),
        ("resume", ""),
        ("volume 50", ""),
        ("seek 15", ""),
    ] {
        session.ask(line, answer)?;
    }
    while !session.ask("status", "song    ")?.contains("none") {}
    let told = session.ask("memory", "stack: ")?;
    songs.stop()?;
    let bytes = told.split_once("stack: ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    bytes.ok_or_else(|| Error::io("the board's memory")(std::io::ErrorKind::InvalidData.into()))
}

/// A board that runs with nobody at its console. Dropping it ends it.
struct Session {
    child: Child,
    typed: ChildStdin,
    shown: BufReader<ChildStdout>,
}

impl Session {
    fn start(mut command: Command) -> Result<Self, Error> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|source| process::start_error(&command, source))?;
        let typed = child.stdin.take().expect("it was piped above");
        let shown = BufReader::new(child.stdout.take().expect("it was piped above"));
        let mut session = Self { child, typed, shown };
        session.wait_for("connected to ")?;
        Ok(session)
    }

    /// Types `line`, and waits for a line with `answer` in it.
    fn ask(&mut self, line: &str, answer: &str) -> Result<String, Error> {
        self.typed.write_all(format!("{line}\r").as_bytes()).map_err(Error::io("the board's console"))?;
        if answer.is_empty() { Ok(String::new()) } else { self.wait_for(answer) }
    }

    fn wait_for(&mut self, answer: &str) -> Result<String, Error> {
        loop {
            let mut line = Vec::new();
            let count = self.shown.read_until(b'\n', &mut line).map_err(Error::io("the board's console"))?;
            let line = String::from_utf8_lossy(&line);
            if line.contains(answer) {
                return Ok(line.into_owned());
            }
            if count == 0 {
                return Err(Error::io("the board's console")(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Both fail only for one that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the board of this name may take.
fn budget(budgets: &str, board: &str) -> Result<Size, Error> {
    let lines = budgets.lines().filter(|line| !line.starts_with('#'));
    let found = lines.map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|words| match words[..] {
        [name, flash, ram, stack] if name == board => {
            Some(Size { flash: flash.parse().ok()?, ram: ram.parse().ok()?, stack: stack.parse().ok()? })
        }
        _ => None,
    });
    found.ok_or_else(|| Error::io(format!("{BUDGETS}: {board}"))(std::io::ErrorKind::InvalidData.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_has_a_budget() {
        let budgets = fs::read_to_string(process::workspace_dir().join(BUDGETS)).unwrap();
        for board in BOARDS {
            assert!(budget(&budgets, board.name).unwrap().flash > 0, "{}", board.name);
        }
        assert!(budget(&budgets, "teapot").is_err());
        assert!(budget("teapot 1 2", "teapot").is_err());
        assert_eq!(budget("# x\nteapot  1 2 3\n", "teapot").unwrap(), Size { flash: 1, ram: 2, stack: 3 });
    }
}
