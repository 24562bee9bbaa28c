//! A way to a server that can be cut, and that can lose answers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What PostgreSQL is told to keep a transaction.
const COMMIT: &[u8] = b"COMMIT";

/// Stands between a client and a PostgreSQL server.
pub struct Proxy {
    /// The URL of the database by way of this.
    pub url: String,
    state: Arc<State>,
    cut: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    away: AtomicBool,
    /// Answers to commits that are still to be lost.
    lost: AtomicU32,
}

impl Proxy {
    /// Before the database of this URL, which names a host and a port.
    pub async fn to(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (authority, path) = rest.split_once('/').expect("a database");
        let (user, server) = authority.rsplit_once('@').expect("a user");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::<State>::default();
        let (cut, cuts) = watch::channel(0);
        let accepting = tokio::spawn(accept(
            listener,
            server.to_owned(),
            Arc::clone(&state),
            cuts,
        ));
        Self {
            url: format!("{scheme}://{user}@127.0.0.1:{port}/{path}"),
            state,
            cut,
            accepting,
        }
    }

    /// Breaks all connections and refuses new ones.
    pub fn cut(&self) {
        self.state.away.store(true, Ordering::SeqCst);
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Lets connections through again.
    pub fn restore(&self) {
        self.state.away.store(false, Ordering::SeqCst);
    }

    /// Lets the next commits through and loses the answers to them, with their connections.
    pub fn lose_answers(&self, commits: u32) {
        self.state.lost.fetch_add(commits, Ordering::SeqCst);
    }

    /// Loses no further answer.
    pub fn lose_none(&self) {
        self.state.lost.store(0, Ordering::SeqCst);
    }

    /// Answers that are still to be lost.
    pub fn to_lose(&self) -> u32 {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: String,
    state: Arc<State>,
    cuts: watch::Receiver<u64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        if state.away.load(Ordering::SeqCst) {
            continue;
        }
        let (server, state, mut cuts) = (server.clone(), Arc::clone(&state), cuts.clone());
        tokio::spawn(async move {
            cuts.mark_unchanged();
            if let Ok(server) = TcpStream::connect(&server).await {
                tokio::select! {
                    () = pass(client, server, &state) => {}
                    _ = cuts.changed() => {}
                }
            }
        });
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, state: &State) {
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut losing = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Some(bytes) = asked.get(..read.unwrap_or(0)).filter(|b| !b.is_empty()) else { return };
                losing |= bytes.windows(COMMIT.len()).any(|at| at == COMMIT)
                    && state
                        .lost
                        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                        .is_ok();
                if server.write_all(bytes).await.is_err() { return }
            }
            read = server.read(&mut answered) => {
                let Some(bytes) = answered.get(..read.unwrap_or(0)).filter(|b| !b.is_empty()) else { return };
                if losing || client.write_all(bytes).await.is_err() { return }
            }
        }
    }
}
