//! HTTP by hand over raw sockets, so that a test decides on every byte and when it is sent.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Reads an answer that ended with its connection; nothing when there was none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| line.split_once(':').map(|(n, v)| (n.to_lowercase(), v.trim().to_owned()));
        Some(Self { status, headers: lines.filter_map(header).collect(), body: bytes[end + 4..].to_vec() })
    }

    /// The only header of this name; lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(n, _)| n == name);
        let found = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "{name} is there twice: {self:?}");
        found
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Checks that this is a problem document with this status and code.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["code"], code, "{document}");
        assert_eq!(document["status"], status, "{document}");
        assert_eq!(document["type"], format!("urn:refairn-bridge:problem:{code}"), "{document}");
        for field in ["title", "detail"] {
            assert!(document[field].as_str().is_some_and(|text| text.len() > 5), "{document}");
        }
    }
}

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    chunks: Option<usize>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: vec![], body: vec![], chunks: None }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Sends the body in chunks of so many bytes, its length unannounced.
    pub fn chunked(mut self, bytes: usize) -> Self {
        self.chunks = Some(bytes);
        self
    }

    /// The head, with the length of the body or the announcement of chunks.
    pub fn head(&self, connection: &str) -> Vec<u8> {
        let length = match self.chunks {
            Some(_) => "Transfer-Encoding: chunked".to_owned(),
            None => format!("Content-Length: {}", self.body.len()),
        };
        self.head_with(&format!("Connection: {connection}\r\n{length}\r\n"))
    }

    /// The head, with these lines at its end, whatever they say.
    pub fn head_with(&self, lines: &str) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: bridge.example.com\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("{lines}\r\n").as_bytes());
        bytes
    }

    /// All of it, the last on its connection.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head("close");
        let Some(chunk) = self.chunks else {
            bytes.extend_from_slice(&self.body);
            return bytes;
        };
        for part in self.body.chunks(chunk) {
            bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// Sends it on a connection of its own.
    pub async fn send(&self, to: SocketAddr) -> Reply {
        self.try_send(to).await.unwrap_or_else(|| panic!("no answer to {} {}", self.method, self.path))
    }

    /// The same; nothing when there is no answer.
    pub async fn try_send(&self, to: SocketAddr) -> Option<Reply> {
        self.try_send_over(TcpStream::connect(to).await.ok()?).await
    }

    /// The same from an address of this machine's own, such as 127.0.0.2.
    pub async fn try_send_from(&self, from: IpAddr, to: SocketAddr) -> Option<Reply> {
        self.try_send_over(connect_from(from, to).await.ok()?).await
    }

    async fn try_send_over(&self, mut stream: TcpStream) -> Option<Reply> {
        // The server may have answered, and closed, before it had read everything.
        let _ = stream.write_all(&self.bytes()).await;
        read_answer(&mut stream).await
    }
}

/// Connects from an address of this machine's own; all of 127.0.0.0/8 are on Linux.
async fn connect_from(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(to).await
}

/// A connection on which a test writes what it likes.
pub struct Line(TcpStream);

impl Line {
    pub async fn open(to: SocketAddr) -> Self {
        Self(TcpStream::connect(to).await.expect("connected"))
    }

    /// The same from another address of this machine.
    pub async fn open_from(from: IpAddr, to: SocketAddr) -> Self {
        Self::try_open_from(from, to).await.expect("connected")
    }

    /// The same; nothing when there is no connection.
    pub async fn try_open_from(from: IpAddr, to: SocketAddr) -> Option<Self> {
        connect_from(from, to).await.ok().map(Self)
    }

    /// With room for little that is not read yet.
    pub async fn open_narrow(to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("set");
        Self(socket.connect(to).await.expect("connected"))
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// Says that nothing more will come.
    pub async fn end(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// What comes until the server closes the connection.
    pub async fn answer(mut self) -> Option<Reply> {
        read_answer(&mut self.0).await
    }

    /// Some bytes; none when the server has closed the connection.
    pub async fn some(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        let n = self.0.read(&mut buffer).await.unwrap_or(0);
        buffer[..n].to_vec()
    }

    /// All that comes until the server closes the connection.
    pub async fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset ends it as well.
        let _ = self.0.read_to_end(&mut bytes).await;
        bytes
    }

    /// One answer whose length is announced; the connection stays.
    pub async fn next_answer(&mut self) -> Option<Reply> {
        let mut bytes = Vec::new();
        loop {
            if let Some(reply) = Reply::parse(&bytes) {
                let length: usize = reply.header("content-length")?.parse().ok()?;
                if reply.body.len() >= length {
                    return Some(reply);
                }
            }
            let mut buffer = [0; 4096];
            let n = self.0.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
            bytes.extend_from_slice(&buffer[..n]);
        }
    }
}

/// Every item of a list of the API, through all its pages, the newest first; `get` asks for a path.
pub async fn pages(list: &str, filter: &str, get: impl AsyncFn(&str) -> Value) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("/api/v1/{list}?limit=500&after={after}&{filter}")).await;
        items.extend(page[list].as_array().expect("a list").clone());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return items,
        }
    }
}

async fn read_answer(stream: &mut TcpStream) -> Option<Reply> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    // A reset after an early answer ends it as well.
    while let Some(n) = stream.read(&mut buffer).await.ok().filter(|n| *n > 0) {
        bytes.extend_from_slice(&buffer[..n]);
    }
    Reply::parse(&bytes)
}
