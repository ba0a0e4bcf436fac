//! Makes the demo songs: `cargo run -p trill-composer -- DIRECTORY`.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use trill_composer::{encode, songs};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: trill-composer DIRECTORY");
        return ExitCode::from(2);
    };
    match make(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trill-composer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(directory: &Path) -> Result<(), Box<dyn Error>> {
    for song in songs() {
        let pcm = song.render()?;
        encode(&song, &pcm, directory)?;
        // Not println!, which panics if the output is closed.
        writeln!(io::stdout(), "{}: {} samples, hash {:016x}", song.file_name(), pcm.frames(), pcm.hash())?;
    }
    Ok(())
}
