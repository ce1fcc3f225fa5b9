//! LZF, as liblzf writes it: literal runs and references back into what was decompressed, 8 KiB at most.

use crate::error::{Broken, Parsed};

/// How far a reference reaches back.
const WINDOW: usize = 8192;

/// How many bytes come out of one at most: a reference of 3 bytes gives up to 264.
pub(crate) const MOST: u64 = 88;

/// Decompresses to exactly `length` bytes.
pub(crate) fn decompress(mut input: &[u8], length: usize) -> Parsed<Vec<u8>> {
    // Not by the announced length alone.
    let mut out = Vec::with_capacity(length.min(input.len().saturating_mul(MOST as usize)));
    while !input.is_empty() {
        let used = step(input, &mut out).map_err(|_| Broken::Malformed("compressed data that is cut off"))??;
        if out.len() > length {
            return Err(Broken::Malformed("compressed data longer than announced"));
        }
        input = input.get(used..).unwrap_or_default();
    }
    if out.len() == length { Ok(out) } else { Err(Broken::Malformed("compressed data shorter than announced")) }
}

/// The input ended within an instruction.
struct Cut;

/// Carries out one instruction and gives its length.
fn step(input: &[u8], out: &mut Vec<u8>) -> Result<Parsed<usize>, Cut> {
    let control = usize::from(*input.first().ok_or(Cut)?);
    if control < 32 {
        out.extend_from_slice(input.get(1..control + 2).ok_or(Cut)?);
        return Ok(Ok(control + 2));
    }
    let (mut run, mut at) = (control >> 5, 1);
    if run == 7 {
        run += usize::from(*input.get(at).ok_or(Cut)?);
        at += 1;
    }
    let back = ((control & 0x1f) << 8 | usize::from(*input.get(at).ok_or(Cut)?)) + 1;
    let Some(from) = out.len().checked_sub(back) else {
        return Ok(Err(Broken::Malformed("compressed data that refers to before its start")));
    };
    copy_within(out, from, run + 2);
    Ok(Ok(at + 1))
}

/// Appends `run` bytes from `from` on; the two may overlap, which repeats them.
fn copy_within(out: &mut Vec<u8>, from: usize, run: usize) {
    if from + run <= out.len() {
        out.extend_from_within(from..from + run);
        return;
    }
    for i in from..from + run {
        let byte = out.get(i).copied().unwrap_or_default();
        out.push(byte);
    }
}

/// Decompresses a string that is too large to be held, in pieces.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// What was decompressed lately: up to a window that was given out, and what was not.
    out: Vec<u8>,
    given: usize,
}

impl Stream {
    /// Decompresses from `input` until about `piece` bytes are at hand; gives the bytes consumed.
    pub(crate) fn feed(&mut self, input: &[u8], piece: usize) -> Parsed<usize> {
        let old = self.given.saturating_sub(WINDOW);
        self.out.drain(..old);
        self.given -= old;
        let mut used = 0;
        while self.out.len() - self.given < piece {
            match step(input.get(used..).unwrap_or_default(), &mut self.out) {
                Ok(length) => used += length?,
                Err(Cut) => break,
            }
        }
        Ok(used)
    }

    /// What is at hand.
    pub(crate) fn take(&mut self) -> &[u8] {
        let from = std::mem::replace(&mut self.given, self.out.len());
        self.out.get(from..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "abc", then a reference to it of 9 bytes, then "x".
    const PACKED: &[u8] = &[2, b'a', b'b', b'c', 0xe0, 0, 2, 0, b'x'];

    #[test]
    fn overlapping_references_repeat() {
        assert_eq!(decompress(PACKED, 13).unwrap(), b"abcabcabcabcx");
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        assert!(decompress(PACKED, 12).is_err());
        assert!(decompress(PACKED, 14).is_err());
        assert!(decompress(&PACKED[..6], 13).is_err());
        assert!(decompress(&[0x20, 5], 3).is_err());
    }

    #[test]
    fn a_stream_gives_the_same_in_pieces() {
        for piece in 1..14 {
            let mut stream = Stream::default();
            let (mut got, mut at, mut end) = (Vec::new(), 0, 0);
            while at < PACKED.len() {
                end = (end + 1).min(PACKED.len());
                at += stream.feed(&PACKED[at..end], piece).unwrap();
                got.extend_from_slice(stream.take());
            }
            assert_eq!(got, b"abcabcabcabcx", "pieces of {piece}");
        }
    }
}
