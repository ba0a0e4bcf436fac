//! The 8 bytes that each side sends before any frame, and the 8 bytes of a refusal.
//!
//! ```text
//!  0        1        2        3        4        5        6        7
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |  'T'   |  'R'   |  'I'   |  'L'   |  mode  | suite  |        0        |   preamble
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! |  'T'   |  'R'   |  'N'   |  'O'   | reason | modes  |        0        |   refusal
//! +--------+--------+--------+--------+--------+--------+--------+--------+
//! ```

use crate::error::Refusal;
use crate::limits::PREAMBLE_BYTES;

/// The first four bytes of a preamble.
pub const MAGIC: [u8; 4] = *b"TRIL";

/// The first four bytes of a refusal.
pub const REFUSAL_MAGIC: [u8; 4] = *b"TRNO";

/// The preamble of this version: mode 0 (clear), suite 0.
pub const PREAMBLE: [u8; PREAMBLE_BYTES] = *b"TRIL\0\0\0\0";

/// Bit set of the modes offered: bit 0 for mode 0, clear.
const MODES_OFFERED: u8 = 0b1;

/// The bytes with which a server turns a connection away.
pub const fn refusal(why: Refusal) -> [u8; PREAMBLE_BYTES] {
    let [t, r, n, o] = REFUSAL_MAGIC;
    [t, r, n, o, why.to_byte(), MODES_OFFERED, 0, 0]
}
