//! Where one request ends and the next begins: nothing that two readers could read in two ways is taken.

use refairn_bridge::domain::provider::ProviderKind::{Paystack, Stripe};

use super::target::Expected::{Refused, Taken, TurnedAway};
use super::target::{Store, Target, signature, signed, to};
use crate::kit::wire::Request;

on_both! {
    lengths_that_can_be_read_in_two_ways
    chunks_that_are_none
    heads_that_no_client_sends
    requests_behind_requests
}

/// A signed webhook whose head ends with these lines, and this behind the head.
fn with(target: &Target, lines: &str, behind: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let body = target.forged();
    let request = Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", signature(Stripe, &body));
    let lines = lines.replace("LENGTH", &body.len().to_string());
    let mut bytes = request.head_with(&lines);
    bytes.extend(behind(&body));
    bytes
}

/// The body as one chunk and the end.
fn chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

async fn lengths_that_can_be_read_in_two_ways(store: Store) {
    let mut target = Target::start(store).await;
    for lines in [
        "Content-Length: LENGTH\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: LENGTH\r\n",
        "Content-Length: LENGTH\r\nContent-Length: LENGTH\r\n",
        "Content-Length: LENGTH, LENGTH\r\n",
        "Content-Length: +LENGTH\r\n",
        "Content-Length: -LENGTH\r\n",
        "Content-Length: 0xff\r\n",
        "Content-Length: LENGTH;\r\n",
        "Content-Length: LENGTH LENGTH\r\n",
        "Content-Length: LENGTH.0\r\n",
        "Content-Length: ten\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length : LENGTH\r\n",
        "Content-Length\t: LENGTH\r\n",
        "Content-Length: LENGTH\0\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: identity, gzip\r\nContent-Length: LENGTH\r\n",
    ] {
        let bytes = with(&target, lines, <[u8]>::to_vec);
        target.attack(lines, bytes, Refused(&[400])).await;
    }
    for lines in [
        "Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\r\n: chunked\r\n",
    ] {
        let bytes = with(&target, lines, chunk);
        target.attack(lines, bytes, Refused(&[400])).await;
    }
    target.end().await;
}

async fn chunks_that_are_none(store: Store) {
    let mut target = Target::start(store).await;
    let size = |body: &[u8]| format!("{:x}", body.len());
    type Behind = Box<dyn Fn(&[u8]) -> Vec<u8>>;
    let sized = |size: &'static str| -> Behind {
        Box::new(move |body| [size.as_bytes(), b"\r\n", body, b"\r\n0\r\n\r\n"].concat())
    };
    let bad: [(&str, Behind); 14] = [
        ("no hexadecimal size", sized("zz")),
        ("a negative size", sized("-1")),
        ("a size with a sign", sized("+5")),
        ("a size of C", sized("0x5")),
        ("a size beyond 64 bits", sized("fffffffffffffffff")),
        ("the largest size", sized("ffffffffffffffff")),
        ("the largest size with a sign", sized("7fffffffffffffff")),
        ("an empty size", sized("")),
        ("a space within a size", sized("5 5")),
        ("a control character in a size", sized("5\0")),
        ("too short", Box::new(|b| [b"5\r\n", b, b"\r\n0\r\n\r\n"].concat())),
        ("too long", Box::new(move |b| [format!("{:x}\r\n", b.len() + 50).as_bytes(), b, b"\r\n0\r\n\r\n"].concat())),
        ("no line end behind it", Box::new(move |b| [size(b).as_bytes(), b"\r\n", b, b"0\r\n\r\n"].concat())),
        ("no last chunk", Box::new(move |b| [format!("{:x}\r\n", b.len()).as_bytes(), b, b"\r\n"].concat())),
    ];
    for (name, behind) in bad {
        let bytes = with(&target, "Transfer-Encoding: chunked\r\n", behind);
        target.attack(name, bytes, TurnedAway).await;
    }
    // What a chunk carries beside its bytes is skipped.
    for (name, extension, trailer) in [
        ("an extension", ";name=value".to_owned(), ""),
        ("a long extension", format!(";{}", "x".repeat(200_000)), ""),
        ("trailers", String::new(), "Content-Length: 5\r\nStripe-Signature: t=1,v1=00\r\nHost: other.example.com\r\n"),
    ] {
        let (body, _) = target.genuine_of(Stripe);
        let head = to(Stripe).header("Stripe-Signature", signature(Stripe, &body));
        let mut bytes = head.head_with("Connection: close\r\nTransfer-Encoding: chunked\r\n");
        bytes.extend(format!("{:x}{extension}\r\n", body.len()).into_bytes());
        bytes.extend(body);
        bytes.extend(format!("\r\n0\r\n{trailer}\r\n").into_bytes());
        target.attack(name, bytes, Taken).await;
    }
    // Chunks as they should be are read to the byte, however small.
    for bytes in [1, 7, 100_000] {
        let (body, _) = target.genuine_of(Stripe);
        let request = signed(Stripe, &body).chunked(bytes);
        target.ask("small chunks", &request, Taken).await;
    }
    target.end().await;
}

/// The request as text that a test changes before it is sent.
fn changed(target: &Target, change: impl FnOnce(String) -> String) -> Vec<u8> {
    let body = target.forged();
    let head = String::from_utf8(signed(Stripe, &body).body(&body).head("close")).expect("text");
    [change(head).into_bytes(), body].concat()
}

async fn heads_that_no_client_sends(store: Store) {
    let mut target = Target::start(store).await;
    let host = "Host: bridge.example.com\r\n";
    let line = |line: &'static str| move |head: String| head.replacen(host, &format!("{host}{line}\r\n"), 1);
    for text in [
        "Folded: a\r\n b",
        "X-A: a\r\n\tb",
        " Leading: space",
        "No colon at all",
        ": no name",
        "Na me: x",
        "Na\0me: x",
        "N\u{e9}: x",
        "(Name): x",
        "Name: a\0b",
        "Name: a\rb",
        "Name: a\x7fb",
        "Name: a\x1b[2Jb",
        "Name: a\nStripe-Signature: t=1,v1=00",
    ] {
        let bytes = changed(&target, line(text));
        target.attack(text, bytes, TurnedAway).await;
    }
    let first = |from: &'static str, to: &'static str| move |head: String| head.replacen(from, to, 1);
    for (from, to) in [
        ("HTTP/1.1", "HTTP/2.0"),
        ("HTTP/1.1", "HTTP/9.9"),
        ("HTTP/1.1", "HTTP/1.1x"),
        ("HTTP/1.1", "http/1.1"),
        ("HTTP/1.1", "HTTP /1.1"),
        ("HTTP/1.1", "ICY"),
        (" HTTP/1.1", ""),
        ("POST /", "POST  /"),
        ("POST ", "P\0ST "),
        ("POST ", "PO\u{e9}ST "),
        ("POST ", "post "),
        ("POST ", "POSTPOST "),
        ("POST ", " POST "),
        ("POST ", "POST\t"),
        ("Host: bridge.example.com\r\n", ""),
    ] {
        let bytes = changed(&target, first(from, to));
        target.attack(&format!("{from:?} {to:?}"), bytes, TurnedAway).await;
    }
    for (name, change) in long_heads() {
        let bytes = changed(&target, change);
        target.attack(name, bytes, TurnedAway).await;
    }
    for (name, bytes) in [
        ("HTTP/2", &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..]),
        ("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0\0\0\0\0"),
        ("no words", b"\0\0\0\0\0\0\0\0\r\n\r\n"),
        ("HTTP/0.9", b"GET /livez\r\n"),
        ("a tunnel", b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n"),
        ("an asterisk", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a trace", b"TRACE / HTTP/1.1\r\nHost: x\r\nX-A: canary\r\n\r\n"),
        ("nothing", b""),
        ("one line end", b"\r\n"),
        ("a long line", &[b'A'; 300_000]),
    ] {
        target.attack(name, bytes, TurnedAway).await;
    }
    target.end().await;
}

type Change = Box<dyn FnOnce(String) -> String>;

/// Heads beyond every limit.
fn long_heads() -> [(&'static str, Change); 5] {
    let host = "Host: bridge.example.com\r\n";
    let more =
        move |lines: String| -> Change { Box::new(move |head| head.replacen(host, &(host.to_owned() + &lines), 1)) };
    let path = |path: String| -> Change { Box::new(move |head| head.replacen("/webhooks/stripe/stripe", &path, 1)) };
    [
        ("a long value", more(format!("X-Long: {}\r\n", "x".repeat(300_000)))),
        ("a long name", more(format!("{}: x\r\n", "X".repeat(300_000)))),
        ("many lines", more((0..500).map(|n| format!("X-{n}: x\r\n")).collect())),
        ("many lines of one name", more("Stripe-Signature: t=1,v1=00\r\n".repeat(500))),
        ("a long path", path(format!("/webhooks/stripe/stripe?{}", "x".repeat(300_000)))),
    ]
}

async fn requests_behind_requests(store: Store) {
    let mut target = Target::start(store).await;
    let admin = Request::new("GET", "/api/v1/stats");
    let unsigned = Request::new("POST", "/webhooks/stripe").body(b"{}");
    // Whatever is behind a request that is refused is refused for itself, or not read.
    for (name, first) in [
        ("behind no signature", Request::new("POST", "/webhooks/stripe").body(b"{}")),
        ("behind no path", Request::new("POST", "/nothing").body(b"{}")),
        ("behind the wrong method", Request::new("PUT", "/webhooks/stripe").body(b"{}")),
        ("behind the API", Request::new("GET", "/api/v1/events").body(b"{}")),
    ] {
        for behind in [&admin, &unsigned] {
            let bytes = [&first.head("keep-alive")[..], b"{}", &behind.bytes()[..]].concat();
            let replies = target.attack(name, bytes, TurnedAway).await;
            target.holds(name, replies.len() <= 2, || format!("{} answers", replies.len()));
        }
    }
    // The body of a webhook is a body, whatever it looks like.
    let body = [&admin.head("close")[..], &signed(Stripe, &target.forged()).bytes()].concat();
    let looks_like_requests = Request::new("POST", "/webhooks/paystack").body(&body);
    target.ask("a body of requests", &looks_like_requests, Refused(&[401])).await;
    // Less is announced than comes: the signature fits no longer, and the rest is no request.
    let body = target.forged();
    let request = Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", signature(Stripe, &body));
    for less in [1, 10, body.len() / 2] {
        let head = request.head_with(&format!("Content-Length: {}\r\n", body.len() - less));
        target.attack("less announced than sent", [&head[..], &body].concat(), TurnedAway).await;
    }
    for more in [1, 1000] {
        let head = request.head_with(&format!("Content-Length: {}\r\n", body.len() + more));
        target.attack("more announced than sent", [&head[..], &body].concat(), TurnedAway).await;
    }
    // Two genuine ones in one go are two.
    let ((first, _), (second, _)) = (target.genuine_of(Stripe), target.genuine_of(Paystack));
    let bytes = [signed(Stripe, &first).head("keep-alive"), first, signed(Paystack, &second).bytes()].concat();
    let replies = target.exchange(target.attacker(), &bytes).await.unwrap_or_default();
    let statuses: Vec<u16> = replies.iter().map(|r| r.status).collect();
    target.holds("two in one go", statuses == [200, 200], || format!("{statuses:?}"));
    target.taken += 2;
    for (name, from, to) in [
        ("an absolute address", "POST /webhooks", "POST http://other.example.com/webhooks"),
        ("a line end before it", "POST /", "\r\nPOST /"),
        ("HTTP/1.0", "HTTP/1.1", "HTTP/1.0"),
        ("a foreign host", "bridge.example.com", "other.example.com:1"),
    ] {
        let (body, _) = target.genuine_of(Stripe);
        let head = String::from_utf8(signed(Stripe, &body).head("close")).expect("text");
        let bytes = [head.replacen(from, to, 1).into_bytes(), body].concat();
        target.attack(name, bytes, Taken).await;
    }
    target.end().await;
}
