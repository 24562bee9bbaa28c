//! The connections of the service. One on which nothing is asked is closed after a while, also one whose request never becomes whole; one
//! that is being answered stays for as long as that takes.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    serve::Listener,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::ServiceExt;

/// How long a connection may be open without a whole request: longer than the 60 seconds for which proxies commonly keep one.
pub const IDLE: Duration = Duration::from_secs(75);
/// How long somebody who was told that the connection ends may still take to end it.
const LAST: Duration = Duration::from_secs(5);
/// How often the other side of an HTTP/2 connection has to say that it is there, and how long it may take.
const PING: Duration = Duration::from_secs(30);

/// Serves what a listener accepts until `stopping` says so and what is under way is answered. `idle` is how long a connection may be open
/// without a whole request.
pub async fn serve<L: Listener<Addr = SocketAddr>>(
    mut listener: L,
    app: Router,
    idle: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        let (io, from) = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        open.spawn(attend(io, (app.clone(), from), idle, stopping.clone()));
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn attend<Io>(
    io: Io,
    (app, from): (Router, SocketAddr),
    idle: Duration,
    mut stopping: watch::Receiver<bool>,
) where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (count, mut under_way) = watch::channel(0);
    let count = Arc::new(count);
    let service = service_fn(move |request: Request<Incoming>| {
        let counted = Counted::new(&count);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(from));
        let answering = app.clone().oneshot(request);
        async move {
            let answer = answering.await?;
            Ok::<_, Infallible>(answer.map(|body| Answer {
                body,
                _counted: counted,
            }))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut patience = pin!(sleep(idle));
    let mut leaving = false;
    loop {
        let unasked = *under_way.borrow() == 0;
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::trace!(%error, "a connection broke");
                }
                return;
            }
            Ok(()) = under_way.changed() => {
                let left = if leaving { LAST } else { idle };
                patience.as_mut().reset(Instant::now() + left);
            }
            () = patience.as_mut(), if unasked => {
                if leaving {
                    return;
                }
                leaving = true;
                connection.as_mut().graceful_shutdown();
                patience.as_mut().reset(Instant::now() + LAST);
            }
            _ = stopping.wait_for(|stop| *stop), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
                patience.as_mut().reset(Instant::now() + LAST);
            }
        }
    }
}

/// A request that is under way on its connection until this is dropped.
struct Counted(Arc<watch::Sender<usize>>);

impl Counted {
    fn new(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The body of an answer, to whose end the request is under way.
struct Answer {
    body: Body,
    _counted: Counted,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use futures_util::{StreamExt, stream};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::JoinHandle,
        time::timeout,
    };

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    /// So long that only what hangs takes longer.
    const LONG: Duration = Duration::from_secs(60);

    struct Served {
        address: SocketAddr,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    impl Served {
        async fn new(idle: Duration) -> Self {
            let slow = || {
                // Three pieces, each of which takes longer than a connection may be idle.
                let pieces = stream::iter(0..3).then(|_| async {
                    sleep(2 * SHORT).await;
                    Ok::<_, Infallible>("piece ")
                });
                Body::from_stream(pieces)
            };
            let app = Router::new()
                .route(
                    "/",
                    get(|| async { "here" }).post(|text: String| async { text }),
                )
                .route("/slow", get(move || async move { slow() }))
                .route(
                    "/work",
                    post(|text: String| async move {
                        sleep(3 * SHORT).await;
                        text
                    }),
                );
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopping) = watch::channel(false);
            let task = tokio::spawn(serve(listener, app, idle, stopping));
            Self {
                address,
                stop,
                task,
            }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }
    }

    /// What comes until the other side closes.
    async fn rest(mut connection: TcpStream) -> String {
        let mut all = Vec::new();
        // A connection that is cut off counts as closed.
        let _ = timeout(LONG, connection.read_to_end(&mut all))
            .await
            .expect("the connection is closed");
        String::from_utf8(all).unwrap()
    }

    #[tokio::test]
    async fn who_asks_nothing_is_not_waited_for() {
        let served = Served::new(SHORT).await;
        assert_eq!(rest(served.connect().await).await, "");
        // Half a header, and what may become HTTP/2.
        for half in ["GET / HTTP/1.1\r\nhost: a\r\nx: ", "PRI * HTTP/2.0\r\n"] {
            let mut connection = served.connect().await;
            connection.write_all(half.as_bytes()).await.unwrap();
            assert!(!rest(connection).await.contains("here"));
        }
    }

    #[tokio::test]
    async fn a_connection_without_another_request_is_closed() {
        let served = Served::new(SHORT).await;
        let mut connection = served.connect().await;
        let ask = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        connection
            .write_all(ask.repeat(2).as_bytes())
            .await
            .unwrap();
        let answers = rest(connection).await;
        assert_eq!(answers.matches("here").count(), 2, "{answers}");
    }

    #[tokio::test]
    async fn what_is_under_way_takes_its_time() {
        let served = Served::new(SHORT).await;
        let mut connection = served.connect().await;
        connection
            .write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let answer = rest(connection).await;
        assert_eq!(answer.matches("piece ").count(), 3, "{answer}");
        let mut connection = served.connect().await;
        connection
            .write_all(b"POST /work HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\ndone")
            .await
            .unwrap();
        assert!(rest(connection).await.ends_with("done"));
        // A body in pieces, between which nothing comes for long.
        let mut connection = served.connect().await;
        connection
            .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nsl")
            .await
            .unwrap();
        sleep(3 * SHORT).await;
        connection.write_all(b"ow").await.unwrap();
        assert!(rest(connection).await.ends_with("slow"));
    }

    #[tokio::test]
    async fn a_stop_waits_for_what_is_under_way_and_for_nothing_else() {
        let served = Served::new(10 * LONG).await;
        let mut half = served.connect().await;
        half.write_all(b"GET / HTTP/1.1\r\nhost").await.unwrap();
        let silent = served.connect().await;
        let mut asking = served.connect().await;
        asking
            .write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let mut first = [0; 4];
        asking.read_exact(&mut first).await.unwrap();
        served.stop.send_replace(true);
        let answer = rest(asking).await;
        assert_eq!(answer.matches("piece ").count(), 3, "{answer}");
        timeout(LONG, served.task).await.unwrap().unwrap();
        assert_eq!(rest(half).await + &rest(silent).await, "");
    }
}
