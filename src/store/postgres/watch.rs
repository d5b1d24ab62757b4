//! What other replicas do: PostgreSQL tells when there is something to send, and a look once a second finds what
//! nobody told.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::Notify;
use tokio_postgres::AsyncMessage;
use tokio_util::sync::CancellationToken;

use super::error::{silent, store_error};
use super::{CONNECT_WAIT_MAX, Postgres};
use crate::store::StoreError;
use crate::tasks::{Pulse, TURN_MAX};

/// The channel on which replicas tell each other of calls that may be due.
pub(super) const CHANNEL: &str = "refairn_bridge_outbox";
/// How long a replica goes without looking. Finds the leases and events of replicas that died, and whatever was told
/// while the connection was lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the connection that listens is asked whether it is still there.
const ASK_EVERY: Duration = Duration::from_secs(30);

/// What each replica tells the server, and the last thing it tells it on that connection.
pub(super) fn listen() -> String {
    format!("LISTEN {CHANNEL}")
}

impl Postgres {
    /// See [`crate::store::Store::watch`].
    pub(in crate::store) async fn watch(
        &self,
        inbox: &Notify,
        outbox: &Notify,
        pulse: &Pulse,
        stop: &CancellationToken,
    ) {
        let listen = async {
            loop {
                // Losing the connection loses nothing but speed: the looks go on, and the next one is tried again.
                let _ = self.listen(outbox).await;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let look = async {
            loop {
                let _turn = pulse.step(TURN_MAX);
                tokio::time::sleep(LOOK_EVERY).await;
                inbox.notify_one();
                outbox.notify_one();
                // What is not added up now is added up later; the counts are right in any case.
                let _ = self.roll_up().await;
                let _ = self.end_claims().await;
            }
        };
        tokio::select! {
            () = listen => {}
            () = look => {}
            () = stop.cancelled() => {}
        }
    }

    /// Listens until the connection is lost.
    async fn listen(&self, outbox: &Notify) -> Result<(), StoreError> {
        let own = self.replica.to_string();
        let connect = tokio::time::timeout(CONNECT_WAIT_MAX, self.server.connect());
        let (client, mut connection) = connect.await.map_err(|_| silent())??;
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        let notified = async {
            while let Some(message) = messages.next().await {
                // This replica knows by itself of what it wrote.
                if let AsyncMessage::Notification(told) = message.map_err(|e| store_error(&e))?
                    && told.payload() != own
                {
                    outbox.notify_one();
                }
            }
            Ok(())
        };
        let ask = async {
            // A server that went without a word is found by asking, and asking now and then keeps the way open.
            loop {
                let answer = tokio::time::timeout(CONNECT_WAIT_MAX, client.batch_execute(&listen())).await;
                answer.map_err(|_| silent())?.map_err(|e| store_error(&e))?;
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        tokio::select! {
            ended = notified => ended,
            refused = ask => refused,
        }
    }
}
