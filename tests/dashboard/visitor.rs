//! Somebody at a browser without script: keeps the cookie, follows no redirect by itself, sends the forms of pages.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::kit::wire::{Reply, Request};
use crate::kit::world::World;

/// Somebody who is signed in.
pub struct Visitor<'a> {
    pub world: &'a World,
    pub cookie: String,
}

/// A form's fields as a browser writes them.
pub fn encode(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// A form as it is sent.
pub fn form(path: &str, fields: &[(&str, &str)]) -> Request {
    Request::new("POST", path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(encode(fields).as_bytes())
}

/// Signs in with this token.
pub async fn sign_in(world: &World, token: &str, back: &str) -> Reply {
    form("/sign-in", &[("token", token), ("back", back)]).send(world.addr()).await
}

/// The cookie that an answer sets, `name=value`, and its attributes.
pub fn set_cookie(reply: &Reply) -> (String, Vec<String>) {
    let line = reply.header("set-cookie").expect("a cookie");
    let mut parts = line.split("; ").map(str::to_owned);
    (parts.next().expect("a value"), parts.collect())
}

impl<'a> Visitor<'a> {
    pub async fn enter(world: &'a World) -> Self {
        let reply = sign_in(world, &format!("admin-token-of-world-{}", world.n), "/").await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        Self { world, cookie: set_cookie(&reply).0 }
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, path).header("Cookie", &self.cookie)
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request("GET", path).send(self.world.addr()).await
    }

    /// The text of a page that is there.
    pub async fn page(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.text()
    }

    /// Sends a form with this session's cookie.
    pub async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        form(path, fields).header("Cookie", &self.cookie).send(self.world.addr()).await
    }

    /// Presses the button whose form is sent to `path`, on `page`.
    pub async fn press(&self, page: &str, path: &str) -> Reply {
        let text = self.page(page).await;
        let form =
            text.split("<form ").find(|form| form.contains(&format!("formaction=\"{path}\""))).expect("the form");
        let value = |name: &str| {
            let after = form.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("a field");
            after.split('"').next().expect("a value").replace("&#38;", "&")
        };
        let note = if form.contains("name=\"note\"") { "as it should be" } else { "" };
        self.send(path, &[("csrf", &value("csrf")), ("back", &value("back")), ("note", note)]).await
    }

    /// What every form of this session carries.
    pub async fn csrf(&self) -> String {
        let text = self.page("/").await;
        text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token").to_owned()
    }
}
