//! What has to hold before a store is opened: that connections are sessions, and that the database keeps every text.

use tokio::time::timeout;

use super::CONNECT_WAIT_MAX;
use super::error::{pooled, silent};
use super::server::{Connection, Server};
use crate::store::{ServerTrouble, StoreError};

/// Begins a transaction, and tells which process of the server runs it.
const BEGIN: &str = "BEGIN; SELECT pg_backend_pid()";
/// Who of the two begins first in each round. A pooler gives a new transaction the connection that came free last, or
/// the one that came free first: each of them is caught by one of these orders.
const ROUNDS: [[usize; 2]; 3] = [[0, 1], [0, 1], [1, 0]];

/// Two connections, each of them a session of its own.
///
/// Statements are prepared, settings made and news listened for once per connection: with a pooler that gives each
/// transaction another one, that holds only by chance. Two connections with a transaction each have two processes of the
/// server, and in a session each keeps its own.
pub(super) async fn sessions(server: &Server) -> Result<[Connection; 2], StoreError> {
    let pair = [server.open().await?, server.open().await?];
    let mut seen: [Option<String>; 2] = [None, None];
    for order in ROUNDS {
        for this in order {
            let of_this = begin(&pair, this, this == order[1]).await?;
            if seen[this].replace(of_this.clone()).is_some_and(|before| before != of_this) {
                return Err(pooled("a connection is given another process of the server for its next transaction"));
            }
        }
        for connection in &pair {
            timeout(CONNECT_WAIT_MAX, connection.run("COMMIT")).await.map_err(|_| silent())??;
        }
    }
    Ok(pair)
}

/// Begins a transaction on one of the two; gives the process that runs it. The second one's begins while the first
/// one's is open, and does not wait for it.
async fn begin(pair: &[Connection; 2], this: usize, is_second: bool) -> Result<String, StoreError> {
    let mut answer = std::pin::pin!(pair[this].ask(BEGIN));
    let begun = match timeout(CONNECT_WAIT_MAX, &mut answer).await {
        Ok(begun) => begun,
        Err(_) if is_second => {
            // If it goes on once the other one has ended, both share one connection.
            timeout(CONNECT_WAIT_MAX, pair[1 - this].run("COMMIT")).await.map_err(|_| silent())??;
            let begun = timeout(CONNECT_WAIT_MAX, answer).await;
            begun.map_err(|_| silent())??;
            return Err(pooled("a transaction waits for another connection's to end"));
        }
        Err(_) => return Err(silent()),
    };
    match begun {
        Ok(mut row) => row.pop().flatten().ok_or_else(silent),
        // No server refuses to begin a transaction; a pooler in statement mode does.
        Err(StoreError::Server(ServerTrouble::PoolerRefuses, why)) => Err(pooled(&why)),
        Err(error) => Err(error),
    }
}

/// Refuses a database that cannot keep every text. One without an encoding keeps what it is given, which is UTF-8.
pub(super) async fn keeps_every_text(connection: &Connection) -> Result<(), StoreError> {
    let row = timeout(CONNECT_WAIT_MAX, connection.ask("SELECT current_database(), getdatabaseencoding()")).await;
    let mut row = row.map_err(|_| silent())??.into_iter().flatten();
    let (database, encoding) = (row.next().unwrap_or_default(), row.next().unwrap_or_default());
    if ["UTF8", "SQL_ASCII"].contains(&encoding.as_str()) {
        return Ok(());
    }
    let text =
        format!("the encoding of database {database} is {encoding}, which has no place for every customer's name");
    Err(StoreError::Server(ServerTrouble::Encoding, text))
}
