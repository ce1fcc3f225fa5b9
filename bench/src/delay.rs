//! How long after its reply a single write can be read at the destination.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tributary_tests::server::Server;

/// Writes a second of the load under which it is measured as well.
pub const PACE: u64 = 20_000;

const SAMPLES: u64 = 1000;
const BETWEEN: Duration = Duration::from_millis(2);
const TICK: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_secs(10);

/// Percentiles in ms.
#[derive(Debug)]
pub struct Delay {
    pub p50: f64,
    pub p99: f64,
}

/// Writes on the source and reads at the destination in a tight loop until the write is there.
pub fn measure(source: &Server, destination: &Server, pace: Option<u64>) -> Delay {
    let load = pace.map(|pace| Load::start(source, pace));
    let (mut here, mut there) = (source.connect_db(crate::stream::DB), destination.connect_db(crate::stream::DB));
    let mut samples: Vec<f64> = (0..SAMPLES)
        .map(|number| {
            std::thread::sleep(BETWEEN);
            redis::cmd("SET").arg("bench:delay").arg(number).query::<()>(&mut here).expect("SET");
            let written = Instant::now();
            let mut get = redis::cmd("GET");
            get.arg("bench:delay");
            while get.query::<Option<u64>>(&mut there).expect("GET") != Some(number) {
                assert!(written.elapsed() < DEADLINE, "a write is not visible within {DEADLINE:?}");
            }
            written.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    if let Some(load) = load {
        load.end();
    }
    samples.sort_by(f64::total_cmp);
    let at = |percent: usize| samples.get((samples.len() - 1) * percent / 100).copied().expect("samples");
    Delay { p50: at(50), p99: at(99) }
}

/// SETs at a steady pace.
struct Load {
    done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start(source: &Server, pace: u64) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&done);
        let mut connection = source.connect_db(crate::stream::DB);
        let thread = std::thread::spawn(move || {
            let started = Instant::now();
            let mut written = 0;
            while !stop.load(Ordering::SeqCst) {
                // What is due by now, so that a late tick is made up for.
                let due = (started.elapsed().as_secs_f64() * pace as f64) as u64;
                if due > written {
                    let mut pipe = redis::pipe();
                    (written..due).for_each(|n| {
                        pipe.cmd("SET").arg(format!("load:{}", n % 100_000)).arg(n).ignore();
                    });
                    pipe.query::<()>(&mut connection).expect("the load");
                    written = due;
                }
                std::thread::sleep(TICK);
            }
        });
        Self { done, thread }
    }

    fn end(self) {
        self.done.store(true, Ordering::SeqCst);
        self.thread.join().expect("the load");
    }
}
