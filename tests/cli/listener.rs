//! Plain sockets: a listener that shows requests as they came, a request without a client, and signatures verified by an
//! implementation that is not ours.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

/// A request as it came.
pub struct Request {
    /// The request line and the headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header that is there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        values.next().filter(|_| values.next().is_none())
    }
}

/// Answers so many requests, all alike.
pub struct Listener {
    pub addr: String,
    thread: JoinHandle<Vec<Request>>,
}

impl Listener {
    pub fn start(requests: usize, status: u16, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            (0..requests).map(|_| serve(listener.accept().unwrap().0, status, answer)).collect()
        });
        Self { addr, thread }
    }

    /// What came.
    pub fn requests(self) -> Vec<Request> {
        self.thread.join().expect("every request came whole")
    }
}

fn serve(mut stream: TcpStream, status: u16, answer: &str) -> Request {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the request broke off");
    }
    let mut request = Request { head, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).unwrap();
    let length = answer.len();
    write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}").unwrap();
    request
}

/// Asks for a path; gives the status and the rest of the answer.
pub fn get(addr: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{bearer}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

/// What the providers' documentation says of signatures, in another language and with another library.
const VERIFY: &str = r#"
import hashlib, hmac, sys, time
provider, secret, header = (arg.encode() for arg in sys.argv[1:4])
body = sys.stdin.buffer.read()
if provider == b"stripe":
    pairs = [part.split(b"=", 1) for part in header.split(b",")]
    time_text, = [value for key, value in pairs if key == b"t"]
    signature, = [value for key, value in pairs if key == b"v1"]
    assert abs(time.time() - int(time_text)) < 60, "signed at another time"
    expected = hmac.new(secret, time_text + b"." + body, hashlib.sha256)
else:
    signature, expected = header, hmac.new(secret, body, hashlib.sha512)
assert signature == expected.hexdigest().encode(), "another signature"
"#;

/// Verifies a request's signature.
pub fn verify(provider: &str, secret: &str, request: &Request) {
    let name = if provider == "stripe" { "Stripe-Signature" } else { "X-Paystack-Signature" };
    let header = request.header(name).unwrap_or_else(|| panic!("no {name} in:\n{}", request.head));
    let mut command = Command::new("python3");
    let mut python =
        command.args(["-c", VERIFY, provider, secret, header]).stdin(Stdio::piped()).spawn().expect("python3");
    python.stdin.take().unwrap().write_all(&request.body).unwrap();
    assert!(python.wait().unwrap().success(), "{header}");
}
