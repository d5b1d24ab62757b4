//! Refairn over TLS: who cannot prove to be Refairn is not told anything, and never sees the key.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::kit::place::scratch;
use crate::kit::process::Process;
use crate::kit::samples::Sale;
use crate::kit::until;

/// Makes an authority, and certificates of it: a good one, one that ran out, one of another name; and one
/// that vouches for itself.
const CERTIFICATES: &str = r#"
set -e
key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
openssl req -x509 $key -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
openssl req $key -subj /CN=server -keyout server.key -out server.csr
printf '[ca]\ndefault_ca=x\n[x]\nnew_certs_dir=.\ndatabase=index\nserial=serial\nunique_subject=no\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' >ca.conf
: >index
echo 01 >serial
sign() {
    printf 'subjectAltName=DNS:%s\nbasicConstraints=CA:FALSE\n' "$2" >"$1.ext"
    openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in server.csr -notext -extfile "$1.ext" \
        -startdate 20200101000000Z -enddate "$3" -out "$1.pem"
}
sign good localhost 21000101000000Z
sign expired localhost 20210101000000Z
sign other refairn.example.com 21000101000000Z
openssl req -x509 -key server.key -days 2 -subj /CN=localhost -out own.pem \
    -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE
"#;

const SUCCESS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\":true}";

/// A server with a certificate, on a thread that ends with the test's process.
struct Server {
    url: String,
    calls: Arc<AtomicUsize>,
    protocols: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
}

impl Server {
    fn start(folder: &Path, certificate: &str) -> Self {
        let chain = CertificateDer::from_pem_file(folder.join(certificate)).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config =
            config.expect("versions").with_no_client_auth().with_single_cert(vec![chain], key).expect("fits");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let server = Self { url, calls: Arc::default(), protocols: Arc::default() };
        let (calls, protocols, config) = (server.calls.clone(), server.protocols.clone(), Arc::new(config));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Who does not trust us goes away in the middle of it.
                let _ = serve(stream.expect("a connection"), &config, &calls, &protocols);
            }
        });
        server
    }
}

fn serve(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    calls: &AtomicUsize,
    protocols: &Mutex<Vec<Option<Vec<u8>>>>,
) -> std::io::Result<()> {
    let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..n]);
    }
    calls.fetch_add(1, Ordering::SeqCst);
    protocols.lock().expect("unpoisoned").push(stream.conn.alpn_protocol().map(<[u8]>::to_vec));
    stream.write_all(SUCCESS.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_goes_to_nobody_without_a_good_certificate() {
    let folder = scratch();
    let log = File::create(folder.path().join("openssl.log")).expect("a log");
    let made = Command::new("bash").args(["-c", CERTIFICATES]).current_dir(folder.path()).stderr(log).status();
    let log = std::fs::read_to_string(folder.path().join("openssl.log")).expect("a log");
    assert!(made.expect("bash").success(), "{log}");
    let authority = folder.path().join("ca.pem").display().to_string();
    for (certificate, words) in [
        ("good.pem", None),
        ("expired.pem", Some("expired")),
        ("other.pem", Some("not valid for name")),
        ("own.pem", Some("UnknownIssuer")),
    ] {
        let server = Server::start(folder.path(), certificate);
        let mut process = Process::new(&[("REFAIRN_BASE_URL", &server.url), ("SSL_CERT_FILE", &authority)]);
        process.start().await;
        let sale = Sale::new("s1", "ada@example.com", Clock::system().now()).event().to_string();
        process.post(Stripe, sale.as_bytes()).await.expect("recorded");
        let delivery = until("the call has been tried", async || {
            let delivery = process.all("deliveries").await.pop()?;
            let tried = delivery["attempts"].as_u64() >= Some(1) && delivery["state"] != "sending";
            tried.then_some(delivery)
        })
        .await;
        let calls = server.calls.load(Ordering::SeqCst);
        match words {
            None => {
                assert_eq!((&delivery["state"], calls), (&"delivered".into(), 1), "{delivery}");
                let protocols = server.protocols.lock().expect("unpoisoned").clone();
                assert!(protocols.iter().all(|p| p.as_deref() != Some(b"h2")), "a connection shared by calls");
            }
            Some(words) => {
                assert_eq!((&delivery["reason"], calls), (&"retrying".into(), 0), "{certificate}: {delivery}");
                let explanation = delivery["explanation"].as_str().expect("an explanation");
                assert!(explanation.contains("cannot connect") && explanation.contains(words), "{explanation}");
            }
        }
        process.end().await;
    }
}
