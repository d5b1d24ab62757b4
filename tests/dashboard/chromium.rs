//! A real Chromium without a window, driven over WebDriver, with a driver and a profile of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::kit::place::scratch;
use crate::kit::world::World;

/// A browser; it ends with this.
pub struct Chromium {
    pub client: Client,
    driver: Child,
    // It goes last.
    _profile: TempDir,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver ends its browser when it is told to end; what is left of it would only be in the way.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// A command of Chromium's own.
#[derive(Debug)]
struct Cdp(&'static str, Value);

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

/// How often a driver is started that finds the port it chose taken by another program.
const STARTS_MAX: usize = 5;

/// Starts the driver; gives where it listens.
fn driver() -> (Child, u16) {
    for _ in 0..STARTS_MAX {
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().expect("chromedriver: ./test installs it");
        if let Some(port) = port(&mut driver) {
            return (driver, port);
        }
        driver.wait().expect("it has ended");
    }
    panic!("chromedriver does not start");
}

/// Where the driver listens, as it says itself; nothing if it ends first.
fn port(driver: &mut Child) -> Option<u16> {
    let said = BufReader::new(driver.stdout.take().expect("its output"));
    let mut lines = said.lines().map(|line| line.expect("a line"));
    let line = lines.find(|line| line.contains("started successfully on port"))?;
    let digits = line.rsplit("port ").next().expect("a port");
    let port = digits.trim_end_matches('.').parse().expect("a number");
    // Nobody reads on: it must not stop because of that.
    std::thread::spawn(move || lines.for_each(drop));
    Some(port)
}

impl Chromium {
    /// Starts one. `script` says whether pages may run their scripts.
    pub async fn start(script: bool) -> Self {
        Self::start_with(script, &[]).await
    }

    /// The same, with further arguments.
    pub async fn start_with(script: bool, more: &[String]) -> Self {
        let profile = scratch();
        let (driver, port) = driver();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--window-size=1440,900".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        arguments.extend_from_slice(more);
        let preferences = json!({ "profile.managed_default_content_settings.javascript": if script { 1 } else { 2 } });
        let options = json!({ "args": arguments, "prefs": preferences });
        let capabilities = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object") };
        let mut client = ClientBuilder::new(HttpConnector::new());
        let client =
            client.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await.expect("a browser");
        Self { client, driver, _profile: profile }
    }

    /// Ends it in good order.
    pub async fn end(self) {
        self.client.clone().close().await.expect("it closes");
    }

    pub async fn cdp(&self, command: &'static str, parameters: Value) {
        self.client.issue_cmd(Cdp(command, parameters)).await.expect("done");
    }

    /// Shows pages as a screen of this width does, in light or dark.
    pub async fn screen(&self, width: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = json!({ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } });
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": [scheme] })).await;
    }

    pub async fn go(&self, world: &World, path: &str) {
        self.client.goto(&format!("http://{}{path}", world.app().admin_addr())).await.expect("a page");
    }

    /// What the browser's line of addresses shows, from the path on.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.expect("an address");
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    /// All that a person reads on the page.
    pub async fn text(&self) -> String {
        self.with("body", async |body| body.text().await).await
    }

    pub async fn click(&self, css: &str) {
        self.with(css, async |element| element.click().await).await;
    }

    pub async fn write(&self, css: &str, text: &str) {
        self.with(css, async |element| element.send_keys(text).await).await;
    }

    /// Does something with an element. The page brings itself up to date: what was found a moment ago may be another one now.
    async fn with<T>(&self, css: &str, act: impl AsyncFn(Element) -> Result<T, CmdError>) -> T {
        crate::kit::until(&format!("{css} stays as long as it is needed"), async || {
            match act(self.client.find(Locator::Css(css)).await.expect(css)).await {
                Err(error) if error.is_stale_element_reference() => None,
                done => Some(done.expect(css)),
            }
        })
        .await
    }

    /// What a script on the page gives.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.expect("run")
    }

    /// Waits until the page says `words`.
    pub async fn reads(&self, words: &str) {
        crate::kit::until(&format!("the page says {words:?}"), async || {
            // Between two pages there is none.
            let body = self.client.find(Locator::Css("body")).await.ok()?;
            body.text().await.ok()?.contains(words).then_some(())
        })
        .await;
    }

    /// Signs in by the form.
    pub async fn sign_in(&self, world: &World) {
        self.go(world, "/sign-in").await;
        self.write("#token", &format!("admin-token-of-world-{}", world.n)).await;
        self.click("button.first").await;
        self.reads("Sign out").await;
    }
}
