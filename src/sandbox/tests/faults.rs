//! Faults: what the client gets, what the book took, and connections that are cut.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::{Book, Fault, FaultError, Sandbox};
use super::running::{CUSTOMER, PAY, PAYMENT, Running, TELL, parse};

#[test]
fn a_fault_strikes_as_often_as_it_says_and_only_what_it_fits() {
    let on = Running::demo();
    let (status, left) = on.post(
        "/_sandbox/faults",
        r#"[{"on":"payment-succeeded","times":2,"status":429,"retry_after":2},{"email":"Tobi@example.com","status":500,"body":{"a":1}}]"#,
    );
    assert_eq!(status, 200);
    assert!(left.contains(r#""retry_after":"2""#), "{left}");
    assert_eq!(on.post(TELL, CUSTOMER).0, 200);
    let answer = on.raw("POST", PAY, "", PAYMENT);
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 2\r\n"), "{answer}");
    assert_eq!(on.post(PAY, PAYMENT).0, 429);
    assert_eq!(on.post(PAY, PAYMENT).0, 200);
    assert_eq!(on.post(TELL, &CUSTOMER.replace("kemi", "TOBI")), (500, r#"{"a":1}"#.to_owned()));
    assert_eq!(on.sandbox.faults().len(), 0);

    on.post("/_sandbox/faults", r#"{"times":9,"status":503}"#);
    assert_eq!(parse(&on.raw("DELETE", "/_sandbox/faults", "", "")), (200, r#"{"faults":[]}"#.to_owned()));
    let struck: Vec<_> = on.sandbox.calls().iter().map(|call| (call.fault, call.decided)).collect();
    assert_eq!(struck, [(false, Some(200)), (true, None), (true, None), (false, Some(200)), (true, None)]);
}

#[test]
fn wrong_answers_of_every_sort() {
    let on = Running::faulty(
        r#"[{"garbage":true},{"body":"<h1>down</h1>"},{"status":307,"location":"http://example.net/"},
            {"flood_bytes":3000000},{"status":500,"processed":true}]"#,
    );
    let (status, body) = on.post(PAY, PAYMENT);
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<Value>(&body).is_err());
    let answer = on.raw("POST", PAY, "", PAYMENT);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("text/html") && answer.ends_with("<h1>down</h1>"));
    assert!(on.raw("POST", PAY, "", PAYMENT).contains("location: http://example.net/\r\n"));
    assert_eq!(on.post(PAY, PAYMENT).1.len(), 3_000_000);
    assert_eq!(on.sandbox.look(|book| book.payments().len()), 0);
    assert_eq!(on.post(PAY, PAYMENT).0, 500);
    assert_eq!(on.sandbox.look(|book| book.payments().len()), 1);
    assert_eq!(on.post(PAY, PAYMENT).0, 409);
}

#[test]
fn a_dropped_connection_carries_not_one_byte() {
    let on = Running::faulty(r#"[{"drop":"before"},{"drop":"after"}]"#);
    let started = Instant::now();
    assert_eq!(on.raw("POST", PAY, "Authorization: Bearer sk_sandbox_demo\r\n", PAYMENT), "");
    assert_eq!(on.sandbox.look(|book| book.payments().len()), 0);
    assert_eq!(on.raw("POST", PAY, "Authorization: Bearer sk_sandbox_demo\r\n", PAYMENT), "");
    assert_eq!(on.sandbox.look(|book| book.payments().len()), 1);
    assert!(started.elapsed() < Duration::from_secs(3), "the connection is cut at once");
    assert_eq!(on.post(PAY, PAYMENT).0, 409);
    let seen: Vec<_> = on.sandbox.calls().iter().map(|call| (call.answered, call.decided)).collect();
    assert_eq!(seen, [(None, None), (None, Some(200)), (Some(409), Some(409))]);
    assert!(on.get("/_sandbox/state").1.contains(r#""dropped":2"#));
}

#[test]
fn a_kept_alive_connection_is_dropped_too() {
    let on = Running::demo();
    let mut stream = on.open();
    let request = format!("POST {PAY} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{PAYMENT}", PAYMENT.len());
    stream.write_all(request.as_bytes()).unwrap();
    let mut buffer = [0; 4096];
    let n = stream.read(&mut buffer).unwrap();
    assert!(buffer[..n].starts_with(b"HTTP/1.1 401"));
    on.sandbox.add_faults(vec![r#"{"drop":"before","delay_ms":20}"#.parse().unwrap()]).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(stream.read(&mut buffer).unwrap(), 0);
}

#[test]
fn a_delay_holds_the_answer_back() {
    let on = Running::faulty(r#"{"delay_ms":150}"#);
    let started = Instant::now();
    assert_eq!(on.post(PAY, PAYMENT).0, 200);
    assert!(started.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_client_that_leaves_a_delayed_call_takes_it_along_unless_it_was_processed() {
    for (fault, payments) in [(r#"{"delay_ms":1500}"#, 0), (r#"{"delay_ms":1500,"processed":true}"#, 1)] {
        let on = Running::faulty(fault);
        let mut stream = on.open();
        let length = PAYMENT.len();
        let key = "Authorization: Bearer sk_sandbox_demo";
        write!(stream, "POST {PAY} HTTP/1.1\r\nHost: x\r\n{key}\r\nContent-Length: {length}\r\n\r\n{PAYMENT}").unwrap();
        while on.sandbox.calls().is_empty() {
            std::thread::yield_now();
        }
        drop(stream);
        // Past the delay: only then could the call still be recorded.
        std::thread::sleep(Duration::from_millis(1800));
        assert_eq!(on.sandbox.look(|book| book.payments().len()), payments, "{fault}");
        assert_eq!(on.sandbox.calls().first().map(|call| call.answered), Some(None), "{fault}");
    }
}

#[test]
fn a_malformed_fault_says_what_is_wrong() {
    let on = Running::demo();
    for (fault, part) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("{}", "nothing to do"),
        (r#"{"delay_ms":0}"#, "nothing to do"),
        (r#"{"statu":500}"#, "unknown field `statu`"),
        (r#"{"on":"refund","status":500}"#, "payment-succeeded"),
        (r#"{"status":"500"}"#, "500"),
        (r#"{"status":99}"#, "status must be"),
        (r#"{"status":500,"times":0}"#, "times must be"),
        (r#"{"delay_ms":600001}"#, "delay_ms must be"),
        (r#"{"status":429,"retry_after":true}"#, "retry_after must be"),
        (r#"{"status":429,"retry_after":"a\nb"}"#, "printable"),
        (r#"{"drop":"now"}"#, "before"),
        (r#"{"drop":"after","status":500}"#, "drop means no answer"),
        (r#"{"drop":"before","processed":true}"#, "processed"),
        (r#"{"garbage":true,"body":"x"}"#, "one of body"),
        (r#"{"flood_bytes":0}"#, "flood_bytes must be"),
        (r#"[{"status":500},{"times":1}]"#, "nothing to do"),
    ] {
        let (status, body) = on.post("/_sandbox/faults", fault);
        assert_eq!(status, 400, "{fault}");
        let message = serde_json::from_str::<Value>(&body).unwrap()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(part), "{fault}: {message}");
    }
    assert_eq!(on.sandbox.faults().len(), 0);
}

#[test]
fn the_list_of_faults_is_bounded_and_can_be_sent_back() {
    let sandbox = Sandbox::new(Book::demo());
    let texts = [
        r#"{"on":"any","times":3,"email":"kemi@example.com","delay_ms":5,"processed":true,"status":200,"garbage":true}"#,
        r#"{"on":"payment-succeeded","times":1,"drop":"after"}"#,
        r#"{"on":"any","times":1,"status":429,"retry_after":"Wed, 21 Oct 2026 07:28:00 GMT","body":"x"}"#,
        r#"{"on":"any","times":1,"delay_ms":9}"#,
        r#"{"on":"any","times":1,"status":200,"flood_bytes":9}"#,
    ];
    for text in texts {
        let fault: Fault = text.parse().unwrap();
        assert_eq!(serde_json::to_string(&fault).unwrap(), text);
        assert!(!format!("{fault:?}").contains("kemi"));
    }
    let fault: Fault = texts[1].parse().unwrap();
    sandbox.add_faults(vec![fault.clone(); 999]).unwrap();
    assert!(matches!(sandbox.add_faults(vec![fault.clone(); 2]), Err(FaultError::TooMany)));
    sandbox.add_faults(vec![fault]).unwrap();
}
