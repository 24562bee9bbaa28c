//! Bodies that come compressed with gzip or zstd, each of as many members or frames as it likes (RFC 1952 section 2.2, RFC 8878 section
//! 3.1). The window of zstd is at most 8 MiB, as RFC 9659 asks of this content encoding: the format would let a few bytes ask for a hundred
//! times that, for each request.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::tokio::bufread::GzipDecoder;
use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio_util::io::{ReaderStream, StreamReader};
use vestibule_engine::Error;
use zstd::{
    stream::raw::{Decoder, Operation},
    zstd_safe::DParameter,
};

use crate::error::by_plane;

/// Base-2 logarithm of the largest window in bytes.
const WINDOW_LOG: u32 = 23;
/// How many times as many bytes as came a body of zstd may unpack to, as many as gzip reaches at most: more is nothing but repetition,
const MOST_TIMES: u64 = 1032;
/// and is let pass up to so many bytes.
const FREE: u64 = 8 << 20;
/// Bytes that are unpacked at a time.
const AT_A_TIME: usize = 64 << 10;

/// The middleware. Other encodings are refused (RFC 9110 section 15.5.16).
pub(crate) async fn unpack(mut request: Request, next: Next) -> Response {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    let (encoding, more) = (encodings.next(), encodings.next());
    let name = encoding.map(|encoding| encoding.as_bytes().to_ascii_lowercase());
    let unpacked: fn(BodyDataStream) -> Body = match name.as_deref() {
        None | Some(b"" | b"identity") if more.is_none() => return next.run(request).await,
        Some(b"gzip" | b"x-gzip") if more.is_none() => from_gzip,
        Some(b"zstd") if more.is_none() => |body| Body::from_stream(Unpacked::new(body)),
        _ => {
            let error = Error::invalid("A body may be compressed once, with gzip or zstd.");
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let mut refused = by_plane(request.uri().path(), status, error);
            let known = HeaderValue::from_static("gzip, zstd");
            refused.headers_mut().insert(header::ACCEPT_ENCODING, known);
            return refused;
        }
    };
    request.headers_mut().remove(header::CONTENT_ENCODING);
    request.headers_mut().remove(header::CONTENT_LENGTH);
    next.run(request.map(|body| unpacked(body.into_data_stream())))
        .await
}

fn from_gzip(body: BodyDataStream) -> Body {
    let packed = StreamReader::new(body.map_err(io::Error::other));
    let mut decoder = GzipDecoder::new(packed);
    decoder.multiple_members(true);
    Body::from_stream(ReaderStream::with_capacity(decoder, AT_A_TIME))
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
    /// Bytes that came, and bytes that they made.
    came: u64,
    made: u64,
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
            came: 0,
            made: 0,
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
        self.came += status.bytes_read as u64;
        self.made += status.bytes_written as u64;
        if self.made > FREE && self.made / MOST_TIMES > self.came {
            let what = format!("it unpacks to more than {MOST_TIMES} times its size");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
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
