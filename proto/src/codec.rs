//! Bounds-checked reading and writing of big-endian fields. Neither can panic.

/// The input ended before the field did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

/// The output buffer is smaller than the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Takes fields off the front of a byte slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether everything was read.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Truncated`] if fewer are left; nothing is taken then.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Truncated> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Truncated`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// An 8-bit number.
    ///
    /// # Errors
    /// [`Truncated`] if the input is at its end.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array().map(u8::from_be_bytes)
    }

    /// A 16-bit number.
    ///
    /// # Errors
    /// [`Truncated`] if fewer than 2 bytes are left.
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// [`Truncated`] if fewer than 4 bytes are left.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    /// A 64-bit number.
    ///
    /// # Errors
    /// [`Truncated`] if fewer than 8 bytes are left.
    pub fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Puts fields one after the other into the caller's buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    /// A writer at the start of `buffer`.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, written: 0 }
    }

    /// Bytes written so far.
    pub const fn written(&self) -> usize {
        self.written
    }

    /// Bytes that still fit.
    pub const fn room(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Full`] if they do not fit; nothing is written then.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.written.checked_add(bytes.len()).ok_or(Full)?;
        let target = self.buffer.get_mut(self.written..end).ok_or(Full)?;
        target.copy_from_slice(bytes);
        self.written = end;
        Ok(())
    }

    /// Appends an 8-bit number.
    ///
    /// # Errors
    /// [`Full`] if it does not fit.
    pub fn u8(&mut self, value: u8) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a 16-bit number.
    ///
    /// # Errors
    /// [`Full`] if it does not fit.
    pub fn u16(&mut self, value: u16) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a 32-bit number.
    ///
    /// # Errors
    /// [`Full`] if it does not fit.
    pub fn u32(&mut self, value: u32) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a 64-bit number.
    ///
    /// # Errors
    /// [`Full`] if it does not fit.
    pub fn u64(&mut self, value: u64) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_takes_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u32(), Err(Truncated));
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.bytes(2), Err(Truncated));
        assert_eq!(reader.rest(), &[3]);
        assert!(reader.is_empty());
    }

    #[test]
    fn a_write_that_does_not_fit_writes_nothing() {
        let mut buffer = [0xa5; 5];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.u32(0x0102_0304), Ok(()));
        assert_eq!(writer.u16(0xffff), Err(Full));
        assert_eq!(writer.written(), 4);
        assert_eq!(buffer, [1, 2, 3, 4, 0xa5]);
    }
}
