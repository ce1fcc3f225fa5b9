use std::sync::{Mutex, PoisonError};

/// Whether the server behind a relay can be reached, by the relay's own connections to it.
#[derive(Debug, Default)]
pub struct Health(Mutex<Option<String>>);

impl Health {
    /// An attempt was made: why it failed, if it did. True when that is news.
    pub(crate) fn attempted(&self, failed: Option<&str>) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = last.as_deref() != failed;
        *last = failed.map(str::to_owned);
        news
    }

    /// Why it cannot be reached; `None` where it can.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
