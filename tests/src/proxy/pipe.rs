//! One direction of one connection: a thread reads, another writes what was read once it may pass.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const READ: usize = 16 * 1024;
/// Pieces between the two threads: 4 MiB, then the sender feels it.
const QUEUE: usize = 256;
/// A throttled pipe writes at least so many times a second.
const TURNS: u64 = 20;
/// How late a piece may be and the next one is written earlier for it.
const LATE: Duration = Duration::from_millis(50);

/// How fast the bytes of all connections of a proxy go in one direction.
#[derive(Debug, Default)]
pub(super) struct Pace {
    delay_ms: AtomicU64,
    /// 0 is without limit.
    bytes_per_second: AtomicU64,
}

impl Pace {
    pub(super) fn delay(&self, by: Duration) {
        self.delay_ms.store(u64::try_from(by.as_millis()).expect("a delay"), Ordering::SeqCst);
    }

    pub(super) fn throttle(&self, bytes_per_second: u64) {
        self.bytes_per_second.store(bytes_per_second, Ordering::SeqCst);
    }

    pub(super) fn reset(&self) {
        self.delay_ms.store(0, Ordering::SeqCst);
        self.bytes_per_second.store(0, Ordering::SeqCst);
    }

    fn due(&self, arrived: Instant) -> Instant {
        arrived + Duration::from_millis(self.delay_ms.load(Ordering::SeqCst))
    }

    /// The piece that may be written in one turn.
    fn piece(&self, waiting: usize) -> usize {
        match self.bytes_per_second.load(Ordering::SeqCst) {
            0 => waiting,
            limit => waiting.min(usize::try_from(limit / TURNS).unwrap_or(usize::MAX).max(1)),
        }
    }

    /// When the link is free again for which `length` bytes are written at `free`, or now if that is past.
    fn taken(&self, free: Instant, length: usize) -> Instant {
        match self.bytes_per_second.load(Ordering::SeqCst) {
            0 => free,
            // What a sleep was too long is made up for.
            limit => free.max(Instant::now() - LATE) + Duration::from_secs_f64(length as f64 / limit as f64),
        }
    }
}

/// Whether bytes of one direction pass.
#[derive(Debug, Default)]
pub(super) struct Valve {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    held: bool,
    dead: bool,
    /// Its last byte is written.
    ended: bool,
    /// Bytes that came while it was held.
    waiting: u64,
}

impl Valve {
    pub(super) fn hold(&self) {
        self.state.lock().expect("a valve").held = true;
    }

    /// Nothing passes any more, now or later.
    pub(super) fn deaden(&self) {
        self.state.lock().expect("a valve").dead = true;
    }

    /// Ends a hold: how many bytes were held.
    pub(super) fn open(&self) -> u64 {
        let mut state = self.state.lock().expect("a valve");
        state.held = false;
        self.changed.notify_all();
        std::mem::take(&mut state.waiting)
    }

    /// Bytes that wait behind a hold.
    pub(super) fn waiting(&self) -> u64 {
        self.state.lock().expect("a valve").waiting
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().expect("a valve").ended
    }

    fn arrived(&self, bytes: usize) {
        let mut state = self.state.lock().expect("a valve");
        if state.held {
            state.waiting += bytes as u64;
        }
    }

    /// Waits until bytes may pass: false when they never will.
    fn pass(&self) -> bool {
        let state = self.state.lock().expect("a valve");
        !self.changed.wait_while(state, |state| state.held && !state.dead).expect("a valve").dead
    }
}

type Piece = (Instant, Vec<u8>);

/// Starts the two threads. The end of `from` is passed on behind its last byte.
pub(super) fn run(from: &TcpStream, to: &TcpStream, valve: &Arc<Valve>, pace: &Arc<Pace>) {
    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
    let (sender, receiver) = sync_channel(QUEUE);
    let (counted, valve, pace) = (Arc::clone(valve), Arc::clone(valve), Arc::clone(pace));
    std::thread::spawn(move || read(from, &sender, &counted));
    std::thread::spawn(move || {
        write(to, &receiver, &valve, &pace);
        valve.state.lock().expect("a valve").ended = true;
    });
}

fn read(mut from: TcpStream, queue: &SyncSender<Piece>, valve: &Valve) {
    let mut buffer = vec![0; READ];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        valve.arrived(length);
        if queue.send((Instant::now(), buffer.iter().take(length).copied().collect())).is_err() {
            break;
        }
    }
}

fn write(mut to: TcpStream, queue: &Receiver<Piece>, valve: &Valve, pace: &Pace) {
    let mut free = Instant::now();
    'pieces: for (arrived, bytes) in queue {
        // A dead direction swallows what comes, so that the sender notices nothing.
        if !valve.pass() {
            continue;
        }
        std::thread::sleep(pace.due(arrived).saturating_duration_since(Instant::now()));
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(pace.piece(rest.len()));
            if to.write_all(now).is_err() {
                break 'pieces;
            }
            rest = later;
            free = pace.taken(free, now.len());
            std::thread::sleep(free.saturating_duration_since(Instant::now()));
        }
    }
    // The other side reads the end behind the last byte; a dead direction passes not even that.
    if valve.pass() {
        to.shutdown(Shutdown::Write).ok();
    }
}
