//! Where a WAV goes, and how its bytes get there.
//!
//! A file on disk has a header that says how many samples follow. Whatever cannot be rewound (a pipe, a device, standard
//! output) has a header that says 0xFFFF_FFFF bytes, as sox and ffmpeg write it: the samples go on to the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use tempfile::NamedTempFile;

use super::super::{OutputError, PcmFormat};

/// The header counts the bytes in 32 bits; this leaves it room for itself.
const MAX_SAMPLES: u64 = (u32::MAX as u64 - 1024) / 2;

/// Bytes handed to the system at a time, but for pipes: a third of a second at 44.1 kHz.
const BLOCK_BYTES: usize = 64 * 1024;

/// What a pipe that can be written to takes without waiting (POSIX: `PIPE_BUF`, at least 512; Linux: 4,096).
const PIPE_BYTES: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// How often to look whether a pipe has a reader, or room, or nobody wants the sound any more.
const POLL: Duration = Duration::from_millis(50);

/// Where a WAV is to go.
#[derive(Clone, Debug)]
pub(in super::super) enum Destination {
    Path(PathBuf),
    Stdout,
}

/// Whether everything that was put reached the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Sent {
    All,
    /// Somebody interrupted. The rest goes first next time.
    Interrupted,
}

impl Destination {
    /// Whether it can be written to, as far as can be known without changing anything.
    pub(super) fn check(&self) -> Result<(), OutputError> {
        let result = match self {
            Self::Stdout if io::stdout().is_terminal() => {
                Err(io::Error::other("it is a terminal; send it to a file or to a program"))
            }
            Self::Stdout => Ok(()),
            Self::Path(path) => check_path(path),
        };
        result.map_err(|source| self.failed(source))
    }

    /// Opens it for samples of `format`. A pipe has no reader at first: `wait` pauses so long, and says whether to give
    /// up. Returns `None` then.
    pub(super) fn open(
        &self,
        format: PcmFormat,
        wait: impl FnMut(Duration) -> bool,
    ) -> Result<Option<OpenDestination>, OutputError> {
        let spec = WavSpec {
            channels: format.channels,
            sample_rate: format.rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let opened = match self {
            Self::Path(path) => match fs::metadata(path) {
                Ok(metadata) if !metadata.is_file() => {
                    open_pipe(path, wait).map(|file| file.map(|file| DestinationKind::Pipe(Pipe::new(file, spec))))
                }
                Ok(metadata) => {
                    FileOnDisk::replace(path, &metadata, spec).map(|file| Some(DestinationKind::File(file)))
                }
                Err(_) => File::create(path)
                    .and_then(|file| FileOnDisk::new(file, None, spec))
                    .map(|file| Some(DestinationKind::File(file))),
            },
            Self::Stdout => stdout().map(|file| Some(DestinationKind::Pipe(Pipe::new(file, spec)))),
        };
        let opened = opened.map_err(|source| self.failed(source))?;
        Ok(opened.map(|kind| OpenDestination { destination: self.clone(), kind, max_samples: MAX_SAMPLES }))
    }

    fn name(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Stdout => "standard output".into(),
        }
    }

    fn failed(&self, source: io::Error) -> OutputError {
        OutputError::File { path: self.name(), source }
    }
}

/// A destination that takes samples.
pub(super) struct OpenDestination {
    destination: Destination,
    kind: DestinationKind,
    pub(super) max_samples: u64,
}

enum DestinationKind {
    File(FileOnDisk),
    Pipe(Pipe),
}

impl OpenDestination {
    /// Takes whole frames.
    pub(super) fn put(&mut self, samples: &[i16]) -> Result<(), OutputError> {
        match &mut self.kind {
            DestinationKind::File(file) if file.samples() + samples.len() as u64 > self.max_samples => {
                Err(OutputError::FileFull { path: self.destination.name() })
            }
            DestinationKind::File(file) => file.put(samples).map_err(|source| self.destination.failed(source)),
            DestinationKind::Pipe(pipe) => {
                pipe.unsent.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
                Ok(())
            }
        }
    }

    /// Lets a pipe have what was put, but for the rest of a batch. It waits for one that is full.
    pub(super) fn send(&mut self, is_interrupted: impl Fn() -> bool) -> Result<Sent, OutputError> {
        match &mut self.kind {
            DestinationKind::File(_) => Ok(Sent::All),
            DestinationKind::Pipe(pipe) => {
                pipe.send(pipe.batch, is_interrupted).map_err(|source| self.destination.failed(source))
            }
        }
    }

    /// Lets the destination have all that was put.
    pub(super) fn complete(&mut self, is_interrupted: impl Fn() -> bool) -> Result<Sent, OutputError> {
        let result = match &mut self.kind {
            DestinationKind::File(file) => file.update_header().map(|()| Sent::All),
            DestinationKind::Pipe(pipe) => pipe.send(1, is_interrupted),
        };
        result.map_err(|source| self.destination.failed(source))
    }
}

/// A file on disk. When dropped, its header is right.
struct FileOnDisk {
    writer: WavWriter<BufWriter<File>>,
    /// Until the first samples are on disk: the new file, and the one that it will replace.
    replaces: Option<(NamedTempFile, PathBuf)>,
    /// Samples since the header last said how many there are.
    since_header: u64,
}

impl FileOnDisk {
    fn new(file: File, replaces: Option<(NamedTempFile, PathBuf)>, spec: WavSpec) -> io::Result<Self> {
        let writer = WavWriter::new(BufWriter::with_capacity(BLOCK_BYTES, file), spec).map_err(plain)?;
        Ok(Self { writer, replaces, since_header: 0 })
    }

    /// A new file in place of an old one: beside it until its first samples are on disk, so that the old one is not lost
    /// if they cannot be written.
    fn replace(path: &Path, metadata: &fs::Metadata, spec: WavSpec) -> io::Result<Self> {
        // Where a symbolic link leads, not the link.
        let path = fs::canonicalize(path)?;
        let beside = path.parent().unwrap_or(Path::new("/"));
        let permissions = metadata.permissions();
        match tempfile::Builder::new().prefix(".trill-").suffix(".wav").permissions(permissions).tempfile_in(beside) {
            Ok(new) => Self::new(new.as_file().try_clone()?, Some((new, path)), spec),
            // Where no file can be made, the old one is written over.
            Err(_) => Self::new(OpenOptions::new().write(true).truncate(true).open(path)?, None, spec),
        }
    }

    fn samples(&self) -> u64 {
        self.writer.len().into()
    }

    fn put(&mut self, samples: &[i16]) -> io::Result<()> {
        // All at once: a sample at a time takes an eighth of the time that it takes to decode them.
        let count = u32::try_from(samples.len()).map_err(io::Error::other)?;
        let mut block = self.writer.get_i16_writer(count);
        samples.iter().for_each(|&sample| block.write_sample(sample));
        block.flush().map_err(plain)?;
        self.since_header += samples.len() as u64;
        let spec = self.writer.spec();
        let is_first = self.samples() == samples.len() as u64;
        if is_first || self.since_header >= u64::from(spec.sample_rate) * u64::from(spec.channels) {
            self.update_header()?;
        }
        if let Some((new, path)) = self.replaces.take() {
            new.persist(path)?;
        }
        Ok(())
    }

    /// Makes the file on disk whole up to here, so that a program that is killed leaves all but the last second.
    fn update_header(&mut self) -> io::Result<()> {
        self.since_header = 0;
        self.writer.flush().map_err(plain)
    }
}

/// What cannot be rewound.
struct Pipe {
    file: File,
    unsent: Vec<u8>,
    /// Bytes handed over at a time.
    batch: usize,
}

impl Pipe {
    fn new(file: File, spec: WavSpec) -> Self {
        let batch = if takes_little(&file) { PIPE_BYTES } else { BLOCK_BYTES };
        Self { file, unsent: spec.into_header_for_infinite_file(), batch }
    }

    /// Sends until fewer than `least` bytes are left.
    fn send(&mut self, least: usize, is_interrupted: impl Fn() -> bool) -> io::Result<Sent> {
        let mut sent = 0;
        let result = loop {
            let rest = &self.unsent[sent..];
            if rest.len() < least {
                break Ok(Sent::All);
            }
            if is_interrupted() {
                break Ok(Sent::Interrupted);
            }
            match send_some(&self.file, &rest[..rest.len().min(self.batch)]) {
                Ok(count) => sent += count,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => break Err(error),
            }
        };
        self.unsent.drain(..sent);
        result
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // Less than a batch. Nobody can be told if that fails, and a reader that takes nothing is not waited for.
        let _ = send_some(&self.file, &self.unsent);
    }
}

/// Writes as much as there is room for within a moment.
fn send_some(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    if wait_for_room(file)? { file.write(bytes) } else { Ok(0) }
}

fn check_path(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() || metadata.is_dir() => OpenOptions::new().write(true).open(path).map(drop),
        Ok(_) => Ok(()),
        Err(_) => {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            fs::metadata(directory.unwrap_or(Path::new("."))).map(drop)
        }
    }
}

/// Standard output, past the buffer of the standard library.
fn stdout() -> io::Result<File> {
    let stdout = io::stdout();
    #[cfg(unix)]
    let copy = std::os::fd::AsFd::as_fd(&stdout).try_clone_to_owned()?;
    #[cfg(windows)]
    let copy = std::os::windows::io::AsHandle::as_handle(&stdout).try_clone_to_owned()?;
    Ok(copy.into())
}

/// Opens a pipe or a device. Without a reader a pipe would wait, and nothing could end that.
#[cfg(unix)]
fn open_pipe(path: &Path, mut wait: impl FnMut(Duration) -> bool) -> io::Result<Option<File>> {
    use std::os::unix::fs::OpenOptionsExt;
    let no_wait = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    loop {
        match OpenOptions::new().write(true).custom_flags(no_wait).open(path) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                if wait(POLL) {
                    return Ok(None);
                }
            }
            opened => return opened.map(Some),
        }
    }
}

#[cfg(not(unix))]
fn open_pipe(path: &Path, _: impl FnMut(Duration) -> bool) -> io::Result<Option<File>> {
    OpenOptions::new().write(true).open(path).map(Some)
}

/// Whether it may have room for no more than [`PIPE_BYTES`] when it has room.
#[cfg(unix)]
fn takes_little(file: &File) -> bool {
    use std::os::unix::fs::FileTypeExt;
    file.metadata().map_or(true, |metadata| metadata.file_type().is_fifo() || metadata.file_type().is_socket())
}

#[cfg(not(unix))]
fn takes_little(_: &File) -> bool {
    true
}

/// Waits a moment for a pipe to have room. Returns whether it has.
#[cfg(unix)]
fn wait_for_room(file: &File) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(POLL.subsec_nanos()) };
    // A reader that went away counts as room: the write says so.
    Ok(poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&timeout))? > 0)
}

#[cfg(not(unix))]
fn wait_for_room(_: &File) -> io::Result<bool> {
    Ok(true)
}

fn plain(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(source) => source,
        other => io::Error::other(other),
    }
}
