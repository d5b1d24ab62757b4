//! A shop's pages over HTTP, and stand-ins for the providers' hosts over TLS. All that they are asked for is noted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::kit::place::{package, scratch};

/// What Stripe's pricing table does at the worst: it reads its attributes once, when it comes into the page.
const READS_ONCE: &str = "window.tables = [];
for (const tag of ['stripe-pricing-table', 'stripe-buy-button']) customElements.define(tag, class extends HTMLElement {
  connectedCallback() { window.tables.push(this.id + ':' + this.getAttribute('client-reference-id')); }
});";
/// Stripe's library, as far as a page waits for it.
const STRIPE_JS: &str = "window.Stripe = function () { return { elements() {} }; }; window.Stripe.version = 'x';";
/// Paystack's checkout: hands on what it is told by the page around it.
const CHECKOUT: &str = "<!doctype html><script>addEventListener('message', (event) => \
    fetch('/told', { method: 'POST', body: JSON.stringify(event.data) })); \
    parent.postMessage({ event: 'loaded:checkout' }, '*')</script>";
/// What Paystack answers to a transaction that is made by fetch.
const TRANSACTION: &str =
    r#"{"status":true,"message":"ok","data":{"access_code":"ac_1","id":7,"merchant_id":1,"channels":["card"]}}"#;
/// Keeps what is said in the console, and what a policy blocks, where tests can read it.
const HOOK: &str = "window.said = []; console.info = (words) => said.push(words); window.blocked = [];
document.addEventListener('securitypolicyviolation', (event) => blocked.push(event.blockedURI + ' ' + event.effectiveDirective));";

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub host: String,
    /// With the query.
    pub path: String,
    pub body: String,
}

/// A page, and its policy of contents.
#[derive(Debug, Clone)]
struct Page {
    text: String,
    policy: String,
}

#[derive(Debug, Default)]
struct Noted {
    pages: BTreeMap<String, Page>,
    asked: Vec<Asked>,
}

/// The servers. They end with the test's process.
pub struct Site {
    noted: Arc<Mutex<Noted>>,
    plain: SocketAddr,
    secure: SocketAddr,
}

impl Site {
    pub fn open() -> Self {
        let noted: Arc<Mutex<Noted>> = Arc::default();
        let folder = scratch();
        let tls = Arc::new(tls(folder.path()));
        let plain = listen(noted.clone(), answer);
        let secure = listen(noted.clone(), move |stream, noted| {
            let connection = ServerConnection::new(tls.clone()).map_err(std::io::Error::other)?;
            answer(StreamOwned::new(connection, stream), noted)
        });
        Self { noted, plain, secure }
    }

    /// Arguments by which a browser takes the stand-ins for the providers.
    pub fn arguments(&self) -> Vec<String> {
        let hosts = ["*.stripe.com", "*.paystack.com", "*.paystack.co", "*.cdn-apple.com"];
        let rules: Vec<String> = hosts.iter().map(|host| format!("MAP {host} {}", self.secure)).collect();
        vec![format!("--host-resolver-rules={}", rules.join(", ")), "--ignore-certificate-errors".to_owned()]
    }

    /// Where the shop's pages are.
    pub fn url(&self) -> String {
        format!("http://{}", self.plain)
    }

    /// Puts up a page with this head and body.
    pub fn page(&self, path: &str, head: &str, body: &str, policy: &str) {
        let head = format!("<meta charset=utf-8><script src=/hook.js></script>{head}");
        let text = format!("<!doctype html><html><head>{head}</head><body>{body}</body></html>");
        self.text(path, &text, policy);
    }

    /// Puts up this very text.
    pub fn text(&self, path: &str, text: &str, policy: &str) {
        let page = Page { text: text.to_owned(), policy: policy.to_owned() };
        self.noted.lock().expect("unpoisoned").pages.insert(path.to_owned(), page);
    }

    /// Puts up a program, bundled with the packages that it imports, as a shop's own tools do.
    pub fn bundle(&self, path: &str, program: &str) {
        let folder = scratch();
        let source = folder.path().join("shop.jsx");
        std::fs::write(&source, program).expect("written");
        let packages = package("esbuild");
        let packages = packages.parent().expect("the packages' folder");
        let mut command = Command::new("node");
        command.arg(package("esbuild/bin/esbuild")).arg(&source).args(["--bundle", "--format=iife", "--jsx=automatic"]);
        command.arg("--define:process.env.NODE_ENV=\"production\"").env("NODE_PATH", packages);
        let made = command.output().expect("node: npm brings it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.text(path, &String::from_utf8(made.stdout).expect("a text"), "");
    }

    /// What was asked of a host so far; the name of a host of several may be cut at its beginning.
    pub fn asked(&self, host: &str) -> Vec<Asked> {
        let asked = &self.noted.lock().expect("unpoisoned").asked;
        asked.iter().filter(|asked| asked.host.ends_with(host)).cloned().collect()
    }

    /// Forgets what was asked for.
    pub fn forget(&self) {
        self.noted.lock().expect("unpoisoned").asked.clear();
    }
}

/// Takes connections, each on a thread.
fn listen(
    noted: Arc<Mutex<Noted>>,
    serve: impl Fn(TcpStream, &Mutex<Noted>) -> std::io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (noted, serve) = (noted.clone(), serve.clone());
            // A browser goes away when it likes.
            std::thread::spawn(move || serve(stream.expect("a connection"), &noted));
        }
    });
    address
}

/// A certificate that nobody vouches for.
fn tls(folder: &Path) -> ServerConfig {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=stand-in", "-keyout", "key.pem", "-out", "own.pem"]).current_dir(folder);
    assert!(command.output().expect("openssl").status.success());
    let chain = CertificateDer::from_pem_file(folder.join("own.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    config.with_no_client_auth().with_single_cert(vec![chain], key).expect("it fits")
}

/// Reads one request and answers it.
fn answer(stream: impl Read + Write, noted: &Mutex<Noted>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let Some((method, asked)) = request(&mut reader)? else { return Ok(()) };
    let (kind, text, policy) = content(&asked, noted);
    if method != "OPTIONS" {
        noted.lock().expect("unpoisoned").asked.push(asked);
    }
    let policy = if policy.is_empty() { policy } else { format!("Content-Security-Policy: {policy}\r\n") };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n{policy}\
         Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: *\r\n\r\n",
        text.len()
    );
    let stream = reader.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

fn request(reader: &mut impl BufRead) -> std::io::Result<Option<(String, Asked)>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let (mut host, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "host" => value.clone_into(&mut host),
            "content-length" => length = value.parse().expect("a length"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((method, Asked { host, path, body: String::from_utf8_lossy(&body).into_owned() })))
}

/// The type, the text and the policy of what is asked for.
fn content(asked: &Asked, noted: &Mutex<Noted>) -> (&'static str, String, String) {
    const SCRIPT: &str = "text/javascript";
    const HTML: &str = "text/html";
    let path = asked.path.split('?').next().unwrap_or_default();
    let made = |kind, text: &str| (kind, text.to_owned(), String::new());
    match (asked.host.as_str(), path) {
        ("js.stripe.com", "/v3/pricing-table.js" | "/v3/buy-button.js") => made(SCRIPT, READS_ONCE),
        ("js.stripe.com", _) => made(SCRIPT, STRIPE_JS),
        ("js.paystack.co", "/v2/inline.js") => {
            let real = package("@paystack/inline-js/dist/inline.js");
            made(SCRIPT, &std::fs::read_to_string(real).expect("a text"))
        }
        ("checkout.paystack.com", _) => made(HTML, CHECKOUT),
        ("api.paystack.co", _) => made("application/json", TRANSACTION),
        ("buy.stripe.com", _) => made(HTML, "<!doctype html>Pay"),
        (_, "/hook.js") => made(SCRIPT, HOOK),
        _ => {
            let pages = &noted.lock().expect("unpoisoned").pages;
            let Some(Page { text, policy }) = pages.get(path) else { return made("text/plain", "") };
            let kind = if Path::new(path).extension().is_some_and(|end| end == "js") { SCRIPT } else { HTML };
            (kind, text.clone(), policy.clone())
        }
    }
}
