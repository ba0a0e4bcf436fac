//! The destination of a WAV: a file on disk, or a stream without rewind (a pipe, a device, standard output).
//!
//! The header of a file on disk states the number of samples. The header of a stream states 0xFFFF_FFFF bytes, as sox and
//! ffmpeg write it: the samples go on to the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use tempfile::NamedTempFile;

use super::super::queue::Sent;
use super::super::{OutputError, PcmFormat};

/// The header counts bytes in 32 bits, and the count includes part of the header.
const MAX_SAMPLES: u64 = (u32::MAX as u64 - 1024) / 2;

/// Bytes per write to anything but a pipe: a third of a second at 44.1 kHz.
const BLOCK_BYTES: usize = 64 * 1024;

/// The bytes that a writable pipe takes without blocking (POSIX: `PIPE_BUF`, at least 512; Linux: 4,096).
const PIPE_BYTES: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// How often to check whether a pipe has a reader or room, and whether the writer was interrupted.
const POLL: Duration = Duration::from_millis(50);

/// Where to write a WAV.
#[derive(Clone, Debug)]
pub(in super::super) enum Destination {
    Path(PathBuf),
    Stdout,
}

impl Destination {
    /// Checks that it can be written, as far as possible without changing anything.
    pub(super) fn check(&self) -> Result<(), OutputError> {
        let result = match self {
            Self::Stdout if io::stdout().is_terminal() => {
                Err(io::Error::other("it is a terminal; redirect it to a file or a program"))
            }
            Self::Stdout => Ok(()),
            Self::Path(path) => check_path(path),
        };
        result.map_err(|source| self.failed(source))
    }

    /// Opens it for samples of `format`. While a pipe has no reader, this calls `wait`, which waits for the given time and
    /// returns whether to give up. Returns `None` if it gave up.
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

/// An open destination, which takes samples.
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

    /// Sends whole batches to a pipe, and waits while it is full. Does nothing for a file.
    pub(super) fn send(&mut self, is_interrupted: impl Fn() -> bool) -> Result<Sent, OutputError> {
        match &mut self.kind {
            DestinationKind::File(_) => Ok(Sent::All),
            DestinationKind::Pipe(pipe) => {
                pipe.send(pipe.batch, is_interrupted).map_err(|source| self.destination.failed(source))
            }
        }
    }

    /// Sends everything: makes a file complete, or empties the buffer of a pipe.
    pub(super) fn complete(&mut self, is_interrupted: impl Fn() -> bool) -> Result<Sent, OutputError> {
        let result = match &mut self.kind {
            DestinationKind::File(file) => file.complete().map(|()| Sent::All),
            DestinationKind::Pipe(pipe) => pipe.send(1, is_interrupted),
        };
        result.map_err(|source| self.destination.failed(source))
    }
}

/// A file on disk. Dropping it completes it, unless the last write failed. Then an old file stays.
struct FileOnDisk {
    writer: WavWriter<BufWriter<File>>,
    /// The new file and the path of the one that it replaces, until the end of the first song.
    replaces: Option<(NamedTempFile, PathBuf)>,
    /// The last samples were not written.
    has_failed: bool,
    /// Samples since the last update of the header.
    since_header: u64,
}

impl FileOnDisk {
    fn new(file: File, replaces: Option<(NamedTempFile, PathBuf)>, spec: WavSpec) -> io::Result<Self> {
        let writer = WavWriter::new(BufWriter::with_capacity(BLOCK_BYTES, file), spec).map_err(plain)?;
        Ok(Self { writer, replaces, has_failed: false, since_header: 0 })
    }

    /// Creates a file that replaces another one. It is a temporary file in the same directory until it is complete, so that
    /// the old file is not lost if the disk is full.
    fn replace(path: &Path, metadata: &fs::Metadata, spec: WavSpec) -> io::Result<Self> {
        // Replace the target of a symbolic link, not the link.
        let path = fs::canonicalize(path)?;
        let beside = path.parent().unwrap_or(Path::new("/"));
        let permissions = metadata.permissions();
        match tempfile::Builder::new().prefix(".trill-").suffix(".wav").permissions(permissions).tempfile_in(beside) {
            Ok(new) => Self::new(new.as_file().try_clone()?, Some((new, path)), spec),
            // If the directory takes no new file, overwrite the old one.
            Err(_) => Self::new(OpenOptions::new().write(true).truncate(true).open(path)?, None, spec),
        }
    }

    fn samples(&self) -> u64 {
        self.writer.len().into()
    }

    fn put(&mut self, samples: &[i16]) -> io::Result<()> {
        let result = self.write(samples);
        self.has_failed = result.is_err();
        result
    }

    fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        // One call for the whole block: a call per sample costs an eighth of the decoding time.
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
        Ok(())
    }

    /// Puts the file in the place of the old one, if there is one.
    fn complete(&mut self) -> io::Result<()> {
        self.update_header()?;
        if let Some((new, path)) = self.replaces.take() {
            new.persist(path)?;
        }
        Ok(())
    }

    /// Makes the file on disk valid up to here. If the program is killed, the file lacks at most the last second.
    fn update_header(&mut self) -> io::Result<()> {
        self.since_header = 0;
        self.writer.flush().map_err(plain)
    }
}

impl Drop for FileOnDisk {
    fn drop(&mut self) {
        if !self.has_failed {
            // An error cannot be reported here.
            let _ = self.complete();
        }
    }
}

/// A stream that cannot be rewound.
struct Pipe {
    file: File,
    unsent: Vec<u8>,
    /// Bytes per write.
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
        // Less than a batch is left. An error cannot be reported here, and a reader that takes nothing is not waited for.
        let _ = send_some(&self.file, &self.unsent);
    }
}

/// Writes as many bytes as fit. Waits at most [`POLL`] for room.
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

/// Standard output without the buffer of the standard library.
fn stdout() -> io::Result<File> {
    let stdout = io::stdout();
    #[cfg(unix)]
    let copy = std::os::fd::AsFd::as_fd(&stdout).try_clone_to_owned()?;
    #[cfg(windows)]
    let copy = std::os::windows::io::AsHandle::as_handle(&stdout).try_clone_to_owned()?;
    Ok(copy.into())
}

/// Opens a pipe or a device. A blocking open would wait for a pipe's reader and could not be interrupted.
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

/// Whether a writable file may have room for only [`PIPE_BYTES`].
#[cfg(unix)]
fn takes_little(file: &File) -> bool {
    use std::os::unix::fs::FileTypeExt;
    file.metadata().map_or(true, |metadata| metadata.file_type().is_fifo() || metadata.file_type().is_socket())
}

#[cfg(not(unix))]
fn takes_little(_: &File) -> bool {
    true
}

/// Waits at most [`POLL`] until a pipe has room. Returns whether it has.
#[cfg(unix)]
fn wait_for_room(file: &File) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(POLL.subsec_nanos()) };
    // If the reader is gone, poll reports room too, and the write fails.
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
