//! The real window, driven over WebDriver.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

/// Generous: a busy machine is no failure.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// What the app calls itself on the session bus.
const BUS_NAME: &str = "dev.tributary.desktop.SingleInstance";

/// The app is a single instance for each session bus: one window at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// An open window and the driver behind it.
pub struct Window {
    client: Client,
    driver: Driver,
    _turn: MutexGuard<'static, ()>,
}

/// The WebDriver server; ends with its app when dropped.
struct Driver(Child);

impl Driver {
    /// Whether the app it started is still there.
    fn has_children(&self) -> bool {
        let parent = self.0.id().to_string();
        let children = Command::new("ps").args(["-o", "stat=", "--ppid", &parent]).output().unwrap();
        String::from_utf8_lossy(&children.stdout).lines().any(|state| !state.starts_with('Z'))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The group, for the app is the driver's child: killed alone, the driver would leave it behind.
        let group = format!("-{}", self.0.id());
        Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().ok();
        self.0.wait().ok();
    }
}

/// Waits until the session bus has noticed that the app before this one is gone: an app that starts sooner would try
/// to hand over to it.
async fn until_alone() {
    let started = Instant::now();
    loop {
        let question = ["--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"];
        let asked = Command::new("dbus-send")
            .args(question)
            .args(["org.freedesktop.DBus.NameHasOwner", &format!("string:{BUS_NAME}")])
            .output()
            .expect("dbus-send is installed (dbus)");
        let answer = String::from_utf8_lossy(&asked.stdout).into_owned();
        if answer.contains("false") {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "another window is open on this session bus: {answer}");
        tokio::time::sleep(POLL).await;
    }
}

/// The app that `cargo build` made, beside this test.
fn app() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let app = test.parent().and_then(Path::parent).unwrap().join("tributary-desktop");
    assert!(app.is_file(), "{} is not there: run cargo build first", app.display());
    app
}

impl Window {
    /// Opens the app on the data in `folder`.
    pub async fn open(folder: &Path) -> Self {
        for needed in ["DISPLAY", "DBUS_SESSION_BUS_ADDRESS"] {
            assert!(std::env::var_os(needed).is_some(), "{needed} is not set: run scripts/desktop-test.sh");
        }
        let turn = ONE_AT_A_TIME.lock().await;
        until_alone().await;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("WebKitWebDriver")
            .args(["--host=127.0.0.1", &format!("--port={port}")])
            .env("TRIBUTARY_DATA_DIR", folder)
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("WebKitWebDriver is installed (webkit2gtk-driver)");
        let driver = Driver(driver);
        let options = json!({ "binary": app(), "args": [] });
        let capabilities = [("webkitgtk:browserOptions".to_owned(), options)].into_iter().collect();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let url = format!("http://127.0.0.1:{port}");
        let started = Instant::now();
        let client = loop {
            match tokio::time::timeout(DEADLINE, builder.connect(&url)).await.expect("the driver answers") {
                Ok(client) => break client,
                Err(error) => assert!(started.elapsed() < DEADLINE, "no session: {error}"),
            }
            tokio::time::sleep(POLL).await;
        };
        Self { client, driver, _turn: turn }
    }

    /// Closes the session, which ends the app, and waits until it has: one that starts meanwhile would meet it.
    pub async fn close(self) {
        self.client.close().await.unwrap();
        let started = Instant::now();
        while self.driver.has_children() {
            assert!(started.elapsed() < DEADLINE, "the app never ended");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills the app and the driver, as a crash would.
    pub fn kill(self) {
        drop(self.driver);
    }

    /// Starts the app a second time and waits until that one has ended.
    pub fn start_again(&self, folder: &Path) -> ExitStatus {
        Command::new(app()).env("TRIBUTARY_DATA_DIR", folder).status().unwrap()
    }

    /// Waits until the app has ended by itself.
    pub async fn ended(self) {
        let started = Instant::now();
        while self.client.title().await.is_ok() {
            assert!(started.elapsed() < DEADLINE, "the app never ended");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for the element with this test ID.
    pub async fn find(&self, id: &str) -> Element {
        let selector = format!("[data-testid=\"{id}\"]");
        let wait = self.client.wait().at_most(DEADLINE).every(POLL);
        match wait.for_element(Locator::Css(&selector)).await {
            Ok(element) => element,
            Err(error) => {
                self.shot(&format!("missing-{id}")).await;
                panic!("{id} never appeared: {error}\n{}", self.page().await)
            }
        }
    }

    pub async fn click(&self, id: &str) {
        self.find(id).await;
        let started = Instant::now();
        let selector = format!("[data-testid=\"{id}\"]");
        loop {
            // WebKit's driver takes what is partly in view for clickable, and then misses it.
            let scroll = "document.querySelector(arguments[0])?.scrollIntoView({ block: 'nearest' })";
            self.client.execute(scroll, vec![json!(selector)]).await.unwrap();
            // It may be drawn anew between the look and the click.
            let done = match self.client.find(Locator::Css(&selector)).await {
                Ok(element) => match element.is_enabled().await {
                    Ok(true) => element.click().await,
                    Ok(false) => Err(fantoccini::error::CmdError::NotJson("it is disabled".into())),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => return,
                Err(error) if started.elapsed() > DEADLINE => {
                    self.shot(&format!("unclickable-{id}")).await;
                    panic!("{id} could not be clicked: {error}\n{}", self.page().await)
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Clicks what hides or closes the window: a WebDriver click would wait for a picture that never comes.
    pub async fn click_goodbye(&self, id: &str) {
        self.find(id).await;
        let script = "const target = arguments[0]; setTimeout(() => document.querySelector(target).click(), 50)";
        self.client.execute(script, vec![json!(format!("[data-testid=\"{id}\"]"))]).await.unwrap();
    }

    /// Waits until a field has the focus.
    pub async fn focused(&self, id: &str) {
        let selector = format!("[data-testid=\"{id}\"]:focus");
        let wait = self.client.wait().at_most(DEADLINE).every(POLL);
        wait.for_element(Locator::Css(&selector)).await.unwrap_or_else(|error| panic!("{id} has no focus: {error}"));
    }

    /// Types `text` in place of what the field holds, again if the page was busy and lost a key.
    pub async fn fill(&self, id: &str, text: &str) {
        let started = Instant::now();
        loop {
            let field = self.find(id).await;
            field.click().await.unwrap();
            let select_all = format!("{}a{}", char::from(Key::Control), char::from(Key::Null));
            field.send_keys(&select_all).await.unwrap();
            field.send_keys(&char::from(Key::Delete).to_string()).await.unwrap();
            field.send_keys(text).await.unwrap();
            if field.prop("value").await.unwrap().as_deref() == Some(text) {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{id} does not take what is typed");
        }
    }

    /// Waits until a field holds `want`.
    pub async fn value(&self, id: &str, want: &str) {
        let field = self.find(id).await;
        let started = Instant::now();
        while field.prop("value").await.unwrap().as_deref() != Some(want) {
            assert!(started.elapsed() < DEADLINE, "{id} never held {want:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until the text of an element is as `met` wants it.
    pub async fn until(&self, id: &str, met: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        let mut last = String::new();
        loop {
            if let Ok(element) = self.client.find(Locator::Css(&format!("[data-testid=\"{id}\"]"))).await
                && let Ok(text) = element.text().await
            {
                if met(&text) {
                    return text;
                }
                last = text;
            }
            if started.elapsed() > DEADLINE {
                self.shot(&format!("never-{id}")).await;
                panic!("{id} never became so; last {last:?}\n{}", self.page().await);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The same for what an element holds, shown or cut off: of text that does not fit, WebKit's driver gives none.
    pub async fn until_content(&self, id: &str, met: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        let mut last = String::new();
        while started.elapsed() < DEADLINE {
            if let Ok(element) = self.client.find(Locator::Css(&format!("[data-testid=\"{id}\"]"))).await
                && let Ok(Some(text)) = element.prop("textContent").await
            {
                if met(&text) {
                    return text;
                }
                last = text;
            }
            tokio::time::sleep(POLL).await;
        }
        self.shot(&format!("never-{id}")).await;
        panic!("{id} never became so; last {last:?}\n{}", self.page().await);
    }

    /// All the text there is, for messages.
    async fn page(&self) -> String {
        match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Lets the charts fill before a picture is taken; without pictures there is nothing to wait for.
    pub async fn gather(&self) {
        if std::env::var_os("TRIBUTARY_SHOTS").is_some() {
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
    }

    /// Keeps a picture of the window where `TRIBUTARY_SHOTS` says.
    pub async fn shot(&self, name: &str) {
        let Some(folder) = std::env::var_os("TRIBUTARY_SHOTS") else { return };
        // What the page says now is on the screen two frames later.
        let drawn = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))";
        self.client.execute_async(drawn, Vec::new()).await.unwrap();
        let picture = self.client.screenshot().await.unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
    }
}
