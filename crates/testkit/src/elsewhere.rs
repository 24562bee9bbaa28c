//! A server of somebody else: what clients name as their own address.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A server on a port of this machine that answers what it was told to.
pub struct Elsewhere {
    address: SocketAddr,
    kept: Arc<Kept>,
    task: JoinHandle<()>,
}

struct Kept {
    answers: Mutex<HashMap<String, (u16, String)>>,
    requests: watch::Sender<Vec<(String, String)>>,
}

impl Elsewhere {
    /// Starts it. Every path is 404 until told otherwise.
    pub async fn start() -> Self {
        let kept = Arc::new(Kept {
            answers: Mutex::default(),
            requests: watch::Sender::new(Vec::new()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("a server");
        });
        Self {
            address,
            kept,
            task,
        }
    }

    /// The address of a path at a name of this machine.
    pub fn at(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        self.at("127.0.0.1", path)
    }

    /// Answers a path from now on.
    pub fn answer(&self, path: &str, status: u16, body: impl Into<String>) {
        let mut answers = self.kept.answers.lock();
        answers.insert(path.to_owned(), (status, body.into()));
    }

    /// Paths and bodies of the requests so far.
    pub fn requests(&self) -> Vec<(String, String)> {
        self.kept.requests.borrow().clone()
    }

    /// The requests, once there are so many.
    pub async fn wait_for(&self, count: usize) -> Vec<(String, String)> {
        let mut requests = self.kept.requests.subscribe();
        let all = requests.wait_for(|all| all.len() >= count).await;
        all.expect("requests").clone()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(kept): State<Arc<Kept>>, uri: Uri, body: Bytes) -> Response {
    let body = String::from_utf8_lossy(&body).into_owned();
    let path = uri.path().to_owned();
    let found = kept.answers.lock().get(&path).cloned();
    kept.requests.send_modify(|all| all.push((path, body)));
    let (status, body) = found.unwrap_or((404, String::new()));
    let status = StatusCode::from_u16(status).expect("a status");
    if status.is_redirection() {
        return (status, [("location", body)]).into_response();
    }
    (status, body).into_response()
}
