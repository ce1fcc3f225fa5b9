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
    client: Sender<Bytes>,
    metrics: Arc<Metrics>,
    open: bool,
    since: Instant,
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
            client,
            metrics,
            open: false,
            since: Instant::now(),
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
                Input::End => return self.finish(),
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
        self.note.cpu_us += u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
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
        if self.open && self.since.elapsed() >= MEMBER { self.finish() } else { Ok(()) }
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
