//! A way to a service that stops in the middle, so that whatever goes over it can be interrupted there.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A way that lets so many bytes of each connection through, in either direction.
pub struct Throttle {
    /// Where it begins.
    pub url: String,
    most: Arc<AtomicU64>,
}

impl Throttle {
    /// A way to this service, as wide as may be.
    pub async fn before(service: &str) -> Self {
        let to = service.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let most = Arc::new(AtomicU64::new(u64::MAX));
        let limit = Arc::clone(&most);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let Ok(to) = TcpStream::connect(&to).await else {
                    continue;
                };
                let ((up, down), (back, forth)) = (from.into_split(), to.into_split());
                tokio::spawn(carry(up, forth, Arc::clone(&limit)));
                tokio::spawn(carry(back, down, Arc::clone(&limit)));
            }
        });
        Self { url, most }
    }

    /// Lets only this many bytes through.
    pub fn narrow(&self, bytes: u64) {
        self.most.store(bytes, Ordering::SeqCst);
    }

    /// Lets everything through, of connections that begin now.
    pub fn widen(&self) {
        self.narrow(u64::MAX);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, most: Arc<AtomicU64>) {
    let most = most.load(Ordering::SeqCst);
    let (mut buffer, mut passed) = (vec![0; 4096], 0);
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        passed += n as u64;
        // What is too much gets lost on the way.
        if passed > most {
            continue;
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            break;
        }
    }
}
