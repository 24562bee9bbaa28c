//! Bodies that come compressed with zstd. Their window is at most 8 MiB, as RFC 9659 asks of this content encoding: the format would let a
//! few bytes ask for a hundred times that, for each request.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use zstd::{
    stream::raw::{Decoder, Operation},
    zstd_safe::DParameter,
};

/// Base-2 logarithm of the largest window in bytes.
const WINDOW_LOG: u32 = 23;
/// Bytes that are unpacked at a time.
const AT_A_TIME: usize = 64 << 10;

/// The middleware. Other encodings are left to others.
pub(crate) async fn unpack(mut request: Request, next: Next) -> Response {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"zstd")) {
        request.headers_mut().remove(header::CONTENT_ENCODING);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        request = request.map(|body| Body::from_stream(Unpacked::new(body.into_data_stream())));
    }
    next.run(request).await
}

/// What a body holds, unpacked as it is asked for and not before.
struct Unpacked {
    body: BodyDataStream,
    decoder: Option<Decoder<'static>>,
    packed: Bytes,
    unpacked: Box<[u8]>,
    /// Whether the decoder may hold more than it gave.
    holds: bool,
    /// Whether a frame is begun and not ended.
    inside: bool,
}

impl Unpacked {
    fn new(body: BodyDataStream) -> Self {
        Self {
            body,
            decoder: None,
            packed: Bytes::new(),
            unpacked: vec![0; AT_A_TIME].into_boxed_slice(),
            holds: false,
            inside: false,
        }
    }

    /// Unpacks some of what there is.
    fn run(&mut self) -> io::Result<Bytes> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => {
                let mut decoder = Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
                none.insert(decoder)
            }
        };
        let status = decoder.run_on_buffers(&self.packed, &mut self.unpacked)?;
        self.packed.advance(status.bytes_read);
        self.holds = status.bytes_written == self.unpacked.len();
        // Behind the end of a frame it would only be said how the next one begins.
        if status.bytes_read + status.bytes_written > 0 {
            self.inside = status.remaining > 0;
        }
        let unpacked = self.unpacked.get(..status.bytes_written);
        Ok(Bytes::copy_from_slice(unpacked.unwrap_or_default()))
    }
}

impl Stream for Unpacked {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            while self.holds || !self.packed.is_empty() {
                match self.run() {
                    Ok(bytes) if bytes.is_empty() => {}
                    Ok(bytes) => return Poll::Ready(Some(Ok(bytes))),
                    Err(error) => {
                        self.packed = Bytes::new();
                        self.holds = false;
                        return Poll::Ready(Some(Err(axum::Error::new(error))));
                    }
                }
            }
            match ready!(self.body.poll_next_unpin(context)) {
                Some(Ok(packed)) => self.packed = packed,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if self.inside => {
                    self.inside = false;
                    let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Some(Err(axum::Error::new(error))));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}
