//! Every maximum and every time-out of the protocol, with its reason. `wire-format.md` lists the same values.

use core::time::Duration;

/// TCP port a server listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 7455;

/// The protocol version this crate speaks.
pub const VERSION: u8 = 1;

/// Length of the preamble and of its refusal, in bytes.
pub const PREAMBLE_BYTES: usize = 8;

/// Length of a frame header, in bytes.
pub const HEADER_BYTES: usize = 8;

/// Largest payload a frame can announce: the length field is 16 bits wide.
pub const MAX_PAYLOAD_BYTES: usize = 65_535;

/// Largest payload of a control frame (everything but DATA) that a server sends. The texts of a
/// SONG are cut to this.
pub const MAX_CONTROL_BYTES: usize = 1_024;

/// Largest payload of a frame that a client sends.
pub const MAX_CLIENT_CONTROL_BYTES: usize = 512;

/// Smallest control payload a client may say it takes: every message fits in it once its texts are cut.
pub const MIN_CONTROL_BYTES: usize = 256;

/// Longest title, artist or album, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 255;

/// Longest query of a LIST, in bytes of UTF-8.
pub const MAX_QUERY_BYTES: usize = 128;

/// Longest name of a client or server, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 64;

/// Longest explanation in an ERROR, in bytes of UTF-8.
pub const MAX_EXPLANATION_BYTES: usize = 200;

/// Smallest DATA payload that a server cuts a frame down to on a slow path.
pub const MIN_DATA_BYTES: u32 = 1_024;

/// Largest DATA payload that a server sends. A frame that is on its way when the path slows down to 256 kbit/s delays
/// an answer by a second.
pub const MAX_DATA_BYTES: u32 = 32 * 1_024;

/// A DATA frame carries at most what the path delivers in this time, so that an answer never waits behind more.
pub const DATA_FRAME_TIME: Duration = Duration::from_millis(50);

/// Credit in a first grant, before anything has been measured: one second of music at 128 kbit/s.
pub const FIRST_CREDIT_BYTES: u32 = 16 * 1_024;

/// Credit that may always be outstanding, however slow the path was measured to be.
pub const CREDIT_FLOOR_BYTES: u32 = 16 * 1_024;

/// How long the measured delivery rate may be outstanding beyond one and a half round-trips.
pub const CREDIT_SLACK: Duration = Duration::from_millis(200);

/// Most credit that may be outstanding on one stream. More is a protocol error, so sums never overflow.
pub const MAX_CREDIT_BYTES: u32 = 16 * 1_024 * 1_024;

/// Streams that may be open at once on a connection.
pub const MAX_STREAMS: u8 = 1;

/// Most bytes of SONG frames, headers included, in the answer to one LIST.
pub const MAX_LIST_PAGE_BYTES: u32 = 65_536;

/// Connections without HELLO that a server keeps. When exceeded, the oldest is closed.
pub const MAX_WAITING: usize = 256;

/// Commands that a server takes from a client at once. Frames that may be ignored count. CREDIT counts only if its
/// stream has ended or it grants less than [`MIN_DATA_BYTES`].
pub const COMMAND_BURST: u32 = 4_096;

/// Average interval between commands after the burst. Nobody types that fast, and a server serves as many without
/// effort.
pub const COMMAND_TIME: Duration = Duration::from_millis(1);

/// Unsent bytes that may wait in a server's socket before the server writes more. Every answer waits behind them, so
/// they are as few as keep a fast path busy.
pub const MAX_UNSENT_BYTES: u32 = 16 * 1_024;

/// Unread bytes that may wait in a server's socket.
pub const MAX_QUEUED_BYTES: u32 = 65_536;

/// A connection must have said HELLO this long after it was opened.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(5);

/// Nothing received for this long: send PING.
pub const PING_AFTER: Duration = Duration::from_secs(15);

/// Nothing received for this long: the peer is gone; close.
pub const CLOSE_AFTER: Duration = Duration::from_secs(30);

/// A client that waits for data or an answer sends PING when it has received nothing for this long, or for four
/// round-trips if that is longer.
pub const STALL_PING_AFTER: Duration = Duration::from_secs(1);

/// A client that waits for data or an answer closes the connection when it has received nothing for this long after its
/// PING.
pub const STALL_CLOSE_AFTER: Duration = Duration::from_secs(2);

/// An answer that is due must be complete this long after it was asked for, or after the answer before it. Each byte of
/// it that comes earns the time that it takes at [`SLOWEST_RATE`]; other messages earn nothing.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Data for which there is credit must come within this time, or eight round-trips if that is longer. Each byte of it
/// earns the time that it takes at [`SLOWEST_RATE`]; other messages earn nothing.
pub const DATA_TIMEOUT: Duration = Duration::from_secs(10);

/// Lowest rate at which what is due may come, in bytes per second: that of the slowest MP3, 8 kbit/s.
pub const SLOWEST_RATE: u64 = 1_000;

/// Most bytes of audio in a song: 16 TiB, the longest file of most file systems. Then the samples that so many bytes
/// can count, times 1,000 for milliseconds, fit into 64 bits.
pub const MAX_SONG_BYTES: u64 = 1 << 44;

/// The highest bit rate that a message may give, in bit/s. An MP3 frame has at most 2,304 bytes, which is 768 kbit/s.
pub const MAX_BITRATE: u32 = 1_000_000;

/// Smallest buffer that a client can play from: a decoder keeps 4 KiB ahead of itself, and credit comes by quarters.
pub const MIN_BUFFER_BYTES: u32 = 8 * 1_024;
