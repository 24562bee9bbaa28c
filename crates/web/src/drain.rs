//! Attends the bodies of requests. One that stands still for too long breaks off.
//!
//! Reads what a handler left of a request's body before the answer goes out. Otherwise the connection is closed under the client:
//! one that is still sending never sees why it was refused, and one that reuses its connection finds it gone.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};

use crate::App;

/// At most this many bytes are read for the sake of an answer.
const MOST: usize = 16 << 20;
/// And for no longer than this.
const LONGEST: Duration = Duration::from_secs(5);

/// Lets a handler say that it decides itself how long it waits for the body.
#[derive(Clone, Default)]
pub(crate) struct Attendance(Arc<AtomicBool>);

impl Attendance {
    /// Nobody else looks at the time any more that the body of this request takes.
    pub(crate) fn take(request: &Request) {
        if let Some(attendance) = request.extensions().get::<Self>() {
            attendance.0.store(true, Ordering::Relaxed);
        }
    }
}

/// The middleware. An answer to a body that was not read to its end says `Connection: close`.
pub(crate) async fn drain(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (request, mut left) = lend(request, app.limits.silence);
    let mut response = next.run(request).await;
    if let Ok(rest) = left.try_recv()
        && !read(rest).await
    {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The request with a body that breaks off after so long a silence and comes back when it is dropped.
fn lend(request: Request, silence: Duration) -> (Request, oneshot::Receiver<BodyDataStream>) {
    let (mut parts, body) = request.into_parts();
    let attendance = Attendance::default();
    parts.extensions.insert(attendance.clone());
    let (give_back, left) = oneshot::channel();
    let lent = Lent {
        stream: Some(body.into_data_stream()),
        give_back: Some(give_back),
        silence,
        patience: None,
        attendance,
    };
    (Request::from_parts(parts, Body::from_stream(lent)), left)
}

/// Whether the end was reached.
async fn read(mut rest: BodyDataStream) -> bool {
    let reading = async {
        let mut seen = 0_usize;
        while let Some(Ok(bytes)) = rest.next().await {
            seen = seen.saturating_add(bytes.len());
            if seen > MOST {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(LONGEST, reading)
        .await
        .unwrap_or(false)
}

/// A body that comes back when its reader drops it before the end.
struct Lent {
    stream: Option<BodyDataStream>,
    give_back: Option<oneshot::Sender<BodyDataStream>>,
    silence: Duration,
    /// Runs while the sender is waited for.
    patience: Option<Pin<Box<Sleep>>>,
    attendance: Attendance,
}

impl Lent {
    /// Whether the sender, who sent nothing just now, has sent nothing for too long.
    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        if self.attendance.0.load(Ordering::Relaxed) {
            return false;
        }
        let silence = self.silence;
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(silence)));
        patience.as_mut().poll(context).is_ready()
    }
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = self.stream.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = stream.poll_next_unpin(context);
        if polled.is_pending() {
            if !self.is_silent(context) {
                return Poll::Pending;
            }
            self.stream = None;
            let error = io::Error::from(io::ErrorKind::TimedOut);
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        self.patience = None;
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.stream = None;
        }
        polled
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(stream), Some(give_back)) = (self.stream.take(), self.give_back.take()) {
            // Nobody waits for it once the request is answered.
            drop(give_back.send(stream));
        }
    }
}
