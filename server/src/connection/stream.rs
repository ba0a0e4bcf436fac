//! From an open song to DATA frames.

use std::io::IoSlice;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use log::Level;
use trill_proto::ids::{SongId, StreamId};
use trill_proto::session::server::DataFrame;

use super::Connection;
use super::buffer_pool::PooledBuffer;
use super::socket::Writer;
use crate::close::CloseReason;
use crate::library::{OpenSong, SongError};

/// How often reading a song is tried that is being written to. Its listeners have music for seconds.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The song of the current stream, if there is one.
#[derive(Default)]
pub(super) struct SongStream {
    current: Option<(StreamId, Arc<OpenSong>)>,
    /// When to read again from a song that is being written to.
    retry_at: Option<Instant>,
}

impl SongStream {
    /// Makes `stream` the current one, which sends `song`.
    pub(super) fn start(&mut self, stream: StreamId, song: Arc<OpenSong>) {
        self.current = Some((stream, song));
        self.retry_at = None;
    }

    /// Closes the song if its stream is not the session's `current` one any more.
    pub(super) fn close_unless(&mut self, current: Option<StreamId>) {
        self.current.take_if(|(stream, _)| Some(*stream) != current);
    }

    /// How long to wait before reading a song that is being written to.
    pub(super) fn retry_delay(&self) -> Duration {
        self.retry_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Fills `payload` with the song from `position` on. `payload` ends at the end of the song at most.
    fn read(&mut self, stream: StreamId, position: u64, payload: &mut [u8]) -> Result<(), SongError> {
        let current = self.current.as_ref().filter(|(current, _)| *current == stream);
        let (_, song) = current.ok_or(SongError::Gone)?;
        let read = read_full(song, position, payload);
        if matches!(read, Err(SongError::Changing)) {
            self.retry_at = Some(Instant::now() + RETRY_INTERVAL);
        }
        read
    }

    fn song_id(&self) -> Option<SongId> {
        self.current.as_ref().map(|(_, song)| song.id())
    }
}

fn read_full(song: &OpenSong, mut position: u64, mut payload: &mut [u8]) -> Result<(), SongError> {
    while !payload.is_empty() {
        let count = song.read_at(position, payload)?;
        if count == 0 {
            return Err(SongError::Changed); // shorter than it was
        }
        position += count as u64;
        payload = payload.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

impl Connection {
    /// Whether there is music to send that can be read now.
    pub(super) fn has_data(&self) -> bool {
        self.session.has_data() && self.stream.retry_delay().is_zero()
    }

    /// Writes one DATA frame if there is credit for one. If the song cannot be read, its stream ends.
    ///
    /// A connection that waits for its client holds no buffer: it reads the rest of the frame again when the socket has room.
    pub(super) fn send_data(&mut self) -> Result<(), CloseReason> {
        let Self { shared, session, stream, socket, .. } = self;
        let mut buffer = shared.buffers.take()?;
        let Some(frame) = session.poll_data(buffer.len()) else { return Ok(()) };
        let payload = head(&mut buffer, frame.length);
        match stream.read(frame.stream, frame.position, payload) {
            Ok(()) => {}
            Err(SongError::Changing) => {
                session.take_back(&frame);
                return Ok(());
            }
            Err(error) => {
                // There is room: DATA is sent only while no other output waits.
                let _ = session.fail(frame.stream);
                drop(buffer);
                self.log_broken_stream(&error);
                return Ok(());
            }
        }
        let mut writer = socket.writer();
        let mut unsent = Unsent::new(&frame);
        unsent.write(&mut writer, payload)?;
        drop(buffer);
        while !unsent.is_empty() {
            writer.wait_for_room()?;
            let mut buffer = shared.buffers.take()?;
            let payload = head(&mut buffer, unsent.payload_bytes);
            let position = frame.position + (frame.length - unsent.payload_bytes) as u64;
            match stream.read(frame.stream, position, payload) {
                Ok(()) => unsent.write(&mut writer, payload)?,
                Err(SongError::Changing) => {
                    drop(buffer);
                    thread::sleep(stream.retry_delay());
                }
                Err(error) => {
                    drop(buffer);
                    self.log_broken_stream(&error);
                    return Err(CloseReason::UnfinishedFrame); // nothing else can be sent within a frame
                }
            }
        }
        Ok(())
    }

    fn log_broken_stream(&self, error: &SongError) {
        if let Some(song) = self.stream.song_id() {
            self.log(Level::Warn, format_args!("{}: song {song} broke off: {error}", self.client));
        }
    }
}

/// The first `length` bytes of a buffer, or all of a shorter one.
fn head<'a>(buffer: &'a mut PooledBuffer<'_>, length: usize) -> &'a mut [u8] {
    let length = length.min(buffer.len());
    &mut buffer[..length]
}

/// The rest of a frame.
struct Unsent<'a> {
    header: &'a [u8],
    payload_bytes: usize,
}

impl<'a> Unsent<'a> {
    const fn new(frame: &'a DataFrame) -> Self {
        Self { header: &frame.header, payload_bytes: frame.length }
    }

    const fn is_empty(&self) -> bool {
        self.header.is_empty() && self.payload_bytes == 0
    }

    /// Writes as much of the header and of `payload`, which comes next, as the socket takes now.
    fn write(&mut self, writer: &mut Writer<'_>, payload: &[u8]) -> Result<(), CloseReason> {
        let written = writer.write_now(&[IoSlice::new(self.header), IoSlice::new(payload)])?;
        let of_header = written.min(self.header.len());
        self.header = &self.header[of_header..];
        self.payload_bytes -= written - of_header;
        Ok(())
    }
}
