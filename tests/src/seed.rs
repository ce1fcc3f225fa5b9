//! Random numbers that come again with the same seed.

/// A stream of random numbers (xorshift).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Takes the seed from `TRIBUTARY_SEED`, or the time, and prints it: with the same one all choices are the same.
    ///
    /// # Panics
    /// When the variable is not a number.
    #[must_use]
    pub fn of_this_run(test: &str) -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_micros() as u64);
        let seed =
            std::env::var("TRIBUTARY_SEED").map_or(now, |text| text.parse().expect("TRIBUTARY_SEED is a number"));
        println!("{test}: TRIBUTARY_SEED={seed}");
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }

    /// Sleeps for a random time below `ms`: a moment for a fault to strike, never a condition.
    pub fn moment(&mut self, ms: u64) {
        std::thread::sleep(std::time::Duration::from_micros(self.below(ms * 1000)));
    }

    /// Puts a list in random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}
