//! A connection that sends prepared requests and reads answers with `Content-Length`, and costs next to nothing.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
pub struct Answer {
    /// Status code.
    pub status: u16,
    head: Vec<u8>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(&self.head)
            .ok()?
            .lines()
            .find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim())
            })
    }
}

impl Connection {
    /// Connects.
    pub async fn open(address: &str) -> Result<Self> {
        Self::open_from(Ipv4Addr::LOCALHOST, address).await
    }

    /// The same from one of the addresses of this machine.
    pub async fn open_from(from: Ipv4Addr, address: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4().context("no socket")?;
        socket
            .bind((from, 0).into())
            .context("cannot take the address")?;
        let address = address.parse().context("no address")?;
        let stream = socket.connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 << 10),
        })
    }

    /// Sends a whole prepared request and reads its answer.
    pub async fn call(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream
            .write_all(request)
            .await
            .context("cannot send")?;
        self.buffer.clear();
        loop {
            if let Some((status, start, length)) = head(&self.buffer)? {
                while self.buffer.len() < start + length {
                    self.fill().await?;
                }
                let body = self
                    .buffer
                    .get(start..start + length)
                    .unwrap_or_default()
                    .to_vec();
                let head = self.buffer.get(..start).unwrap_or_default().to_vec();
                return Ok(Answer { status, head, body });
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<()> {
        if self
            .stream
            .read_buf(&mut self.buffer)
            .await
            .context("cannot read")?
            == 0
        {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

/// Status, start and length of the body, once the head has arrived.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())
        .context("the head is not text")?;
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("no status")?;
    let length = text
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        })
        .unwrap_or(0);
    Ok(Some((status, end + 4, length)))
}

/// A request as bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n",
        body.len()
    )
    .into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
