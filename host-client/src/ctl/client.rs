//! `trill ctl`: sends a command to a player and shows the answer.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::socket;
use crate::app::Exit;
use crate::options::{Ctl, Verbosity};
use crate::ui::console::Console;

/// How long to wait for a part of an answer. A player answers within seconds, unless it is stopped.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Executes a command in another player, and shows its answer as that player would.
pub fn run(ctl: &Ctl) -> Exit {
    let mut console = Console::plain(Verbosity::Normal);
    let exit = find(ctl.player).and_then(|(player, stream)| {
        converse(&stream, ctl, &mut console).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => format!("player {player} does not answer"),
            io::ErrorKind::UnexpectedEof => format!("player {player} has ended"),
            _ => format!("player {player}: {error}"),
        })
    });
    exit.unwrap_or_else(|reason| {
        console.error(&reason);
        Exit::Failed
    })
}

/// Connects to the player `wanted`, or to the one that was started last.
fn find(wanted: Option<u32>) -> Result<(u32, UnixStream), String> {
    let directory = socket::directory().map_err(|error| format!("cannot look for players: {error}"))?;
    connect(&directory, wanted).map_err(|error| format!("cannot connect to a player: {error}"))?.ok_or_else(|| {
        match wanted {
            Some(player) => format!("no player {player} is running"),
            None => "no player is running; start trill in another terminal".to_owned(),
        }
    })
}

fn connect(directory: &Path, wanted: Option<u32>) -> io::Result<Option<(u32, UnixStream)>> {
    let players = wanted.map_or_else(|| socket::players(directory), |player| Ok(vec![player]))?;
    for player in players {
        if let Some(stream) = socket::connect(directory, player)? {
            return Ok(Some((player, stream)));
        }
    }
    Ok(None)
}

fn converse(mut stream: &UnixStream, ctl: &Ctl, console: &mut Console) -> io::Result<Exit> {
    match stream.write_all(format!("{}\n", ctl.line).as_bytes()) {
        // The player may have said why before it closed.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
        _ => {}
    }
    stream.set_read_timeout((!ctl.follows).then_some(ANSWER_TIMEOUT))?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let (kind, text) = line.split_once(' ').unwrap_or((&line, ""));
        match kind {
            "out" => console.print(text),
            "err" => console.error(text),
            _ => return Ok(if text == "0" { Exit::Done } else { Exit::Failed }),
        }
        if console.is_output_gone() {
            return Ok(if console.has_failed() { Exit::Failed } else { Exit::Done });
        }
    }
    if ctl.follows { Ok(Exit::Done) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
