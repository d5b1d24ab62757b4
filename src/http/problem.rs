//! Errors as problem documents (RFC 9457). The only place where the status of an error is chosen.

use std::fmt;

use crate::api;
use crate::domain::access::{Role, Who};
use crate::domain::refusal::Refusal;
use crate::intake::{IntakeError, RATE_LIMITED};
use crate::store::{ActionError, StoreError};
use crate::tasks::Failure;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

/// The code of what a defect of ours spoils.
const INTERNAL_ERROR: &str = "internal_error";
/// The code of what the database keeps from being written.
const STORAGE_UNAVAILABLE: &str = "storage_unavailable";
/// The code of what a full disk keeps from being written.
const DISK_FULL: &str = "disk_full";
/// When a sender is to come back after trouble of ours, seconds.
const RETRY_AFTER_S: u32 = 10;

/// An error as its sender sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    /// The methods that are allowed, where the method was wrong.
    allow: Option<&'static str>,
    /// When to come back, seconds.
    retry_after_s: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let retry_after_s = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_S);
        Self { status, code, title, detail: detail.into(), allow: None, retry_after_s }
    }

    /// No such path.
    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", "there is nothing at this path")
    }

    /// The path is right, the method is not.
    pub(crate) fn method_not_allowed(allowed: &'static str) -> Self {
        let detail = format!("this path takes {allowed} only");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", detail);
        Self { allow: Some(allowed), ..problem }
    }

    /// No such webhook endpoint.
    pub(crate) fn unknown_endpoint(detail: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_endpoint", "Unknown webhook endpoint", detail)
    }

    /// No such event or delivery.
    pub(crate) fn unknown_item(detail: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_item", "No such item", detail)
    }

    /// The body is longer than is taken.
    pub(crate) fn body_too_large(bytes_max: usize) -> Self {
        let detail = format!("the body is longer than {bytes_max} bytes (body_max_bytes)");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large", detail)
    }

    /// The body is encoded.
    pub(crate) fn content_encoded() -> Self {
        let detail = "a signature covers the body as it is: send it without a content-encoding";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_encoding_unsupported",
            "Content-Encoding unsupported",
            detail,
        )
    }

    /// The body did not arrive in time.
    pub(crate) fn too_slow(seconds: u64) -> Self {
        let detail = format!("the body did not arrive within {seconds} seconds");
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow_request", "Request too slow", detail)
    }

    /// The body broke off.
    pub(crate) fn body_incomplete() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "body_incomplete", "Body incomplete", "the body broke off before its end")
    }

    /// More bodies are being read than there is room for.
    pub(crate) fn overloaded() -> Self {
        let detail = "too many large bodies are being read; nothing was recorded, send it again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded", detail)
    }

    /// We failed over the request: a defect of ours. The sender should try again.
    pub(crate) fn internal() -> Self {
        let detail = "the bridge failed over this request; send it again later: what was recorded is recognised";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, INTERNAL_ERROR, "Internal error", detail)
    }

    /// A part of the process does not go on.
    pub(crate) fn not_alive(failure: Failure) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_alive", "Not alive", failure.to_string())
    }

    /// The token is missing or wrong, or has ended.
    pub(crate) fn unauthorized() -> Self {
        let detail = "send a token as Authorization: Bearer …; the admin token is BRIDGE_ADMIN_TOKEN, or was shown at \
            start, and access create makes others";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Token required", detail)
    }

    /// The caller may not do this.
    pub(crate) fn role_too_low(who: &Who, needed: Role) -> Self {
        let detail = format!("this takes the role {needed}, and {} has the role {}", who.name, who.role);
        Self::new(StatusCode::FORBIDDEN, "role_too_low", "Not allowed", detail)
    }

    /// The caller sees one business, and this is about all.
    pub(crate) fn one_business_only(who: &Who, business: &str) -> Self {
        let detail = format!("this is about the whole bridge, and the token of {} is for {business} only", who.name);
        Self::new(StatusCode::FORBIDDEN, "one_business_only", "Not for one business", detail)
    }

    /// The source has sent too many wrong tokens, and this is one more.
    pub(crate) fn too_many_wrong_tokens(retry_after_s: u32) -> Self {
        let detail = "this address has sent too many wrong tokens, and this one is wrong, too";
        let title = "Too many wrong tokens";
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_wrong_tokens", title, detail);
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// A form, or a script's request, that no page of this session sent.
    pub(crate) fn not_our_form() -> Self {
        let detail = "this was not sent by a page of your session; open the page again and send it from there";
        Self::new(StatusCode::FORBIDDEN, "not_our_form", "Not from a page of this session", detail)
    }

    /// A decision about money without a word about it.
    pub(crate) fn note_missing() -> Self {
        let detail = "write in a few words why: whoever looks at the books later reads it; then press the button again";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "note_missing", "A note is missing", detail)
    }

    /// Nobody is told anything: no place is configured.
    pub(crate) fn no_alerts() -> Self {
        let detail = "no alerts are configured: set slack_url or webhook_url in [alerts], and start the bridge again";
        Self::new(StatusCode::CONFLICT, "no_alerts", "No alerts", detail)
    }

    /// A place could not be told.
    pub(crate) fn alerts_failed(why: &str) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "alerts_failed", "Alerts do not arrive", why)
    }

    /// As many pages are shown live as there may be.
    pub(crate) fn too_many_streams() -> Self {
        let detail = "as many pages are open as can be kept up to date; this one is when it is loaded again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", "Too many open pages", detail)
    }

    /// A parameter is wrong.
    pub(crate) fn bad_parameter(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_parameter", "Bad parameter", detail)
    }

    /// A parameter that the path does not take.
    pub(crate) fn unknown_parameter(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unknown_parameter", "Unknown parameter", detail)
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The code in words.
    pub(super) const fn title(&self) -> &'static str {
        self.title
    }

    /// What happened, for a person.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it is trouble of the store's, in which no webhook can be recorded either.
    pub(super) fn keeps_webhooks_out(&self) -> bool {
        [STORAGE_UNAVAILABLE, DISK_FULL].contains(&self.code)
    }

    /// Whether it is a new fault of the sender's: no trouble of ours, and not only what it was shut out for before.
    pub(super) fn is_to_blame_on_the_sender(&self) -> bool {
        self.status.is_client_error() && self.status != StatusCode::TOO_MANY_REQUESTS
    }
}

impl From<StoreError> for Problem {
    /// Trouble of ours is never the sender's fault: it is always to be tried again.
    fn from(error: StoreError) -> Self {
        let detail = if error.may_be_written() {
            "whether it was recorded is not known; send it again later, and what was recorded is recognised"
        } else {
            "nothing was recorded; send it again later"
        };
        let code = match error {
            StoreError::Overloaded => "overloaded",
            StoreError::Full(_) => DISK_FULL,
            StoreError::Panicked => INTERNAL_ERROR,
            StoreError::Closed
            | StoreError::Locked(_)
            | StoreError::TooManyLocks(_)
            | StoreError::InUse
            | StoreError::ReadOnly(_)
            | StoreError::Corrupt(_)
            | StoreError::Io(_)
            | StoreError::Server(..)
            | StoreError::Unanswered(_)
            | StoreError::OtherSchema { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::UnfinishedCopy
            | StoreError::NoCopy { .. }
            | StoreError::Data(_) => STORAGE_UNAVAILABLE,
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "Storage unavailable", detail)
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let detail = error.to_string();
        match error {
            IntakeError::Store(error) => {
                crate::telemetry::events::store_failed("record", &error);
                error.into()
            }
            IntakeError::AddressNotAllowed => {
                Self::new(StatusCode::FORBIDDEN, "address_not_allowed", "Address not allowed", detail)
            }
            IntakeError::RateLimited(rate_limited) => Self {
                retry_after_s: Some(rate_limited.retry_after_s),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, "Too many failed signatures", detail)
            },
            IntakeError::Signature(error) => {
                Self::new(StatusCode::UNAUTHORIZED, error.code(), "Signature not accepted", detail)
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(StatusCode::CONFLICT, "not_now", "Not possible now", refusal.to_string())
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::NotFound => Self::unknown_item(error.to_string()),
            ActionError::NotNow(refusal) => refusal.into(),
            ActionError::Store(error) => error.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        // A client that is refused gets no second request on its connection, and the place is free for others.
        response.force_close();
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = self.allow {
            // RFC 9110, 15.5.6
            response.insert_header((header::ALLOW, allow));
        }
        if self.status == StatusCode::UNAUTHORIZED && self.code == "unauthorized" {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        let document = api::Problem {
            kind: format!("urn:refairn-bridge:problem:{}", self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail.clone(),
        };
        response.body(serde_json::to_string(&document).unwrap_or_default())
    }
}
