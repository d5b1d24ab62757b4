//! A sandbox that runs, and a client over raw sockets that sees every byte of an answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use jiff::civil::date;

use super::super::{Book, Fault, Sandbox, Today, start};

pub(super) const CUSTOMER: &str = r#"{"businessId":"biz_demo","productId":"prod_demo","customerEmail":"kemi@example.com","customerName":"Kemi Sample","referralCode":"ADA10"}"#;
pub(super) const PAYMENT: &str = r#"{"businessId":"biz_demo","productId":"prod_demo","customerEmail":"kemi@example.com","amount":29.99,"currency":"USD","subscriptionStatus":"active","paymentDate":"2026-06-14"}"#;
pub(super) const PAY: &str = "/api/events/payment-succeeded";
pub(super) const TELL: &str = "/api/events/customer-created";

/// A sandbox on a port of its own, in a thread of its own, gone with the test.
pub(super) struct Running {
    pub(super) sandbox: Sandbox,
    addr: SocketAddr,
    handle: ServerHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Stopping does not wait: the message is sent when the call is made.
        drop(self.handle.stop(false));
    }
}

impl Running {
    pub(super) fn new(book: Book) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let sandbox = Sandbox::new(book);
        let (send, receive) = std::sync::mpsc::channel();
        let shared = sandbox.clone();
        std::thread::spawn(move || {
            let today: Today = Arc::new(|| date(2026, 6, 15));
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let server = start(listener, shared, today, 1).unwrap();
                send.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { sandbox, addr, handle: receive.recv().unwrap() }
    }

    pub(super) fn demo() -> Self {
        Self::new(Book::demo())
    }

    pub(super) fn faulty(fault: &str) -> Self {
        let running = Self::demo();
        running.sandbox.add_faults(Fault::read_all(fault.as_bytes()).unwrap()).unwrap();
        running
    }

    pub(super) fn open(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Everything the server sends until it closes the connection.
    pub(super) fn raw(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = self.open();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(super) fn post(&self, path: &str, body: &str) -> (u16, String) {
        parse(&self.raw("POST", path, "Authorization: Bearer sk_sandbox_demo\r\n", body))
    }

    pub(super) fn get(&self, path: &str) -> (u16, String) {
        parse(&self.raw("GET", path, "", ""))
    }
}

/// Status and body.
#[track_caller]
pub(super) fn parse(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
