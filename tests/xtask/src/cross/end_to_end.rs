//! Runs another architecture's server and client over a real connection. The WAV files of its client must match those
//! of this machine's client.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::Tools;
use crate::demo::Songs;
use crate::error::Error;
use crate::process::{self, cargo, executable, programs_dir};

/// Header bytes of the client's WAV files. 16-bit samples follow.
const HEADER_BYTES: usize = 44;
/// At most one in so many samples may differ by one: minimp3 uses each processor's own rounding. The demo songs have
/// one in 5,700 to 9,900, or one in 2,200 to 3,700 where the C compiler fuses multiplications with additions.
const SAMPLES_FOR_EACH_ROUNDED: usize = 1_000;

/// Lists and plays the demo songs.
///
/// # Errors
/// [`Error::Differs`] when the output differs from that of this machine's client, and the errors of running the
/// programs.
pub(super) fn check(tools: &Tools) -> Result<(), Error> {
    let programs = tools.build()?;
    process::run(cargo()?.args(["build", "--package", "trill-server", "--package", "trill"]))?;
    let emulated = Client { tools: Some(tools), program: programs.join("trill"), wav: programs.join("emulated.wav") };
    let own = Client { tools: None, program: executable(&programs_dir()?, "trill"), wav: programs.join("own.wav") };

    let server = tools.emulate(&programs.join("trill-server"));
    let songs = Songs::serve_with(server, &programs.join("server.log"))?;
    let differs = |what| Error::Differs { what, target: tools.machine.target };
    let list = emulated.list(songs.address())?;
    if list.is_empty() || list != own.list(songs.address())? {
        return Err(differs("the list of songs"));
    }
    for id in list.lines().filter_map(|line| line.split('\t').next()) {
        let [one, other] = [emulated.play(songs.address(), id)?, own.play(songs.address(), id)?];
        let rounded = rounded_otherwise(&one, &other).ok_or_else(|| differs("the sound of a song"))?;
        eprintln!("song {id}: the same {} samples, {rounded} of them differ by rounding", samples(&one).count());
    }
    songs.stop()
}

/// A client of this machine or of the emulated one.
struct Client<'a> {
    tools: Option<&'a Tools>,
    program: PathBuf,
    /// Its output file.
    wav: PathBuf,
}

impl Client<'_> {
    fn command(&self) -> Command {
        self.tools.map_or_else(|| Command::new(&self.program), |tools| tools.emulate(&self.program))
    }

    fn list(&self, server: SocketAddr) -> Result<String, Error> {
        let mut command = self.command();
        process::output(command.arg(server.to_string()).arg("list"))
    }

    /// Plays a song into a WAV file. Returns its bytes.
    fn play(&self, server: SocketAddr, id: &str) -> Result<Vec<u8>, Error> {
        let mut command = self.command();
        command.args(["--quiet", "--output"]).arg(format!("wav:{}", self.wav.display()));
        process::run(command.arg(server.to_string()).args(["play", id]))?;
        fs::read(&self.wav).map_err(Error::io(self.wav.display().to_string()))
    }
}

/// Counts the samples that differ by rounding. `None` if the files differ in anything else.
fn rounded_otherwise(one: &[u8], other: &[u8]) -> Option<usize> {
    let is_alike = one.len() == other.len() && one.get(..HEADER_BYTES)? == other.get(..HEADER_BYTES)?;
    let differences = || samples(one).zip(samples(other)).map(|(one, other)| one.abs_diff(other));
    let rounded = differences().filter(|&difference| difference > 0).count();
    let is_rounding =
        differences().all(|difference| difference <= 1) && rounded * SAMPLES_FOR_EACH_ROUNDED <= samples(one).count();
    (is_alike && is_rounding).then_some(rounded)
}

fn samples(wav: &[u8]) -> impl Iterator<Item = i16> {
    wav[HEADER_BYTES..].chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(samples: &[i16]) -> Vec<u8> {
        let samples = samples.iter().flat_map(|sample| sample.to_le_bytes());
        [0; HEADER_BYTES].into_iter().chain(samples).collect()
    }

    #[test]
    fn rounding_differs_from_another_sound() {
        let song: Vec<i16> = (0..2_000).collect();
        let but = |at: usize, sample: i16| {
            let mut other = song.clone();
            other[at] = sample;
            wav(&other)
        };
        let song = wav(&song);
        assert_eq!(rounded_otherwise(&song, &song), Some(0));
        assert_eq!(rounded_otherwise(&song, &but(7, 8)), Some(1));
        assert_eq!(rounded_otherwise(&song, &but(7, 9)), None, "off by two");
        assert_eq!(rounded_otherwise(&song, &song[..song.len() - 2]), None, "shorter");
        assert_eq!(rounded_otherwise(&song, &wav(&(1..2_001).collect::<Vec<_>>())), None, "all of it");
        let mut header = song.clone();
        header[24] ^= 1;
        assert_eq!(rounded_otherwise(&song, &header), None, "another rate");
        assert_eq!(rounded_otherwise(&[], &[]), None, "no file");
    }
}
