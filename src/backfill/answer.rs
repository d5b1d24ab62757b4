//! What a reply to a request for a page means: total, every status has one meaning.

use std::time::Duration;

use crate::domain::redact::Redactor;
use crate::outbound::{Failure, Reply, message_of};

/// Why there is no page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PageError {
    /// The provider does not let our key read this.
    Refused(String),
    /// It refuses what we ask for, or answers something else, and will do so again.
    Unlike(String),
    /// No answer now. It may come later.
    TryLater {
        /// When the provider asks to come back.
        retry_after: Option<Duration>,
        /// What happened.
        message: String,
    },
}

/// The body of a page of the list `name` of the provider `title`, whose API is `at` an address. What `private` takes out is in no
/// message.
pub(super) fn answer(
    reply: Result<Reply, Failure>,
    title: &str,
    at: &str,
    name: &str,
    private: &Redactor,
) -> Result<Vec<u8>, PageError> {
    let later = |retry_after, message| Err(PageError::TryLater { retry_after, message });
    let (status, retry_after, body) = match reply {
        Ok(Reply { status, retry_after, body }) => (status, retry_after, body),
        Err(failure) => return later(None, failure.with_cause(&format!("{title} does not answer at {at}"))),
    };
    let is_success = (200..300).contains(&status);
    let body = match body {
        Ok(body) if body.is_whole => body.bytes,
        // The status of a refusal tells enough.
        Ok(_) | Err(_) if !is_success => Vec::new(),
        Ok(_) => return Err(PageError::Unlike(format!("a page of {name} is too long to be read"))),
        Err(failure) => return later(None, failure.with_cause(&format!("{title}'s answer broke off"))),
    };
    let message = message_of(status, &body, private);
    match status {
        200..=299 => Ok(body),
        300..=399 => {
            Err(PageError::Unlike(format!("api_base_url answers with a redirect ({status}), which is not followed")))
        }
        401 | 403 => Err(PageError::Refused(message)),
        429 => later(retry_after, format!("{title} asks the bridge to wait ({message})")),
        0..=199 | 408 | 409 | 423..=425 | 500.. => later(retry_after, format!("{title} fails ({message})")),
        400..=499 => Err(PageError::Unlike(format!("{title} does not list {name}: {message}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::proxy::Proxies;
    use crate::outbound::{Body, Client, Limits, Method, Request};

    fn heard(status: u16, body: &str) -> Result<Vec<u8>, PageError> {
        let body = Ok(Body { bytes: body.as_bytes().to_vec(), is_whole: true });
        let reply = Reply { status, retry_after: Some(Duration::from_secs(7)), body };
        answer(Ok(reply), "Stripe", "https://api.stripe.com", "invoices", &Redactor::default().and("rk_live_1"))
    }

    #[tokio::test]
    async fn where_nobody_answers_is_said() {
        // Nobody listens there any more.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let wait = Duration::from_secs(20);
        let limits = Limits { whole: wait, connect: wait, idle: wait, response_bytes: 9 };
        let client = Client::in_clear_text(limits, &Proxies::default(), Clock::system()).unwrap();
        let request = Request { method: Method::Get, url: &at, bearer: None, headers: &[], body: None };
        let answer = answer(client.ask(request).await, "Stripe", &at, "invoices", &Redactor::default());
        let Err(PageError::TryLater { message, .. }) = answer else { panic!("{answer:?}") };
        assert!(message.starts_with(&format!("Stripe does not answer at {at}: ")), "{message}");
    }

    #[test]
    fn every_status_has_one_meaning() {
        for status in 0..=999 {
            match (status, heard(status, "{}")) {
                (200..=299, Ok(_)) | (300..=399, Err(PageError::Unlike(_))) => {}
                (401 | 403, Err(PageError::Refused(_))) => {}
                (408 | 409 | 423..=425 | 429 | 0..=199 | 500.., Err(PageError::TryLater { retry_after, .. })) => {
                    assert_eq!(retry_after, Some(Duration::from_secs(7)));
                }
                (400..=499, Err(PageError::Unlike(_))) => {}
                (_, other) => panic!("{status}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_providers_words_are_shown_without_the_key() {
        let body = r#"{"error":{"message":"The key rk_live_1 may not: rak_invoice_read"}}"#;
        let Err(PageError::Refused(message)) = heard(403, body) else { panic!("not refused") };
        assert!(message.contains("rak_invoice_read") && !message.contains("rk_live_1"), "{message}");
    }
}
