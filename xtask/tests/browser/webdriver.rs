//! A real browser, told what to do over WebDriver: JSON over HTTP to a chromedriver of
//! its own.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// How long a page may take to show what is waited for: the longest is a server that
/// gives up on a Redis that is gone.
const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What a person sees of a page.
const LOOK: &str = "return {
    address: location.href,
    text: document.body ? document.body.innerText : '',
    buttons: Array.from(document.querySelectorAll('button'), (it) => it.textContent),
    fields: Array.from(document.querySelectorAll('input'), (it) => it.name),
};";

/// The programs, if this machine has them.
#[derive(Clone)]
pub struct Programs {
    browser: PathBuf,
    driver: PathBuf,
}

impl Programs {
    /// `CHROMIUM` and `CHROMEDRIVER`, else what is on PATH under the usual names.
    pub fn of_environment() -> Option<Self> {
        let given = |name: &str| std::env::var_os(name).filter(|it: &OsString| !it.is_empty());
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let on_path = |name: &str| {
            std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
        };
        let browsers = ["chromium", "chromium-browser", "google-chrome"];
        Some(Self {
            browser: given("CHROMIUM").map(Into::into).or_else(|| browsers.into_iter().find_map(on_path))?,
            driver: given("CHROMEDRIVER").map(Into::into).or_else(|| on_path("chromedriver"))?,
        })
    }
}

/// What is on the screen.
#[derive(Clone, Debug, Deserialize)]
pub struct Sight {
    #[allow(dead_code, reason = "said when a test fails")]
    address: String,
    pub text: String,
    pub buttons: Vec<String>,
    pub fields: Vec<String>,
}

impl Sight {
    /// Whether these words can be read, wherever the lines break.
    pub fn says(&self, words: &str) -> bool {
        spaced(&self.text).contains(&spaced(words))
    }
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// For a picture's name.
    pub name: &'static str,
    pub width: u32,
    pub height: u32,
    /// `light` or `dark`.
    pub scheme: &'static str,
    pub print: bool,
}

/// The chromedriver. Dropping it ends it.
struct Driver(Child);

/// A browser. Dropping it closes it.
pub struct Browser {
    runtime: Runtime,
    client: reqwest::Client,
    session: String,
    _driver: Driver,
}

impl Browser {
    /// Opens one that is told this, besides what it needs to be without a screen.
    pub fn open(programs: &Programs, told: &[String]) -> Self {
        // Now and then one ends without having named a port.
        let (driver, port) = (0..3)
            .find_map(|_| Driver::start(&programs.driver))
            .unwrap_or_else(|| panic!("{} names no port", programs.driver.display()));
        // Another test of this process may have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut browser = Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            client: reqwest::Client::builder().no_proxy().timeout(2 * LIMIT).build().unwrap(),
            session: format!("http://127.0.0.1:{port}/session"),
            _driver: driver,
        };
        // It is shown the lab's pages only, and root has no sandbox to offer.
        let own = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"].map(str::to_owned);
        let args: Vec<String> = own.into_iter().chain(told.iter().cloned()).collect();
        let capabilities = json!({"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": programs.browser, "args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        }});
        let session = browser.ask("", &json!({"capabilities": capabilities})).unwrap();
        browser.session = format!("{}/{}", browser.session, session["sessionId"].as_str().unwrap());
        browser
    }

    /// Types an address, and again as long as only the lab's ingress answers: a server that
    /// restarts lets open requests end first. That the browser has only an error page of its
    /// own to show is for whoever looks.
    #[track_caller]
    pub fn go(&self, address: &str) {
        let until = Instant::now() + LIMIT;
        loop {
            let _shown = self.ask("/url", &json!({"url": address}));
            let sight = self.look();
            if !sight.as_ref().is_ok_and(|sight| sight.says("oidc-lab-ingress")) {
                return;
            }
            assert!(Instant::now() < until, "{address} has no server for {LIMIT:?}: {sight:#?}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Clicks on the button or link that begins with these words.
    pub fn click(&self, words: &str) {
        let button = format!("//*[self::button or self::a][starts-with(normalize-space(.), '{words}')]");
        self.on("xpath", &button, "click", &json!({}));
    }

    /// Types into a field of a form.
    pub fn fill(&self, field: &str, text: &str) {
        self.on("css selector", &format!("input[name='{field}']"), "value", &json!({"text": text}));
    }

    /// Sends the form.
    pub fn submit(&self) {
        self.on("css selector", "button[type='submit']", "click", &json!({}));
    }

    /// Looks until what is waited for is there.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, seen: impl Fn(&Sight) -> Option<T>) -> T {
        let until = Instant::now() + LIMIT;
        loop {
            let sight = self.look();
            if let Some(found) = sight.as_ref().ok().and_then(&seen) {
                return found;
            }
            assert!(Instant::now() < until, "no {what} within {LIMIT:?}, but {sight:#?}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Shows the page as on another screen, or on paper.
    pub fn view(&self, view: &View) {
        let View { width, height, scheme, print, .. } = *view;
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
        let scheme = json!({"name": "prefers-color-scheme", "value": scheme});
        let medium = if print { "print" } else { "" };
        self.devtools("Emulation.setEmulatedMedia", &json!({"media": medium, "features": [scheme]}));
    }

    /// What the browser's console has said of errors since it was asked last.
    pub fn errors(&self) -> Vec<String> {
        let said = self.ask("/se/log", &json!({"type": "browser"})).unwrap();
        let said = said.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        said.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// What a script gives that calls the last of its arguments with it.
    pub fn run(&self, script: &str, args: &[Value]) -> Value {
        self.ask("/execute/async", &json!({"script": script, "args": args})).unwrap()
    }

    /// The whole page as a picture, in a file; `height` is the most of it.
    pub fn picture(&self, file: &Path, height: Option<u32>) {
        let more = match height {
            Some(height) => {
                let width = self.ask("/execute/sync", &json!({"script": "return innerWidth", "args": []}));
                json!({"clip": {"x": 0, "y": 0, "width": width.unwrap(), "height": height, "scale": 1}})
            }
            None => json!({"captureBeyondViewport": true}),
        };
        let picture = self.devtools("Page.captureScreenshot", &more);
        let picture = BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, picture).unwrap();
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("/goog/cdp/execute", &json!({"cmd": command, "params": parameters})).unwrap()
    }

    /// What is shown now; an error between two pages.
    pub fn look(&self) -> Result<Sight, Value> {
        let seen = self.ask("/execute/sync", &json!({"script": LOOK, "args": []}))?;
        Ok(serde_json::from_value(seen).unwrap())
    }

    #[track_caller]
    fn on(&self, using: &str, value: &str, act: &str, body: &Value) {
        let found = self.ask("/element", &json!({"using": using, "value": value}));
        let found = found.unwrap_or_else(|error| panic!("{value}: {error:#}"));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        let acted = self.ask(&format!("/element/{id}/{act}"), body);
        acted.unwrap_or_else(|error| panic!("{act} on {value}: {error:#}"));
    }

    /// One command: the value that is answered, or the error.
    fn ask(&self, path: &str, body: &Value) -> Result<Value, Value> {
        let request = self.client.post(format!("{}{path}", self.session)).body(body.to_string());
        let (status, text) = self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            (response.status(), response.text().await.unwrap())
        });
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        let value = answer["value"].take();
        if status.is_success() { Ok(value) } else { Err(value) }
    }
}

impl Driver {
    /// Starts one on a free port, which it names.
    fn start(program: &Path) -> Option<(Self, u16)> {
        let mut driver = Command::new(program);
        driver.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = Self(driver.spawn().unwrap());
        let mut said = BufReader::new(driver.0.stdout.take().unwrap()).lines();
        let port = said.find_map(|line| {
            line.unwrap().split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        Some((driver, port?))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        let _closed = self.runtime.block_on(async { self.client.delete(&self.session).send().await });
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
