//! A WAV file, written as fast as songs arrive. The volume does not apply: a recording is not played.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::controls::Shared;
use super::convert::Converter;
use super::{Drained, OutputError, PcmFormat, Written};

/// What a file has that no song was written to.
const EMPTY: PcmFormat = PcmFormat { rate: 44_100, channels: 2 };

/// The header counts the bytes in 32 bits; this leaves it room for itself.
const MAX_SAMPLES: u64 = (u32::MAX as u64 - 1024) / 2;

/// A wait that only a wake-up ends.
const LONG: Duration = Duration::from_secs(3600);

/// Samples converted at a time.
const BLOCK_SAMPLES: usize = 2304;

/// Bytes handed to the system at a time: a third of a second at 44.1 kHz.
const BLOCK_BYTES: usize = 64 * 1024;

/// A file that all songs are written to, in the format of the first.
pub(super) struct WavFile {
    path: PathBuf,
    shared: Arc<Shared>,
    stage: Stage,
    converter: Option<Converter>,
    pending: Vec<i16>,
    max_samples: u64,
    /// Samples since the header last said how many there are.
    since_header: u64,
    seen_discards: u64,
    seen_interrupts: u64,
}

/// The format, and so the header, is known at the first song.
enum Stage {
    Created(File),
    Writing(WavWriter<BufWriter<File>>),
    /// The file could not be made a WAV file; its error was reported.
    Failed,
}

impl WavFile {
    pub(super) fn create(path: &Path, shared: Arc<Shared>) -> Result<Self, OutputError> {
        let file = File::create(path).map_err(|source| OutputError::File { path: path.into(), source })?;
        Ok(Self {
            path: path.into(),
            shared,
            stage: Stage::Created(file),
            converter: None,
            pending: Vec::new(),
            max_samples: MAX_SAMPLES,
            since_header: 0,
            seen_discards: 0,
            seen_interrupts: 0,
        })
    }

    /// See [`Output::start`](super::Output::start).
    pub(super) fn start(&mut self, song: PcmFormat) -> Result<(), OutputError> {
        self.forget_discarded();
        let format = match &self.converter {
            Some(converter) if converter.from() == song => converter.to(),
            Some(converter) => {
                let format = converter.to();
                self.flush_converter()?;
                self.converter = Some(Converter::new(song, format)?);
                format
            }
            None => {
                self.write_header(song)?;
                self.converter = Some(Converter::new(song, song)?);
                song
            }
        };
        self.shared.begin_song(song.rate, format);
        Ok(())
    }

    /// See [`Output::write`](super::Output::write).
    pub(super) fn write(&mut self, samples: &[i16]) -> Result<Written, OutputError> {
        let samples = self.converter.as_ref().ok_or(OutputError::NotStarted)?.whole_frames(samples);
        let mut taken = 0;
        loop {
            if self.wait_while_paused() {
                return Ok(Written::Interrupted { taken });
            }
            if taken == samples.len() {
                return Ok(Written::All);
            }
            let converter = self.converter.as_mut().ok_or(OutputError::NotStarted)?;
            let block = &samples[taken..samples.len().min(taken + BLOCK_SAMPLES)];
            converter.process(block, &mut self.pending);
            taken += block.len();
            self.write_pending()?;
        }
    }

    /// See [`Output::drain`](super::Output::drain).
    pub(super) fn drain(&mut self) -> Result<Drained, OutputError> {
        if self.wait_while_paused() {
            return Ok(Drained::Interrupted);
        }
        self.flush_converter()?;
        self.update_header()?;
        Ok(Drained::Heard)
    }

    /// Takes notice of every interrupt and discard so far.
    pub(super) fn acknowledge(&mut self) {
        self.seen_interrupts = self.shared.interrupts.load(SeqCst);
        self.forget_discarded();
    }

    /// Returns whether somebody interrupted or discarded.
    fn wait_while_paused(&mut self) -> bool {
        let interrupted = || self.shared.interrupts.load(SeqCst) != self.seen_interrupts;
        self.shared.wait(LONG, || interrupted() || !self.shared.paused.load(SeqCst));
        let interrupted = interrupted();
        if interrupted {
            self.acknowledge();
        }
        interrupted
    }

    /// What is written stays written; only the converter holds samples back.
    fn forget_discarded(&mut self) {
        let discards = self.shared.discards.load(SeqCst);
        if std::mem::replace(&mut self.seen_discards, discards) != discards
            && let Some(converter) = &mut self.converter
        {
            converter.reset();
        }
    }

    fn flush_converter(&mut self) -> Result<(), OutputError> {
        let converter = self.converter.as_mut().ok_or(OutputError::NotStarted)?;
        converter.flush(&mut self.pending);
        self.write_pending()
    }

    fn write_pending(&mut self) -> Result<(), OutputError> {
        let Stage::Writing(writer) = &mut self.stage else { return Err(OutputError::NotStarted) };
        let count = self.pending.len() as u64;
        if u64::from(writer.len()) + count > self.max_samples {
            self.pending.clear();
            return Err(OutputError::FileFull { path: self.path.clone() });
        }
        // All at once: a sample at a time takes an eighth of the time that it takes to decode them.
        let mut block = writer.get_i16_writer(u32::try_from(count).expect("fewer than the file holds"));
        self.pending.drain(..).for_each(|sample| block.write_sample(sample));
        block.flush().map_err(|error| failed(&self.path, error))?;

        let total = self.shared.written.load(SeqCst) + count;
        self.shared.written.store(total, SeqCst);
        self.shared.read.store(total, SeqCst);
        self.since_header += count;
        let spec = writer.spec();
        if self.since_header >= u64::from(spec.sample_rate) * u64::from(spec.channels) {
            self.update_header()?;
        }
        Ok(())
    }

    /// Makes the file on disk whole up to here, so that a program that is killed leaves all but the last second.
    fn update_header(&mut self) -> Result<(), OutputError> {
        self.since_header = 0;
        match &mut self.stage {
            Stage::Writing(writer) => writer.flush().map_err(|error| failed(&self.path, error)),
            Stage::Created(_) | Stage::Failed => Ok(()),
        }
    }

    fn write_header(&mut self, format: PcmFormat) -> Result<(), OutputError> {
        let Stage::Created(file) = std::mem::replace(&mut self.stage, Stage::Failed) else {
            return Err(failed(&self.path, hound::Error::Unsupported));
        };
        let spec = WavSpec {
            channels: format.channels,
            sample_rate: format.rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut writer = WavWriter::new(BufWriter::with_capacity(BLOCK_BYTES, file), spec)
            .map_err(|error| failed(&self.path, error))?;
        // Now, not after a second of music: a pipe or a full disk shows here.
        writer.flush().map_err(|error| failed(&self.path, error))?;
        self.stage = Stage::Writing(writer);
        Ok(())
    }
}

impl Drop for WavFile {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Created(_)) {
            // No song was played. An empty WAV file is of more use than an empty file; if even that fails, so be it.
            let _ = self.write_header(EMPTY);
        }
        // hound completes the header of what was written.
    }
}

fn failed(path: &Path, error: hound::Error) -> OutputError {
    let source = match error {
        hound::Error::IoError(source) => source,
        other => io::Error::other(other),
    };
    OutputError::File { path: path.into(), source }
}

#[cfg(test)]
mod tests;
