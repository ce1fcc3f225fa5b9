use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tributary_metrics::{Kind, Page};

/// What a relay has done since it started.
#[derive(Debug, Default)]
pub struct Metrics {
    new: AtomicI64,
    plain: Modes,
    gzip: Modes,
    refused_full: AtomicU64,
    refused_handshake: AtomicU64,
    upstream_failures: AtomicU64,
    upstream_bytes: AtomicU64,
    wire_bytes: AtomicU64,
    cpu_ns: AtomicU64,
    behind: AtomicI64,
}

/// What a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Its client has not asked anything yet.
    New,
    Plain,
    Gzip,
}

impl Mode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Plain => "plain",
            Self::Gzip => "gzip",
        }
    }
}

#[derive(Debug, Default)]
struct Modes {
    open: AtomicI64,
    total: AtomicU64,
}

impl Metrics {
    /// A connection came, or found its mode.
    pub(crate) fn opened(&self, mode: Mode) {
        match mode {
            Mode::New => {}
            Mode::Plain => _ = self.plain.total.fetch_add(1, Relaxed),
            Mode::Gzip => _ = self.gzip.total.fetch_add(1, Relaxed),
        }
        self.open(mode).fetch_add(1, Relaxed);
    }

    /// A connection ended, or is no longer in this mode.
    pub(crate) fn closed(&self, mode: Mode) {
        self.open(mode).fetch_sub(1, Relaxed);
    }

    fn open(&self, mode: Mode) -> &AtomicI64 {
        match mode {
            Mode::New => &self.new,
            Mode::Plain => &self.plain.open,
            Mode::Gzip => &self.gzip.open,
        }
    }

    /// A client was closed because there were too many.
    pub(crate) fn full(&self) {
        self.refused_full.fetch_add(1, Relaxed);
    }

    /// A client was closed for a handshake that failed or took too long.
    pub(crate) fn bad_handshake(&self) {
        self.refused_handshake.fetch_add(1, Relaxed);
    }

    /// The upstream could not be reached.
    pub(crate) fn upstream_failed(&self) {
        self.upstream_failures.fetch_add(1, Relaxed);
    }

    /// Bytes of the upstream were compressed.
    pub(crate) fn took(&self, bytes: usize) {
        self.upstream_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// That is what they became.
    pub(crate) fn gave(&self, bytes: usize) {
        self.wire_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// And that is what it took of the processor.
    pub(crate) fn spent(&self, time: Duration) {
        self.cpu_ns.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Compression of a link began or ceased to be slower than its upstream.
    pub(crate) fn behind(&self, is: bool) {
        self.behind.fetch_add(if is { 1 } else { -1 }, Relaxed);
    }

    /// All of it in the text format of Prometheus.
    #[must_use]
    pub fn page(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        let gauge = |gauge: &AtomicI64| gauge.load(Relaxed) as f64;
        let mut page = Page::default();
        page.metric("tributary_relay_build_info", Kind::Gauge, "The version that runs, always 1.")
            .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        page.metric("tributary_relay_connections", Kind::Gauge, "Open connections of clients.")
            .sample(&[("mode", "new")], gauge(&self.new))
            .sample(&[("mode", "plain")], gauge(&self.plain.open))
            .sample(&[("mode", "gzip")], gauge(&self.gzip.open));
        page.metric("tributary_relay_connections_total", Kind::Counter, "Connections of clients so far.")
            .sample(&[("mode", "plain")], count(&self.plain.total))
            .sample(&[("mode", "gzip")], count(&self.gzip.total));
        page.metric("tributary_relay_refused_total", Kind::Counter, "Clients that were closed at once.")
            .sample(&[("reason", "full")], count(&self.refused_full))
            .sample(&[("reason", "handshake")], count(&self.refused_handshake));
        page.metric("tributary_relay_upstream_failures_total", Kind::Counter, "Connections to the server that failed.")
            .sample(&[], count(&self.upstream_failures));
        page.metric("tributary_relay_upstream_bytes_total", Kind::Counter, "Bytes of the server that were compressed.")
            .sample(&[], count(&self.upstream_bytes));
        page.metric("tributary_relay_wire_bytes_total", Kind::Counter, "Bytes that they became.")
            .sample(&[], count(&self.wire_bytes));
        page.metric("tributary_relay_compress_cpu_seconds_total", Kind::Counter, "Processor time of compression.")
            .sample(&[], count(&self.cpu_ns) / 1e9);
        page.metric(
            "tributary_relay_behind_links",
            Kind::Gauge,
            "Links whose compression is slower than their server.",
        )
        .sample(&[], gauge(&self.behind));
        page.into_text()
    }
}
