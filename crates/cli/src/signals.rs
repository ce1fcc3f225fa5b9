use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGINT or SIGTERM.
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn stop_requested() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// SIGUSR1 and SIGUSR2: pause and go on.
pub struct Pauses {
    pause: Signal,
    resume: Signal,
}

impl Pauses {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { pause: signal(SignalKind::user_defined1())?, resume: signal(SignalKind::user_defined2())? })
    }

    /// Waits for the next one: whether to pause.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.pause.recv() => true,
            _ = self.resume.recv() => false,
        }
    }
}
