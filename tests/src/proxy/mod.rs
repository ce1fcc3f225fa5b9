//! A proxy before one server that does to connections what networks do: cut, delay, throttle, half-close.
//!
//! Settings ([`Proxy::delay`], [`Proxy::throttle`]) are of the proxy and hold for every connection until
//! [`Proxy::mend`]. Faults ([`Proxy::cut`], [`Proxy::hold`], [`Proxy::deaden`]) strike the connections of that moment.
//! [`pipe`] is one direction of one connection.

mod pipe;

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipe::{Pace, Valve};

use crate::eventually;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From Tributary to the server.
    ToServer,
    /// From the server to Tributary.
    ToClient,
}

/// Passes bytes to a server, with the faults that a test asks for.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    upstream: AtomicU16,
    refuses: AtomicBool,
    to_server: Arc<Pace>,
    to_client: Arc<Pace>,
    open: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    to_server: Arc<Valve>,
    to_client: Arc<Valve>,
}

impl Connection {
    fn valve(&self, direction: Direction) -> &Arc<Valve> {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    fn close(&self) {
        self.client.shutdown(Shutdown::Both).ok();
        self.server.shutdown(Shutdown::Both).ok();
        self.to_server.open();
        self.to_client.open();
    }
}

impl Proxy {
    /// Listens on a free port and passes everything on to the server at `upstream`.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Arc::new(Shared { upstream: AtomicU16::new(upstream), ..Shared::default() });
        let accepting = Arc::clone(&shared);
        // Ends with the test's process; it holds nothing but the listener.
        std::thread::spawn(move || {
            listener.incoming().map_while(Result::ok).for_each(|client| accepting.accept(client));
        });
        Self { port, shared }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Passes new connections on to another server, as an address does that moves in a failover.
    pub fn point_to(&self, upstream: u16) {
        self.shared.upstream.store(upstream, Ordering::SeqCst);
    }

    /// Cuts all connections, and every new one at once, until [`Self::mend`].
    ///
    /// # Panics
    /// When a thread of the proxy has panicked.
    pub fn cut(&self) {
        self.shared.refuses.store(true, Ordering::SeqCst);
        self.drop_connections();
    }

    /// Cuts the connections of this moment; new ones are taken.
    ///
    /// # Panics
    /// When a thread of the proxy has panicked.
    pub fn drop_connections(&self) {
        self.shared.open.lock().expect("open connections").drain(..).for_each(|connection| connection.close());
    }

    /// Every byte comes so much later, in both directions.
    pub fn delay(&self, by: Duration) {
        [&self.shared.to_server, &self.shared.to_client].iter().for_each(|pace| pace.delay(by));
    }

    /// Lets so many bytes a second through in this direction, on each connection.
    pub fn throttle(&self, direction: Direction, bytes_per_second: u64) {
        match direction {
            Direction::ToServer => self.shared.to_server.throttle(bytes_per_second),
            Direction::ToClient => self.shared.to_client.throttle(bytes_per_second),
        }
    }

    /// Holds back what comes in this direction on the connections of this moment; new ones are as ever.
    ///
    /// # Panics
    /// When a thread of the proxy has panicked.
    #[must_use]
    pub fn hold(&self, direction: Direction) -> Held {
        let held: Vec<Connection> = self.shared.open.lock().expect("open connections").drain(..).collect();
        held.iter().for_each(|connection| connection.valve(direction).hold());
        Held { connections: held }
    }

    /// Half-closes the connections of this moment: nothing comes through in this direction any more, while both
    /// sockets stay open and the other direction works.
    ///
    /// # Panics
    /// When a thread of the proxy has panicked.
    pub fn deaden(&self, direction: Direction) {
        let open = self.shared.open.lock().expect("open connections");
        open.iter().for_each(|connection| connection.valve(direction).deaden());
    }

    /// Takes connections again, and passes bytes at once and at full speed.
    pub fn mend(&self) {
        self.shared.refuses.store(false, Ordering::SeqCst);
        [&self.shared.to_server, &self.shared.to_client].iter().for_each(|pace| pace.reset());
    }
}

impl Shared {
    fn accept(&self, client: TcpStream) {
        if self.refuses.load(Ordering::SeqCst) {
            return;
        }
        let upstream = self.upstream.load(Ordering::SeqCst);
        let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)) else { return };
        for socket in [&client, &server] {
            socket.set_nodelay(true).ok();
        }
        let connection = Connection { client, server, to_server: Arc::default(), to_client: Arc::default() };
        let Connection { client, server, .. } = &connection;
        pipe::run(client, server, &connection.to_server, &self.to_server);
        pipe::run(server, client, &connection.to_client, &self.to_client);
        let mut open = self.open.lock().expect("open connections");
        open.retain(|connection| !(connection.to_server.has_ended() && connection.to_client.has_ended()));
        open.push(connection);
    }
}

/// Connections whose bytes are held back. They are closed when this is dropped.
#[derive(Debug)]
pub struct Held {
    connections: Vec<Connection>,
}

impl Held {
    /// Tells the client that its connections are gone, while the server still sees them open.
    pub fn abandon(&self) {
        self.connections.iter().for_each(|connection| drop(connection.client.shutdown(Shutdown::Both)));
    }

    /// Waits until bytes are held back.
    ///
    /// # Panics
    /// When nothing comes within [`crate::DEADLINE`].
    pub fn until_some(&self) {
        let waiting = |connection: &Connection| connection.to_server.waiting() + connection.to_client.waiting();
        eventually("bytes that are held back", || self.connections.iter().any(|c| waiting(c) > 0).then_some(()));
    }

    /// Lets what was held back arrive now, however late: how many bytes were held.
    #[must_use]
    pub fn deliver(&self) -> u64 {
        let open = |connection: &Connection| connection.to_server.open() + connection.to_client.open();
        self.connections.iter().map(open).sum()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.connections.iter().for_each(Connection::close);
    }
}
