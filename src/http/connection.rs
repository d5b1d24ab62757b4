//! A connection, and what it may wait for. Each has a place of its source's, and loses it as soon as it is in the way:
//! when a head does not come in time, be it the first or a later one, when nothing comes at all, and when nobody reads
//! the answer. Reading or writing fails then, and the server underneath gives the connection up.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::{Error, HttpRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::body::Keeping;
use super::places::Place;

/// How long the head of a request may take, from its first byte.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a connection may be idle, at its beginning and between two requests. Longer than the usual proxies keep
/// theirs (Caddy: 120 s), so that it is they who close: a request that meets a closing connection fails.
const IDLE_MAX: Duration = Duration::from_secs(130);
/// The same for a stranger's. What it sends together with a request may be a part of the next head, which shows as
/// nothing here: it has no longer for that either.
const STRANGER_IDLE_MAX: Duration = HEAD_WAIT_MAX;
/// How long an answer may wait for its reader to take more of it.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Why a connection was ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ended {
    /// Nothing came for long.
    #[error("idle")]
    Idle,
    /// A head was begun and not finished.
    #[error("slow_head")]
    SlowHead,
    /// Nobody read the answer.
    #[error("unread_answer")]
    UnreadAnswer,
}

impl Ended {
    /// Why `error` ended a connection, if it was we who did.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<Ended> for io::Error {
    fn from(ended: Ended) -> Self {
        Self::new(io::ErrorKind::TimedOut, ended)
    }
}

/// Where a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing of the next request has come.
    Idle,
    /// Something of its head has.
    Head,
    /// It is being served.
    Serving,
}

/// Where a connection is, and since when. The connection and the requests on it share it.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    stage: Rc<Cell<(Stage, Instant)>>,
    is_stranger: Rc<Cell<bool>>,
}

impl Progress {
    fn new(is_stranger: bool) -> Self {
        Self { stage: Rc::new(Cell::new((Stage::Idle, Instant::now()))), is_stranger: Rc::new(Cell::new(is_stranger)) }
    }

    fn enter(&self, stage: Stage) {
        self.stage.set((stage, Instant::now()));
    }

    fn bytes_came(&self) {
        if self.stage.get().0 == Stage::Idle {
            self.enter(Stage::Head);
        }
    }

    /// How the connection ends unless something happens, and when. While a request is served that is for its handler to
    /// say.
    fn end(&self) -> Option<(Ended, Instant)> {
        let idle_max = if self.is_stranger.get() { STRANGER_IDLE_MAX } else { IDLE_MAX };
        match self.stage.get() {
            (Stage::Idle, since) => Some((Ended::Idle, since + idle_max)),
            (Stage::Head, since) => Some((Ended::SlowHead, since + HEAD_WAIT_MAX)),
            (Stage::Serving, _) => None,
        }
    }
}

/// The connection of `request` is not a stranger's: something new came on it, validly signed, or the admin token.
pub(super) fn trust(request: &HttpRequest) {
    if let Some(progress) = request.conn_data::<Progress>() {
        progress.is_stranger.set(false);
    }
}

/// A request that is being served, until this is dropped together with its answer.
struct Serving(Progress);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.enter(Stage::Idle);
    }
}

/// Tells the connection that the head of a request is here, and when its answer has been handed over.
pub(super) async fn track(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let serving = request.request().conn_data::<Progress>().cloned().map(|progress| {
        progress.enter(Stage::Serving);
        Serving(progress)
    });
    Ok(next.call(request).await?.map_body(|_, answer| Keeping::new(answer, serving)))
}

/// A connection.
pub(super) struct Connection {
    stream: TcpStream,
    progress: Progress,
    /// Wakes when the connection is to end.
    end: Pin<Box<Sleep>>,
    /// Wakes when the reader of an answer has taken nothing for too long.
    write_end: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, place: Place, is_stranger: bool) -> Self {
        let end = Box::pin(sleep(IDLE_MAX));
        Self { stream, progress: Progress::new(is_stranger), end, write_end: None, _place: place }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Ready when the connection has to end, and why.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Some((ended, at)) = self.progress.end() else { return Poll::Pending };
        if self.end.deadline() != at {
            self.end.as_mut().reset(at);
        }
        ready!(self.end.as_mut().poll(context));
        Poll::Ready(ended.into())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let had_bytes = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, into) {
            Poll::Pending => self.poll_end(context).map(Err),
            Poll::Ready(Ok(())) if into.filled().len() > had_bytes => {
                self.progress.bytes_came();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(ended) => Poll::Ready(ended),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, bytes) {
            self.write_end = None;
            return Poll::Ready(written);
        }
        let at = Instant::now() + WRITE_WAIT_MAX;
        let end = self.write_end.get_or_insert_with(|| Box::pin(sleep_until(at)));
        ready!(end.as_mut().poll(context));
        Poll::Ready(Err(Ended::UnreadAnswer.into()))
    }

    /// The server flushes after each answer: here the wait for the next request begins.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_end(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ended, HEAD_WAIT_MAX, Progress, Serving, Stage};

    #[test]
    fn what_a_connection_waits_for_follows_from_where_it_is() {
        let check = |progress: &Progress, ended: Ended, wait: u64| {
            let (found, at) = progress.end().unwrap();
            assert_eq!((found, at - progress.stage.get().1), (ended, Duration::from_secs(wait)));
        };
        let progress = Progress::new(true);
        check(&progress, Ended::Idle, HEAD_WAIT_MAX.as_secs());
        progress.bytes_came();
        check(&progress, Ended::SlowHead, 5);
        progress.enter(Stage::Serving);
        let serving = Serving(progress.clone());
        progress.bytes_came();
        assert_eq!(progress.end(), None, "the handler bounds a body and an answer");
        drop(serving);
        check(&progress, Ended::Idle, HEAD_WAIT_MAX.as_secs());
        progress.is_stranger.set(false);
        check(&progress, Ended::Idle, 130);
        progress.bytes_came();
        check(&progress, Ended::SlowHead, 5);
        let (_, before) = progress.end().unwrap();
        progress.bytes_came();
        assert_eq!(progress.end().unwrap().1, before, "more bytes do not lengthen the wait");
    }
}
