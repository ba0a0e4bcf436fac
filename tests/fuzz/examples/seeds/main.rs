//! Writes the corpora: `cargo run --example seeds` in this folder. Needs LAME.
//!
//! The seeds come from the byte vectors of `wire-format.md`, the table of commands, generated music, and seeds of
//! session operations. Findings of libFuzzer are not added: a corpus is a small, readable starting point.
#![forbid(unsafe_code)]

mod files;
mod music;
mod vectors;

use std::fs;
use std::path::{Path, PathBuf};

/// The corpus of one target: names and contents.
type Corpus = Vec<(String, Vec<u8>)>;

fn main() {
    let vectors = vectors::read(&here().join("../../wire-format.md"));
    write("frame", vectors::frames(&vectors));
    write("message", vectors::messages(&vectors));
    write("command", commands());
    write("client_session", sequences());
    write("server_session", sequences());
    let clips = music::clips();
    write("mp3", files::for_decoder(&clips));
    write("library", files::for_library(&clips));
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn write(target: &str, corpus: Corpus) {
    let folder: PathBuf = here().join("corpus").join(target);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the old corpus goes");
    }
    fs::create_dir_all(&folder).expect("a folder for the corpus");
    let bytes: usize = corpus.iter().map(|(_, seed)| seed.len()).sum();
    println!("{target}: {} seeds, {bytes} bytes", corpus.len());
    for (name, seed) in corpus {
        fs::write(folder.join(name), seed).expect("a file for the seed");
    }
}

/// Sequences of 4 to 64 operations for a session. Four bytes seed one operation.
fn sequences() -> Corpus {
    let bytes = |length: u8| (0..length).map(|index| index.wrapping_mul(167).wrapping_add(length)).collect();
    (1..=16).map(|number| (format!("{number:02}"), bytes(number * 15 + 1))).collect()
}

/// Every example of the table, and lines with one error each.
fn commands() -> Corpus {
    let examples = trill_player::command::COMMANDS.iter().map(|command| command.example);
    let others = [
        "play 3-7",
        "pl ALL",
        "play 99 luftballons",
        "next \"99\"",
        "add artist 3-7",
        "7",
        "play 4294967296",
        "play 7-3",
        "play 3 at 49:99",
        "seek +1:02:03.250",
        "seek -90",
        "vol 50%",
        "volume +101",
        "s",
        "help play",
        "quit now",
        "\u{1b}[2Jlist \u{202e}\u{9b}31m",
        "\u{1b}]0;title\u{7}play",
    ];
    let lines = examples.chain(others).enumerate();
    lines.map(|(number, line)| (format!("{number:02}"), line.as_bytes().to_vec())).collect()
}
