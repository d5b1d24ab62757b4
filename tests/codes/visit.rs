//! Somebody who comes to the shop: with a browser, perhaps with a code.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chromium::Chromium;
use crate::kit::world::World;
use crate::site::Site;

/// What has not come by then never will.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A browser in front of a shop whose pages load the bridge's script.
pub struct Visit {
    pub world: World,
    pub site: Site,
    pub browser: Chromium,
}

impl Visit {
    pub async fn begin() -> Self {
        let (world, site) = (World::new().await, Site::open());
        let browser = Chromium::start_with(true, &site.arguments()).await;
        Self { world, site, browser }
    }

    /// The line that the Set-up page shows, with the bridge's address; `more` stands in it too.
    pub fn line(&self, more: &str) -> String {
        format!("<script src=\"http://{}/refairn.js\" {more}></script>", self.world.addr())
    }

    /// Opens a page of the shop, and waits until its scripts are there. The driver's own wait can end early, when a frame
    /// of the page before was still loading.
    pub async fn go(&self, path: &str) {
        self.run("window.left = true").await;
        self.browser.client.goto(&format!("{}{path}", self.site.url())).await.expect("a page");
        crate::kit::until(&format!("{path} has loaded"), async || {
            let there = "return document.readyState === 'complete' && !window.left";
            (self.browser.client.execute(there, vec![]).await.ok()? == true).then_some(())
        })
        .await;
    }

    /// Puts up a page that loads the script at once, and opens it.
    pub async fn page(&self, query: &str, body: &str) {
        self.site.page("/shop", &self.line(""), body, "");
        self.go(&format!("/shop{query}")).await;
    }

    /// Sets the cookie of Refairn's tracking link for the shop.
    pub async fn cookie(&self, value: &str) {
        let cookie = json!({ "name": "refairn_code", "value": value, "url": self.site.url(), "sameSite": "Lax" });
        self.browser.cdp("Network.setCookie", cookie).await;
    }

    /// Forgets everything, as a new visitor's browser.
    pub async fn anew(&self) {
        self.browser.cdp("Network.clearBrowserCookies", json!({})).await;
        let all = json!({ "origin": self.site.url(), "storageTypes": "local_storage" });
        self.browser.cdp("Storage.clearDataForOrigin", all).await;
        self.site.forget();
    }

    pub async fn run(&self, script: &str) -> Value {
        self.browser.run(script).await
    }

    /// Waits until a script on the page gives this.
    pub async fn gives(&self, script: &str, expected: Value) {
        let mut found = Value::Null;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            found = self.run(script).await;
            if found == expected {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("{script} gives {found} and not {expected}");
    }

    /// What the script said in the console of this page.
    pub async fn said(&self) -> String {
        self.run("return window.said.join('\\n')").await.as_str().expect("a text").to_owned()
    }

    /// Waits until a host was asked for something with this text in it, decoded.
    pub async fn hears(&self, host: &str, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(heard) = self.heard(host).into_iter().find(|heard| heard.contains(text)) {
                return heard;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("{host} never hears {text}, but {:#?}", self.heard(host));
    }

    /// All that a host was asked, decoded.
    pub fn heard(&self, host: &str) -> Vec<String> {
        let decoded = |text: &str| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text).decode_utf8_lossy().replace('\\', "")
        };
        self.site.asked(host).iter().map(|asked| decoded(&format!("{} {}", asked.path, asked.body))).collect()
    }

    pub async fn end(self) {
        self.browser.end().await;
        self.world.end().await;
    }
}
