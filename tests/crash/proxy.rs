//! The network between the bridge and PostgreSQL: it passes everything on until it is told to refuse, to swallow, or to
//! cut off in the middle of a word.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use refairn_bridge::tasks::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use crate::kit::program::lasting_addr;

/// Between two attempts to have the port again.
const REST: Duration = Duration::from_millis(5);

/// What becomes of what is sent through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It arrives.
    Open,
    /// Nobody listens, and what was connected is cut off.
    Refused,
    /// It arrives nowhere, and nobody says so.
    Silent,
}

#[derive(Debug, Clone, Copy)]
struct State {
    way: Way,
    /// How often everything was cut in the middle.
    cuts: u32,
}

/// A proxy; it ends with its test.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    state: watch::Sender<State>,
    tasks: Tasks,
}

impl Proxy {
    /// A proxy before the server at this socket.
    pub(crate) async fn start(server: PathBuf) -> Self {
        let addr = lasting_addr();
        let listener = TcpListener::bind(addr).await.expect("bound");
        let (state, seen) = watch::channel(State { way: Way::Open, cuts: 0 });
        let tasks = Tasks::new();
        tasks.spawn(accept(listener, addr, server, seen, tasks.clone()));
        Self { addr, state, tasks }
    }

    /// From now on.
    pub(crate) fn set(&self, way: Way) {
        self.state.send_modify(|state| state.way = way);
    }

    /// Cuts every connection, in the middle of what it carries next.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    pub(crate) async fn end(self) {
        // Whoever carries something sees that nobody can tell it anything any more.
        drop(self.state);
        assert!(self.tasks.stop(Duration::from_secs(10)).await, "the proxy did not stop");
    }
}

async fn accept(
    mut listener: TcpListener,
    addr: SocketAddr,
    server: PathBuf,
    mut state: watch::Receiver<State>,
    tasks: Tasks,
) {
    let stop = tasks.stopping();
    loop {
        tokio::select! {
            connection = listener.accept() => {
                let Ok((client, _)) = connection else { continue };
                tasks.spawn(carry(client, server.clone(), state.clone()));
            }
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                if state.borrow().way == Way::Refused {
                    drop(listener);
                    if state.wait_for(|state| state.way != Way::Refused).await.is_err() {
                        return;
                    }
                    listener = loop {
                        match TcpListener::bind(addr).await {
                            Ok(listener) => break listener,
                            Err(_) => tokio::time::sleep(REST).await,
                        }
                    };
                }
            }
            () = stop.cancelled() => return,
        }
    }
}

/// Carries one connection until either side ends it, or it is cut off.
async fn carry(mut client: TcpStream, server: PathBuf, state: watch::Receiver<State>) {
    // However it ends, it ends with a reset.
    let _ = client.set_zero_linger();
    let mut ends = state.clone();
    let Ok(mut server) = UnixStream::connect(server).await else { return };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        () = pump(from_client, to_server, state.clone()) => {}
        () = pump(from_server, to_client, state) => {}
        // Or the test is over.
        _ = ends.wait_for(|state| state.way == Way::Refused) => {}
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut state: watch::Receiver<State>) {
    let cuts = state.borrow().cuts;
    let mut buffer = [0; 16 * 1024];
    while let Some(bytes) = from.read(&mut buffer).await.ok().filter(|n| *n > 0) {
        let Ok(State { cuts: now, .. }) = state.wait_for(|state| state.way != Way::Silent).await.map(|s| *s) else {
            return;
        };
        let end = if now == cuts { bytes } else { bytes / 2 };
        if to.write_all(&buffer[..end]).await.is_err() || now != cuts {
            return;
        }
    }
}
