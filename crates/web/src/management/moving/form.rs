//! Forms with a file of any size, of which a bounded piece is in memory at a time.
//!
//! The reader of forms takes whatever its body has ready before it looks at any of it, and all of what it looks for the end of. A body
//! that comes compressed has as much ready as it can be unpacked to. So it gets a piece at a time here, and an error once it has
//! taken many without handing one on.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, BodyDataStream},
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError, MultipartRejection},
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use vestibule_engine::moving::Broken;

use crate::drain::Attendance;

/// Most bytes of a piece.
const PIECE: usize = 64 << 10;
/// Most bytes that may be read to find the beginning of the next field.
const AHEAD: usize = 4 * PIECE;

/// A form that is read piece by piece.
pub(super) struct Form {
    form: Multipart,
    ahead: Arc<AtomicUsize>,
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = MultipartRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, MultipartRejection> {
        let ahead = Arc::<AtomicUsize>::default();
        Attendance::take(&request);
        let request = request.map(|body| {
            Body::from_stream(Pieces {
                body: body.into_data_stream(),
                rest: Bytes::new(),
                pause: false,
                ahead: Arc::clone(&ahead),
            })
        });
        let form = Multipart::from_request(request, state).await?;
        Ok(Self { form, ahead })
    }
}

impl Form {
    /// The next field.
    pub(super) async fn next(&mut self) -> Result<Option<Part<'_>>, Broken> {
        let field = self.form.next_field().await.map_err(broken)?;
        self.ahead.store(0, Ordering::SeqCst);
        let ahead = &self.ahead;
        Ok(field.map(|field| Part { field, ahead }))
    }
}

/// A field of a form.
pub(super) struct Part<'a> {
    field: Field<'a>,
    ahead: &'a AtomicUsize,
}

impl Part<'_> {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// The next bytes of it.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        let chunk = self.field.chunk().await.map_err(broken)?;
        self.ahead.store(0, Ordering::SeqCst);
        Ok(chunk)
    }
}

/// A body in pieces, between which the reader is made to look at what it has.
struct Pieces {
    body: BodyDataStream,
    rest: Bytes,
    pause: bool,
    ahead: Arc<AtomicUsize>,
}

impl Stream for Pieces {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pause) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            match ready!(self.body.poll_next_unpin(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        self.pause = true;
        if self.ahead.fetch_add(length, Ordering::SeqCst) > AHEAD {
            let error = io::Error::other("too much stands beside its fields");
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

fn broken(error: MultipartError) -> Broken {
    Broken(format!(
        "The form could not be read: {}.",
        error.body_text()
    ))
}
