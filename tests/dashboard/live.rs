//! The stream that keeps open pages up to date.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::samples::Sale;
use crate::kit::world::World;
use crate::visitor::Visitor;

/// An open stream, and what came over it so far.
struct Stream {
    connection: TcpStream,
    heard: String,
}

impl Stream {
    async fn open(visitor: &Visitor<'_>) -> Self {
        let mut connection = TcpStream::connect(visitor.world.addr()).await.expect("connected");
        let head = visitor.request("GET", "/api/v1/stream").head_with("");
        connection.write_all(&head).await.expect("written");
        let mut stream = Self { connection, heard: String::new() };
        stream.hear("\r\n\r\n").await;
        stream
    }

    /// Reads on until it has heard `end`, and gives what stood before; nothing when the stream ended first.
    async fn hear(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some((before, after)) = self.heard.split_once(end) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.heard = after;
                return Some(before);
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(std::time::Duration::from_secs(60), self.connection.read(&mut bytes));
            match read.await.expect("something in a minute") {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.heard.push_str(&String::from_utf8_lossy(&bytes[..n])),
            }
        }
    }

    /// The next state.
    async fn state(&mut self) -> Option<Value> {
        loop {
            let said = self.hear("\n\n").await?;
            if let Some((_, data)) = said.split_once("data: ") {
                return Some(serde_json::from_str(data).expect("JSON"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_the_whole_state_tells_of_changes_and_ends_with_the_bridge() {
    let mut world = World::new().await;
    world.leave.open = true;
    let cookie = Visitor::enter(&world).await.cookie;
    let visitor = Visitor { world: &world, cookie };
    let mut stream = Stream::open(&visitor).await;
    let first = stream.state().await.expect("a state");
    assert_eq!((&first["needs_attention"], &first["stats"]["events"]), (&0.into(), &serde_json::json!({})), "{first}");
    // The page that was rendered in this state says so.
    let page = visitor.page("/").await;
    assert!(page.contains(&format!("data-state=\"{}\"", first["fingerprint"].as_str().expect("a text"))), "{page}");
    let email = world.email("ada");
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    let told = loop {
        let state = stream.state().await.expect("a state");
        if state["stats"]["deliveries"]["delivered"] == 1 {
            break state;
        }
    };
    assert_ne!(told["fingerprint"], first["fingerprint"]);
    // The first code ticks a step of the Set-up page.
    assert_eq!(told["stats"]["code_came"], false);
    world.stripe(&Sale::new("s2", &world.email("ben"), world.ago(60)).code("BAYO15").event()).await;
    while stream.state().await.expect("a state")["stats"]["code_came"] != true {}
    world.idle().await;
    world.end().await;
    assert!(stream.state().await.is_none(), "it ends with the bridge");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_streams_and_no_more_and_none_without_a_session() {
    let world = World::new().await;
    let visitor = Visitor::enter(&world).await;
    crate::kit::wire::Request::new("GET", "/api/v1/stream").send(world.addr()).await.is_problem(401, "unauthorized");
    let mut open = Vec::new();
    for _ in 0..64 {
        let mut stream = Stream::open(&visitor).await;
        assert!(stream.state().await.is_some());
        open.push(stream);
    }
    visitor.get("/api/v1/stream").await.is_problem(503, "too_many_streams");
    open.clear();
    // A place is free again as soon as the bridge has seen that nobody listens.
    crate::kit::until("a place is free", async || {
        world
            .stripe(&Sale::new(&format!("s{}", rand::random::<u32>()), &world.email("b"), world.ago(60)).event())
            .await;
        let mut stream = Stream::open(&visitor).await;
        stream.state().await
    })
    .await;
    world.idle().await;
    world.end().await;
}
