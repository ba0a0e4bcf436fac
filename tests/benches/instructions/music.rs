//! Work on music in server and client, with the repository's demo songs.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use trill::decoder::Decoder;
use trill::output::{Output, OutputTarget, PcmFormat, Written};
use trill_player::buffer::Buffer;
use trill_player::{ItemId, Place, QueueItem};
use trill_proto::decoder::{Decoded, FrameDecoder, LOOKAHEAD_BYTES, PCM_SAMPLES};
use trill_proto::ids::SongId;
use trill_proto::message::Started;
use trill_server::library::{DEMO, Library, OpenSong, Source};

use crate::count::counted;

/// The song: 64 kbit/s, 44.1 kHz, stereo.
const SONG: SongId = SongId(1);

/// Reads the frames of a megabyte as a seek does, by repeated seeks to the end of the song. A scan of the whole file
/// would run on the library's own threads.
pub(crate) fn seek() {
    let (_library, song) = open();
    let times = 1_000_000_u64.div_ceil(song.measured().size_bytes);
    let end = song.measured().duration_ms();
    counted(|| {
        for _ in 0..times {
            black_box(song.locate(black_box(end)).expect("a place in the song"));
        }
    });
}

/// Passes a megabyte from the network to the decoder: pieces of network size in, frames out.
pub(crate) fn buffer() {
    const PIECE_BYTES: usize = 16 * 1024;
    const PIECES: usize = 1_000_000 / PIECE_BYTES;
    const FRAME_BYTES: usize = 418; // of 128 kbit/s at 44.1 kHz
    let mut memory = vec![0; 1 << 20];
    let mut buffer = Buffer::new(&mut memory);
    let started = Started { size_bytes: u64::MAX, ..Started::default() };
    buffer.switch_to(QueueItem::new(ItemId::default(), SONG, Place::default()), started);
    let (piece, mut front) = ([0x55; PIECE_BYTES], [0; LOOKAHEAD_BYTES]);
    counted(|| {
        for _ in 0..PIECES {
            buffer.push(black_box(&piece));
            while let Some(bytes) = buffer.front().first_chunk::<LOOKAHEAD_BYTES>() {
                // Like the laptop, which decodes without its lock.
                front.copy_from_slice(bytes);
                black_box(&front);
                buffer.consume(FRAME_BYTES);
            }
        }
    });
}

/// Decodes a second of the song, including the search for frames.
pub(crate) fn decode() {
    let (_library, song) = open();
    let mut bytes = vec![0; song.measured().size_bytes as usize];
    let length = song.read_at(0, &mut bytes).expect("it is in memory");
    let (mut rest, mut decoder, mut pcm) = (&bytes[..length], Decoder::new(), Box::new([0; PCM_SAMPLES]));
    // The song begins with the encoder's silence.
    let mut next_samples = |wanted: u32| {
        let mut samples = 0;
        while samples < wanted as usize {
            let front = &rest[..rest.len().min(LOOKAHEAD_BYTES)];
            let Decoded::Frame(frame) = decoder.decode(front, false, &mut pcm) else { panic!("a song without junk") };
            samples += black_box(frame).samples;
            rest = &rest[frame.consumed..];
        }
    };
    let rate = song.measured().rate;
    next_samples(rate);
    counted(|| next_samples(rate));
}

/// Converts a second of mono to stereo. This is the client's only own conversion: the resampler library chooses its
/// instructions by the processor, so its count would not be comparable.
///
/// Volume and pauses are applied only in real-time output.
pub(crate) fn output() {
    const FRAME_SAMPLES: usize = 1_152;
    const RATE: u32 = 44_100;
    let (mut output, _controls) = Output::open(&OutputTarget::Wav(PathBuf::from("/dev/null")), drop).expect("a file");
    for channels in [2, 1] {
        output.start(PcmFormat { rate: RATE, channels }).expect("an ordinary format");
    }
    let samples = [1_000; FRAME_SAMPLES];
    counted(|| {
        for _ in 0..(RATE as usize).div_ceil(FRAME_SAMPLES) {
            assert_eq!(output.write(black_box(&samples)).expect("it takes all"), Written::All);
        }
    });
}

/// The song, and the library that contains it.
fn open() -> (Arc<Library>, Arc<OpenSong>) {
    let library = Library::open(Source::BuiltIn(DEMO)).expect("built-in songs");
    library.wait_until_scanned();
    let song = library.open_song(SONG).expect("the first song");
    (library, song)
}
