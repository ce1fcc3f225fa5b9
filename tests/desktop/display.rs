//! What a window manager would do: close the window, and see whether it is shown.

use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, CLIENT_MESSAGE_EVENT, ClientMessageEvent, ConnectionExt, EventMask, MapState, Window,
};
use x11rb::rust_connection::RustConnection;

const TITLE: &[u8] = b"Tributary";
const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

pub struct Display {
    x: RustConnection,
    root: Window,
}

impl Display {
    pub fn open() -> Self {
        let (x, screen) = x11rb::connect(None).unwrap();
        let root = x.setup().roots[screen].root;
        Self { x, root }
    }

    /// Asks the app to close its window, as the cross in its corner does.
    pub fn close_window(&self) {
        let (protocols, delete) = (self.atom("WM_PROTOCOLS"), self.atom("WM_DELETE_WINDOW"));
        let window = self.window().expect("the window is there");
        let event = ClientMessageEvent {
            response_type: CLIENT_MESSAGE_EVENT,
            format: 32,
            sequence: 0,
            window,
            type_: protocols,
            data: [delete, 0, 0, 0, 0].into(),
        };
        self.x.send_event(false, window, EventMask::NO_EVENT, event).unwrap();
        self.x.flush().unwrap();
    }

    /// Waits until the window is shown, or is not.
    pub async fn until_shown(&self, want: bool) {
        let started = Instant::now();
        while self.is_shown() != want {
            assert!(
                started.elapsed() < DEADLINE,
                "the window never became {}",
                if want { "visible" } else { "hidden" }
            );
            tokio::time::sleep(POLL).await;
        }
    }

    fn is_shown(&self) -> bool {
        let attributes = self.window().and_then(|window| self.x.get_window_attributes(window).unwrap().reply().ok());
        attributes.is_some_and(|attributes| attributes.map_state == MapState::VIEWABLE)
    }

    /// The app's one top-level window: the one with its title that can be closed.
    fn window(&self) -> Option<Window> {
        let protocols = self.atom("WM_PROTOCOLS");
        let children = self.x.query_tree(self.root).unwrap().reply().unwrap().children;
        children.into_iter().find(|window| {
            let property =
                |name: u32, kind: u32| self.x.get_property(false, *window, name, kind, 0, 64).unwrap().reply();
            let title = property(AtomEnum::WM_NAME.into(), AtomEnum::ANY.into());
            title.is_ok_and(|title| title.value == TITLE)
                && property(protocols, AtomEnum::ATOM.into()).is_ok_and(|found| found.value_len > 0)
        })
    }

    fn atom(&self, name: &str) -> u32 {
        self.x.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
    }
}
