//! `cargo xtask size`: compares each board program's size and cost with its budget.

use std::fs;
use std::path::Path;

use super::{BOARDS, elf};
use crate::error::Error;
use crate::process;
use crate::system::{self, Need};

/// The budgets, in the workspace: one line per board with the name and a number for each of [`COLUMNS`].
const BUDGETS: &str = "firmware-client/boards/budget.txt";

/// The columns of the table. Bytes: static RAM excludes the stack; the stack is the deepest of a session that uses
/// every function. Instructions: for one second of a 128 kbit/s song, in the decoder and in total; and from `play` to
/// the first sample.
const COLUMNS: [&str; 6] = ["flash", "static RAM", "peak stack", "decode 1 s", "play 1 s", "first sample"];

/// A number for each of [`COLUMNS`]; 0 if a board does not measure it.
type Costs = [u64; COLUMNS.len()];

/// Measures every board and prints a table.
///
/// # Errors
/// [`Error::OverBudget`] after the table if a board exceeds its budget, and the errors of building and measuring.
pub(crate) fn run() -> Result<(), Error> {
    system::ensure(&[Need::Emulator, Need::Tests])?;
    let path = process::workspace_dir().join(BUDGETS);
    let budgets = fs::read_to_string(&path).map_err(Error::io(BUDGETS))?;
    let running = run_boards()?;
    let mut rows = Vec::new();
    for board in BOARDS {
        let program = super::build(board)?;
        let running = match board.machine {
            Some(_) => line_of(&running, board.name, "what running costs")?,
            None => Default::default(),
        };
        rows.push((board, measure(&program, running)?, line_of(&budgets, board.name, BUDGETS)?));
    }
    println!("\n{:<12}{}", "used/budget", COLUMNS.map(|column| format!("{column:>21}")).concat());
    for (board, costs, budget) in &rows {
        let cells = costs.iter().zip(budget).map(|(cost, budget)| format!("{:>21}", cell(*cost, *budget)));
        println!("{:<12}{}", board.name, cells.collect::<String>());
    }
    let is_over = |costs: &Costs, budget: &Costs| costs.iter().zip(budget).any(|(cost, budget)| cost > budget);
    match rows.iter().find(|(_, costs, budget)| is_over(costs, budget)) {
        None => Ok(()),
        Some((board, ..)) => Err(Error::OverBudget { board: board.name, budgets: BUDGETS }),
    }
}

fn cell(cost: u64, budget: u64) -> String {
    if cost == 0 { "-".to_owned() } else { format!("{cost}/{budget}") }
}

/// Runs every emulated board. Returns one line per board: its name and [`COLUMNS`] from the stack on.
fn run_boards() -> Result<String, Error> {
    let mut running = process::cargo()?;
    // With the whole workspace it shares the crates of the tests.
    running.args(["test", "--quiet", "--workspace", "--bench", "board_costs"]);
    process::output(&mut running)
}

/// Reads flash and static RAM from the program. `running` has the other columns.
fn measure(program: &Path, running: [u64; COLUMNS.len() - 2]) -> Result<Costs, Error> {
    let segments = elf::segments(program)?;
    let flash = segments.iter().map(|segment| segment.bytes.len() as u64).sum();
    let writable = segments.iter().filter(|segment| segment.is_writable);
    let ram = writable.map(|segment| u64::from(segment.memory_bytes)).sum();
    let [stack, decode, play, first_sample] = running;
    Ok([flash, ram, stack, decode, play, first_sample])
}

/// The numbers in the line of this board.
///
/// # Errors
/// [`Error::Io`], which names `source`, if the line is missing or malformed.
fn line_of<const COUNT: usize>(lines: &str, board: &str, source: &str) -> Result<[u64; COUNT], Error> {
    let invalid = || Error::io(format!("{source}: {board}"))(std::io::ErrorKind::InvalidData.into());
    numbers(lines, board).ok_or_else(invalid)
}

/// The numbers in the line that begins with this name; `None` if their count differs.
fn numbers<const COUNT: usize>(lines: &str, name: &str) -> Option<[u64; COUNT]> {
    let words = lines.lines().map(str::split_whitespace);
    let mut found = words.filter_map(|mut words| (words.next() == Some(name)).then_some(words)).next()?;
    let numbers: Vec<u64> = found.by_ref().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_has_a_budget() {
        let budgets = fs::read_to_string(process::workspace_dir().join(BUDGETS)).unwrap();
        for board in BOARDS {
            let budget: Costs = line_of(&budgets, board.name, BUDGETS).unwrap();
            assert!(budget[0] > 0, "{}", board.name);
        }
        assert!(line_of::<6>(&budgets, "teapot", BUDGETS).is_err());
    }

    #[test]
    fn a_line_is_found_by_its_name_and_must_be_complete() {
        let lines = "# teapot 9 9\nteapots 7 7\nteapot  1 2\n";
        assert_eq!(numbers(lines, "teapot"), Some([1, 2]));
        assert_eq!(numbers::<3>(lines, "teapot"), None);
        assert_eq!(numbers::<1>(lines, "teapot"), None);
        assert_eq!(numbers::<2>("teapot 1 two", "teapot"), None);
        assert_eq!(numbers::<2>(lines, "kettle"), None);
    }
}
