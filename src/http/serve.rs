//! The server: actix's, put together around connections of our own.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_server::Server;
use actix_service::{IntoServiceFactory, Service, ServiceFactoryExt, apply_fn_factory, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, web};
use tokio::net::TcpSocket;

use super::connection::{Connection, Ended, track};
use super::places::{CONNECTIONS_MAX, Places};
use super::{AppState, Shared, Side, body, catch_panics, no_such_path, routes};
use crate::telemetry::events;

/// How long the rest of an unread body is read, so that its sender sees the answer, before the connection is closed.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// How long requests may take to finish after a stop was asked for, seconds.
const SHUTDOWN_WAIT_S: u64 = 10;
/// Connections that may wait to be accepted; the system may hold it lower (Linux: `net.core.somaxconn`).
const BACKLOG_MAX: u32 = 2048;

/// Listens on `address`.
///
/// # Errors
/// It cannot be listened on.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does: connections of a process that has ended must not keep the next one from listening.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG_MAX)?.into_std()
}

/// Serves `side` on `listener` until its handle is stopped.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(listener: TcpListener, state: AppState, side: Side, workers: usize) -> io::Result<Server> {
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(CONNECTIONS_MAX / workers.max(1))
        .shutdown_timeout(SHUTDOWN_WAIT_S)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let places = Arc::new(Places::default());
    let service = move || {
        let (shared, stopping) = (state.clone(), stopping.clone());
        let app = App::new()
            .app_data(web::Data::new(shared))
            .app_data(side)
            .configure(|config| routes(side, config))
            .default_service(web::to(no_such_path))
            .wrap(from_fn(catch_panics))
            .wrap(from_fn(body::hold_unread))
            // What is answered is about people, or of this moment.
            .wrap(DefaultHeaders::new().add((header::CACHE_CONTROL, "no-store")))
            .wrap(DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff")))
            .wrap(from_fn(track))
            .into_factory()
            .map_err(|error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            // These waits are the connection's own.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER_MAX)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.progress());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let (state, places) = (state.clone(), places.clone());
        apply_fn_factory(http, move |stream: TcpStream, http| {
            let met = meet(&state, &places, stream);
            let served = met.map(|(connection, peer)| (peer.ip(), http.call((connection, Some(peer)))));
            let state = state.clone();
            async move {
                let Some((peer, served)) = served else { return Ok(()) };
                served.await.inspect_err(|error| note_end(&state, peer.to_canonical(), error))
            }
        })
    };
    Ok(builder.listen("refairn-bridge", listener, service)?.run())
}

/// Lets a connection in, unless its source has all that one may have.
fn meet(state: &Shared, places: &Arc<Places>, stream: TcpStream) -> Option<(Connection, SocketAddr)> {
    let peer = stream.peer_addr().ok()?;
    let (address, now) = (peer.ip().to_canonical(), state.clock.now());
    let is_trusted = state.trusts(address) || state.intake.knows(address, now);
    if let Some(place) = places.take(address, is_trusted) {
        return Some((Connection::new(stream, place, !is_trusted), peer));
    }
    let reason = "too_many_connections";
    events::disconnected(reason, address, state.intake.lines().ask(Some(address), reason, now));
    None
}

/// Notes why a connection ended, if its peer is to blame.
fn note_end(state: &Shared, peer: IpAddr, error: &DispatchError) {
    let ended = if let DispatchError::Io(error) = error { Ended::of(error) } else { None };
    let reason = match ended {
        Some(Ended::SlowHead) => "slow_head",
        Some(Ended::UnreadAnswer) => "unread_answer",
        None if matches!(error, DispatchError::Parse(_)) => "malformed_request",
        Some(Ended::Idle) | None => return,
    };
    state.intake.disconnect(peer, reason, state.clock.now());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::net::TcpStream;

    use super::listen;

    /// More than the standard library lets wait (128).
    const WAITING: usize = 250;

    #[tokio::test]
    async fn a_burst_of_connections_may_wait_to_be_accepted() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let all = join_all((0..WAITING).map(|_| TcpStream::connect(address)));
        let connected = tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
        assert_eq!(connected.iter().filter(|c| c.is_ok()).count(), WAITING);
    }
}
