//! Connections that are cut off when their other side takes nothing of what it is sent for too long: what is kept for it would otherwise be
//! kept for ever.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a client may take nothing of an answer, unless told otherwise.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// A listener whose connections fail a write that makes no progress for a while.
pub struct Attended<L> {
    listener: L,
    stall: Duration,
}

impl<L> Attended<L> {
    /// Around another listener. `stall` is how long a write may make no progress.
    pub fn new(listener: L, stall: Duration) -> Self {
        Self { listener, stall }
    }
}

impl<L: Listener> Listener for Attended<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, address) = self.listener.accept().await;
        let connection = Connection {
            io,
            stall: self.stall,
            patience: None,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection of an [`Attended`] listener.
pub struct Connection<Io> {
    io: Io,
    stall: Duration,
    /// Runs while a write waits for the other side.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<Io> Connection<Io> {
    /// What came of a write: an error once it waits for too long.
    fn attend<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.patience = None;
            return written;
        }
        let stall = self.stall;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(stall)));
        if patience.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client took nothing of the answer for too long",
        )))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Connection<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(context, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Connection<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.attend(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(context, bytes);
        this.attend(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(context);
        this.attend(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.io).poll_shutdown(context);
        this.attend(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn connection(io: DuplexStream, stall: Duration) -> Connection<DuplexStream> {
        Connection {
            io,
            stall,
            patience: None,
        }
    }

    #[tokio::test]
    async fn who_takes_nothing_is_cut_off() {
        let (server, client) = duplex(64);
        let mut connection = connection(server, Duration::from_millis(50));
        let error = connection.write_all(&[7; 1000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }

    #[tokio::test]
    async fn who_takes_a_little_at_a_time_gets_all() {
        let (server, mut client) = duplex(64);
        let mut connection = connection(server, Duration::from_secs(20));
        let writing = tokio::spawn(async move { connection.write_all(&[7; 1000]).await });
        let mut taken = [0; 40];
        let mut left = 1000;
        while left > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            left -= client.read(&mut taken).await.unwrap();
        }
        writing.await.unwrap().unwrap();
    }
}
