//! Bytes cut up as a network might.

/// The pieces of an input. Their sizes follow from its bytes (FNV-1a, then xorshift64), so that a file alone reproduces
/// a run, and a dump can be a seed as it is.
#[derive(Debug)]
pub struct Pieces<'a> {
    rest: &'a [u8],
    random: u64,
    longest: u64,
}

impl<'a> Pieces<'a> {
    /// Cuts up `data`.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        let random = data
            .iter()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        // One byte at a time, a few, or many.
        let longest = match random >> 62 {
            0 if data.len() < 4096 => 1,
            0 | 1 => 8,
            2 => 64,
            _ => data.len() as u64 + 1,
        };
        Self { rest: data, random: random | 1, longest }
    }

    /// All of `data` at once.
    #[must_use]
    pub fn whole(data: &'a [u8]) -> Self {
        Self { rest: data, random: 1, longest: 0 }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut len = self.rest.len();
        if self.longest > 0 {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            len = len.min((self.random % self.longest + 1) as usize);
        }
        let (piece, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(piece)
    }
}
