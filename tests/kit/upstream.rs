//! An upstream of raw sockets: it keeps every byte it is sent, says whatever a test wants, and notes how many calls for
//! one customer were under way at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use refairn_bridge::tasks::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the answer to a call is: these bytes, after so long, and what follows them.
pub struct Say {
    bytes: Vec<u8>,
    gate: Option<watch::Receiver<bool>>,
    by: Duration,
    then: Then,
}

/// What follows the bytes of an answer.
#[derive(Clone)]
enum Then {
    /// The next call on the connection.
    Next,
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
    /// Nothing, ever.
    Silence,
    /// These bytes again and again, so long apart.
    Again(Vec<u8>, Duration),
}

impl Say {
    /// These very bytes.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), gate: None, by: Duration::ZERO, then: Then::Next }
    }

    /// An answer of Refairn's.
    pub fn answer(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::bytes(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}"))
    }

    /// Refairn's word that it recorded the call.
    pub fn success() -> Self {
        Self::answer(
            200,
            "Content-Type: application/json\r\n",
            r#"{"success":true,"leadId":"lead_1","agentId":"agent_1"}"#,
        )
    }

    /// The same after so long.
    pub fn late(self, by: Duration) -> Self {
        Self { by, ..self }
    }

    /// The same, once the gate is open.
    pub fn behind(self, gate: &watch::Sender<bool>) -> Self {
        Self { gate: Some(gate.subscribe()), ..self }
    }

    /// The same, and the connection is closed.
    pub fn then_close(self) -> Self {
        Self { then: Then::Close, ..self }
    }

    /// The same, and the connection is reset.
    pub fn then_reset(self) -> Self {
        Self { then: Then::Reset, ..self }
    }

    /// The same, and nothing more: the connection stays open.
    pub fn then_silence(self) -> Self {
        Self { then: Then::Silence, ..self }
    }

    /// The same, and these bytes without end, so long apart.
    pub fn then_again(self, bytes: impl AsRef<[u8]>, every: Duration) -> Self {
        Self { then: Then::Again(bytes.as_ref().to_vec(), every), ..self }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub head: String,
    pub body: String,
}

impl Seen {
    /// Whom a call is about; nobody where it is no call to Refairn.
    pub fn email(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("a JSON body");
        body["customerEmail"].as_str().unwrap_or_default().to_lowercase()
    }
}

#[derive(Default)]
struct Notes {
    seen: Vec<Seen>,
    connections: usize,
    repeated_bytes: usize,
    under_way: BTreeMap<String, usize>,
    most_for_one: usize,
    most_in_all: usize,
}

type Answer = dyn Fn(&Seen) -> Say + Send + Sync;

/// A listening upstream; it ends with the test's runtime.
pub struct Upstream {
    pub addr: SocketAddr,
    notes: Arc<Mutex<Notes>>,
}

impl Upstream {
    pub async fn start(answer: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.expect("bound"), answer)
    }

    pub fn listen(listener: TcpListener, answer: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Self {
        let addr = listener.local_addr().expect("an address");
        let notes: Arc<Mutex<Notes>> = Arc::default();
        let (tasks, answer, shared) = (Tasks::new(), Arc::new(answer) as Arc<Answer>, notes.clone());
        let each = tasks.clone();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                shared.lock().expect("unpoisoned").connections += 1;
                let (answer, notes) = (answer.clone(), shared.clone());
                each.spawn(async move {
                    if let Ok(Then::Reset) = converse(&mut stream, &*answer, &notes).await {
                        stream.set_zero_linger().expect("a socket");
                    }
                });
            }
        });
        Self { addr, notes }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Every request, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.notes.lock().expect("unpoisoned").seen.clone()
    }

    pub fn connections(&self) -> usize {
        self.notes.lock().expect("unpoisoned").connections
    }

    /// How many bytes the answers without end had before their connections were closed.
    pub fn repeated_bytes(&self) -> usize {
        self.notes.lock().expect("unpoisoned").repeated_bytes
    }

    /// The most calls that were under way at once: for one customer, and in all.
    pub fn most_at_once(&self) -> (usize, usize) {
        let notes = self.notes.lock().expect("unpoisoned");
        (notes.most_for_one, notes.most_in_all)
    }
}

/// Answers call after call, until something else is said or the other side has gone.
async fn converse<S>(stream: &mut S, answer: &Answer, notes: &Mutex<Notes>) -> std::io::Result<Then>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::new();
    while let Some(seen) = request(stream, &mut bytes).await? {
        let email = seen.email();
        note(notes, |n| {
            n.seen.push(seen.clone());
            let own = n.under_way.entry(email.clone()).or_default();
            *own += 1;
            n.most_for_one = n.most_for_one.max(*own);
            n.most_in_all = n.most_in_all.max(n.under_way.values().sum());
        });
        let Say { bytes: said, gate, by, then } = answer(&seen);
        if let Some(mut gate) = gate {
            // A gate that is gone is open.
            let _ = gate.wait_for(|open| *open).await;
        }
        tokio::time::sleep(by).await;
        note(notes, |n| *n.under_way.entry(email).or_default() -= 1);
        stream.write_all(&said).await?;
        stream.flush().await?;
        match then {
            Then::Next => {}
            Then::Close | Then::Reset => return Ok(then),
            // Until the other side closes.
            Then::Silence => while stream.read(&mut [0; 1024]).await? > 0 {},
            Then::Again(again, every) => loop {
                tokio::time::sleep(every).await;
                stream.write_all(&again).await?;
                stream.flush().await?;
                note(notes, |n| n.repeated_bytes += again.len());
            },
        }
    }
    Ok(Then::Close)
}

fn note(notes: &Mutex<Notes>, change: impl FnOnce(&mut Notes)) {
    change(&mut notes.lock().expect("unpoisoned"));
}

/// The next request, its body by its announced length.
async fn request<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut Vec<u8>) -> std::io::Result<Option<Seen>> {
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
            let length: usize = length.and_then(|l| l.trim().parse().ok()).expect("a length");
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                bytes.drain(..end + 4 + length);
                return Ok(Some(Seen { head, body }));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await? {
            0 => return Ok(None),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}
