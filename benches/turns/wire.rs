//! HTTP/1.1 over a connection that stays, with nothing around it: what measures must cost little itself.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest message that is read, bytes: ours have 6 KiB.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// One end of a connection.
pub struct Wire {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// How many of the bytes are the message that was read last.
    taken: usize,
}

impl Wire {
    pub async fn connect(to: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(to).await?)
    }

    pub fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, bytes: Vec::with_capacity(8192), taken: 0 })
    }

    /// Sends a request and reads its answer; gives the answer's status.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<u16> {
        self.write(request).await?;
        let answer = self.read().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        status.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    pub async fn write(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await
    }

    /// The next whole message; nothing when the other end has closed the connection.
    pub async fn read(&mut self) -> io::Result<Option<&[u8]>> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        loop {
            if let Some(length) = length(&self.bytes).filter(|length| *length <= self.bytes.len()) {
                self.taken = length;
                return Ok(self.bytes.get(..length));
            }
            if self.bytes.len() > MESSAGE_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// The length of a message with its head, once the head is whole. A message without `Content-Length` has no body.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let lines = bytes.get(..head)?.split(|byte| *byte == b'\n');
    let body = lines.filter_map(|line| std::str::from_utf8(line).ok()?.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    Some(head + body.unwrap_or(0))
}

/// Where these bytes begin.
pub fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
