//! The thread that compresses one link.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use tokio::sync::mpsc::{Receiver, Sender};
use tributary_resp::relay::Note;

use crate::Metrics;
use crate::clock::thread_time;
use crate::member;

/// Compressed bytes that are handed on at once while the upstream does not pause.
const PIECE: usize = 64 * 1024;
/// How often a member ends and the next begins, with a new note, while there is data.
const MEMBER: Duration = Duration::from_secs(10);
/// Over how long it is judged whether compression keeps up.
const WINDOW: Duration = Duration::from_secs(2);
/// Compression that has worked for this part of a window, with more waiting, does not keep up.
const BUSY: f64 = 0.95;

/// What comes from the upstream.
#[derive(Debug)]
pub(crate) enum Input {
    Data(Bytes),
    /// Nothing more can be read from it at once.
    Pause,
    /// It has ended as it should, or the relay ends: the last member is to be finished.
    End,
}

/// Compresses until the upstream or the client has ended. A link that breaks off leaves its last member unfinished, so that
/// nobody takes it for whole.
pub(crate) struct Compressor {
    level: Compression,
    deflate: Compress,
    crc: Crc,
    /// Compressed bytes that were not handed on.
    out: Vec<u8>,
    note: Note,
    cpu: Duration,
    client: Sender<Bytes>,
    metrics: Arc<Metrics>,
    open: bool,
    since: Instant,
    /// How old a member gets.
    oldest: Duration,
    window: Window,
}

/// The client has gone.
struct Gone;

impl Compressor {
    pub(crate) fn new(level: u32, client: Sender<Bytes>, metrics: Arc<Metrics>) -> Self {
        let level = Compression::new(level);
        Self {
            level,
            deflate: Compress::new(level, false),
            crc: Crc::new(),
            out: Vec::new(),
            note: Note::default(),
            cpu: Duration::ZERO,
            client,
            metrics,
            open: false,
            since: Instant::now(),
            oldest: MEMBER,
            window: Window::new(),
        }
    }

    /// Runs on a thread of its own.
    pub(crate) fn run(mut self, mut input: Receiver<Input>) {
        // That the client has gone is what ends it; nobody is left to be told.
        let _ = self.follow(&mut input);
        if self.note.behind {
            self.metrics.behind(false);
        }
    }

    fn follow(&mut self, input: &mut Receiver<Input>) -> Result<(), Gone> {
        loop {
            let waited = Instant::now();
            let Some(next) = input.blocking_recv() else { return Ok(()) };
            self.window.waited += waited.elapsed();
            match next {
                Input::Data(data) => self.add(&data)?,
                // A pause that is over already needs no flush.
                Input::Pause if input.is_empty() => self.flush()?,
                Input::Pause => {}
                Input::End => return self.end(),
            }
        }
    }

    fn add(&mut self, data: &[u8]) -> Result<(), Gone> {
        self.judge()?;
        if !self.open {
            self.begin();
        }
        let before = thread_time();
        self.crc.update(data);
        let mut rest = data;
        while !rest.is_empty() {
            rest = self.step(rest, FlushCompress::None);
            if self.out.len() >= PIECE {
                self.hand_on()?;
            }
        }
        self.note.bytes += data.len() as u64;
        self.metrics.took(data.len());
        self.spent(thread_time().saturating_sub(before));
        Ok(())
    }

    /// Compresses as much as there is room for: what is left of the input.
    fn step<'a>(&mut self, input: &'a [u8], flush: FlushCompress) -> &'a [u8] {
        self.out.reserve(PIECE / 2);
        let before = self.deflate.total_in();
        // It fails only for a stream that was finished, and each member has its own.
        let done = self.deflate.compress_vec(input, &mut self.out, flush);
        debug_assert!(done.is_ok());
        let used = usize::try_from(self.deflate.total_in() - before).unwrap_or(usize::MAX);
        input.get(used..).unwrap_or_default()
    }

    /// Makes all that was added decodable.
    fn flush(&mut self) -> Result<(), Gone> {
        if self.open && self.deflate.total_in() > 0 {
            let before = thread_time();
            self.drive(FlushCompress::Sync)?;
            self.spent(thread_time().saturating_sub(before));
        }
        self.hand_on()
    }

    fn begin(&mut self) {
        member::header(&mut self.out, self.note);
        self.deflate = Compress::new(self.level, false);
        self.crc = Crc::new();
        (self.open, self.since) = (true, Instant::now());
    }

    /// Ends the member.
    fn finish(&mut self) -> Result<(), Gone> {
        if self.open {
            self.drive(FlushCompress::Finish)?;
            member::trailer(&mut self.out, &self.crc);
            self.open = false;
        }
        self.hand_on()
    }

    /// Ends the stream, which has a member also when there was nothing to compress.
    fn end(&mut self) -> Result<(), Gone> {
        if self.note == Note::default() && !self.open {
            self.begin();
        }
        self.finish()
    }

    /// Calls the compressor until it has written all that it holds: then it leaves room.
    fn drive(&mut self, flush: FlushCompress) -> Result<(), Gone> {
        loop {
            self.step(&[], flush);
            if self.out.len() < self.out.capacity() {
                return Ok(());
            }
            self.hand_on()?;
        }
    }

    fn hand_on(&mut self) -> Result<(), Gone> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.note.wire_bytes += self.out.len() as u64;
        self.metrics.gave(self.out.len());
        let piece = Bytes::from(std::mem::take(&mut self.out));
        let waited = Instant::now();
        let sent = self.client.blocking_send(piece).map_err(|_| Gone);
        self.window.waited += waited.elapsed();
        sent
    }

    fn spent(&mut self, time: Duration) {
        // Summed up before it is rounded: most pieces take a few microseconds.
        self.cpu += time;
        self.note.cpu_us = u64::try_from(self.cpu.as_micros()).unwrap_or(u64::MAX);
        self.metrics.spent(time);
    }

    /// Begins a new member when what is to be told has changed, or for long not been told.
    fn judge(&mut self) -> Result<(), Gone> {
        if let Some(busy) = self.window.over() {
            let behind = busy >= BUSY;
            if behind != self.note.behind {
                self.note.behind = behind;
                self.metrics.behind(behind);
                return self.finish();
            }
        }
        if self.open && self.since.elapsed() >= self.oldest { self.finish() } else { Ok(()) }
    }
}

/// How much of the time was spent on neither waiting for data nor for the client.
struct Window {
    since: Instant,
    waited: Duration,
}

impl Window {
    fn new() -> Self {
        Self { since: Instant::now(), waited: Duration::ZERO }
    }

    /// The busy part of a window that is over, from 0 to 1.
    fn over(&mut self) -> Option<f64> {
        let length = self.since.elapsed();
        if length < WINDOW {
            return None;
        }
        let waited = self.waited.as_secs_f64() / length.as_secs_f64();
        *self = Self::new();
        Some(1.0 - waited)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::bufread::GzDecoder;
    use tokio::sync::mpsc;
    use tributary_resp::relay::EXTRA_ID;

    use super::*;

    struct Bench {
        compressor: Compressor,
        wire: Receiver<Bytes>,
    }

    fn bench(level: u32) -> Bench {
        let (client, wire) = mpsc::channel(10_000);
        Bench { compressor: Compressor::new(level, client, Arc::default()), wire }
    }

    impl Bench {
        /// Ends the stream: the note and the data of each member, and what was read of the wire before each.
        fn members(mut self) -> Vec<(Note, Vec<u8>, usize)> {
            assert!(self.compressor.end().is_ok());
            drop(self.compressor);
            let mut wire = Vec::new();
            while let Ok(piece) = self.wire.try_recv() {
                wire.extend_from_slice(&piece);
            }
            let (mut rest, mut members) = (&wire[..], Vec::new());
            while !rest.is_empty() {
                let before = wire.len() - rest.len();
                let (mut decoder, mut data) = (GzDecoder::new(rest), Vec::new());
                decoder.read_to_end(&mut data).unwrap();
                let extra = decoder.header().unwrap().extra().unwrap();
                assert_eq!(&extra[..4], [EXTRA_ID[0], EXTRA_ID[1], Note::LENGTH as u8, 0]);
                members.push((Note::from_bytes(&extra[4..]).unwrap(), data, before));
                rest = decoder.into_inner();
            }
            members
        }
    }

    /// Somewhat compressible, and not the same anywhere.
    fn text(length: usize) -> Vec<u8> {
        (0_u32..).flat_map(|n| format!("{} ", n.wrapping_mul(2_654_435_761)).into_bytes()).take(length).collect()
    }

    #[test]
    fn many_members_are_the_data_and_each_tells_what_came_before() {
        let text = text(1_000_000);
        let mut bench = bench(6);
        bench.compressor.oldest = Duration::ZERO;
        let (mut rest, mut size) = (&text[..], 1);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            assert!(bench.compressor.add(piece).is_ok());
            if size % 3 == 0 {
                assert!(bench.compressor.flush().is_ok());
            }
            (rest, size) = (behind, size * 3 / 2 + 1);
        }
        let (members, mut got) = (bench.members(), Vec::new());
        assert!(members.len() > 20, "{}", members.len());
        let mut cpu_us = 0;
        for (note, data, before) in members {
            assert_eq!((note.bytes, note.wire_bytes), (got.len() as u64, before as u64));
            assert!(note.cpu_us >= cpu_us, "{note:?}");
            cpu_us = note.cpu_us;
            got.extend(data);
        }
        assert!(got == text && cpu_us > 0);
    }

    #[test]
    fn a_stream_without_data_is_one_empty_member() {
        assert_eq!(bench(1).members(), [(Note::default(), Vec::new(), 0)]);
    }

    #[test]
    fn a_flush_of_much_or_little_leaves_nothing_behind() {
        for level in [1, 6, 9] {
            for length in [1, 100, 32_767, 32_768, 65_536, 1_000_000] {
                let (text, mut bench) = (text(length), bench(level));
                assert!(bench.compressor.add(&text).is_ok() && bench.compressor.flush().is_ok());
                // Another one has nothing to do.
                assert!(bench.compressor.flush().is_ok());
                let (mut inflate, mut got) = (flate2::Decompress::new(false), Vec::with_capacity(length + 1));
                let mut wire = Vec::new();
                while let Ok(piece) = bench.wire.try_recv() {
                    wire.extend_from_slice(&piece);
                }
                inflate
                    .decompress_vec(&wire[10 + 2 + 4 + Note::LENGTH..], &mut got, flate2::FlushDecompress::Sync)
                    .unwrap();
                assert!(got == text, "level {level}: {} of {length}", got.len());
            }
        }
    }

    #[test]
    fn compression_that_is_always_busy_is_behind_and_says_so_in_the_next_member() {
        let mut bench = bench(6);
        let metrics = bench.compressor.metrics.clone();
        let behind = || metrics.page().contains("tributary_relay_behind_links 1\n");
        let long_ago = Instant::now().checked_sub(WINDOW * 2).unwrap();
        for (waited, is) in [(Duration::ZERO, true), (WINDOW, false), (Duration::ZERO, true)] {
            bench.compressor.window = Window { since: long_ago, waited };
            assert!(bench.compressor.add(b"data").is_ok());
            assert_eq!(behind(), is, "{waited:?}");
        }
        let notes: Vec<bool> = bench.members().into_iter().map(|(note, ..)| note.behind).collect();
        assert_eq!(notes, [true, false, true]);
        // The end of the link is the end of that, too.
        let (client, _wire) = mpsc::channel(1);
        let mut compressor = Compressor::new(6, client, metrics.clone());
        metrics.behind(false);
        metrics.behind(true);
        compressor.note.behind = true;
        let (input, inputs) = mpsc::channel(1);
        drop(input);
        compressor.run(inputs);
        assert!(!behind());
    }
}
