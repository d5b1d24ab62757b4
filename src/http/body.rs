//! Reading a webhook's body: byte for byte, within limits of size, time, and memory for all bodies together.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::problem::Problem;
use crate::intake::{Admission, IntakeError};

/// How long a body may take to arrive, however its bytes are spread over it.
const BODY_WAIT_MAX: Duration = Duration::from_secs(15);
/// So much of a body is always taken, bytes. Nearly all webhooks are smaller, so a flood of large bodies cannot keep
/// them out; the number of connections bounds what it comes to.
const BODY_FREE_BYTES: usize = 32 << 10;
/// What is beyond that, of all bodies of strangers and of all others, bytes; more when one body may be longer.
const BODIES_BYTES_MAX: usize = 8 << 20;

/// The memory for large bodies. Senders of valid webhooks have their own, which no flood of forged ones can use up.
#[derive(Debug)]
pub struct BodyMemory {
    strangers: Semaphore,
    known: Semaphore,
    body_bytes_max: usize,
}

impl BodyMemory {
    /// Memory for bodies of up to `body_bytes_max` bytes: at the least for one of them.
    #[must_use]
    pub fn new(body_bytes_max: usize) -> Self {
        let pool = || Semaphore::new(BODIES_BYTES_MAX.max(body_bytes_max));
        Self { strangers: pool(), known: pool(), body_bytes_max }
    }
}

/// A body, and the memory that it takes until it is dropped.
pub(super) struct Body<'a> {
    pub(super) bytes: web::BytesMut,
    _memory: Memory<'a>,
}

/// What one body has taken of the memory for large ones.
struct Memory<'a> {
    pool: &'a Semaphore,
    taken: Option<SemaphorePermit<'a>>,
    /// How long the body may be without more.
    free_bytes: usize,
}

impl Memory<'_> {
    fn grow_to(&mut self, bytes: usize) -> Result<(), Problem> {
        let lacking = bytes.saturating_sub(self.free_bytes);
        if lacking == 0 {
            return Ok(());
        }
        let lacking_bytes = u32::try_from(lacking).map_err(|_| Problem::overloaded())?;
        let more = self.pool.try_acquire_many(lacking_bytes).map_err(|_| Problem::overloaded())?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        self.free_bytes = bytes;
        Ok(())
    }
}

/// The length that the sender announces.
pub(super) fn announced_bytes(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok())
}

/// The body, byte for byte, if it is not too long, does not take too long, and there is room for it.
pub(super) async fn read<'a>(
    request: &HttpRequest,
    payload: &mut web::Payload,
    memory: &'a BodyMemory,
    admission: Admission<'_>,
) -> Result<Body<'a>, Problem> {
    let pool = if admission.is_known() { &memory.known } else { &memory.strangers };
    let bytes_max =
        admission.rate_limited().map_or(memory.body_bytes_max, |_| memory.body_bytes_max.min(BODY_FREE_BYTES));
    let too_large = || match admission.rate_limited() {
        Some(rate_limited) if bytes_max < memory.body_bytes_max => IntakeError::RateLimited(rate_limited).into(),
        Some(_) | None => Problem::body_too_large(bytes_max),
    };
    let identity = |v: &header::HeaderValue| v.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(header::CONTENT_ENCODING).all(identity) {
        return Err(Problem::content_encoded());
    }
    let announced = announced_bytes(request).unwrap_or_default();
    if announced > bytes_max {
        return Err(too_large());
    }
    let read = async {
        // Taken at once where the length is announced: what finds no room is not read, and no buffer is outgrown.
        let mut memory = Memory { pool, taken: None, free_bytes: BODY_FREE_BYTES };
        memory.grow_to(announced)?;
        let mut bytes = web::BytesMut::with_capacity(announced);
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Problem::body_incomplete())?;
            let length = bytes.len() + chunk.len();
            if length > bytes_max {
                return Err(too_large());
            }
            memory.grow_to(length)?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes, _memory: memory })
    };
    let in_time = tokio::time::timeout(BODY_WAIT_MAX, read).await;
    in_time.unwrap_or_else(|_| Err(Problem::too_slow(BODY_WAIT_MAX.as_secs())))
}

/// The answer to a request whose body was not read to its end. It keeps the rest of the body until it is sent: the
/// server then closes the connection, where it would read a dropped body of chunks for as long as the sender likes.
pub(super) fn refuse_unread(problem: &Problem, payload: web::Payload) -> HttpResponse {
    with_unread(problem.error_response(), payload.into_inner())
}

/// An answer to a request whose body nobody read.
pub(super) fn with_unread(answer: HttpResponse, payload: Payload) -> HttpResponse {
    answer.map_body(|_, answer| Keeping::new(answer, payload)).map_into_boxed_body()
}

/// Where the forms of pages are sent to, and what the API takes in a body.
const FORMS: [&str; 10] = [
    "/sign-in",
    "/sign-out",
    "/deliveries/",
    "/events/",
    "/payments/",
    "/backfills/",
    "/access/",
    "/alerts/",
    "/customers/",
    "/api/v1/customers/forget",
];

/// Does the same to every answer but those to webhooks and forms, whose handlers read bodies and call [`refuse_unread`].
pub(super) async fn hold_unread(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let is_form = request.method() == Method::POST && FORMS.iter().any(|start| request.path().starts_with(start));
    let reads_bodies = is_form || request.path().starts_with("/webhooks/");
    let payload = if reads_bodies { Payload::None } else { request.take_payload() };
    Ok(next.call(request).await?.map_body(|_, answer| Keeping::new(answer, payload)))
}

/// An answer, and what is dropped when it has been handed over: the rest of its request's body, for one.
pub(super) struct Keeping<K> {
    answer: BoxBody,
    _kept: K,
}

impl<K> Keeping<K> {
    pub(super) fn new(answer: impl MessageBody + 'static, kept: K) -> Self {
        Self { answer: BoxBody::new(answer), _kept: kept }
    }
}

impl<K: Unpin> MessageBody for Keeping<K> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}
