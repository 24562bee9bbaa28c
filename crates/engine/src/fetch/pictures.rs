//! Pictures of clients (`logo_uri`), remembered for a while and shown by this service itself: a page that loaded them from elsewhere
//! would tell a stranger's host who signs in and when, and would send a request in the person's name to wherever a client says.

use std::sync::Arc;

use tokio::sync::Mutex;
use vestibule_model::time::Timestamp;

use super::FetchError;
use crate::Engine;

/// Seconds that a picture is good for.
const FRESH: i64 = 3600;
/// Seconds before it is asked for again because asking failed.
const AGAIN: i64 = 60;

/// A picture that browsers draw and that runs no script.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its media type, told by its first bytes.
    pub media_type: &'static str,
    /// The picture.
    pub bytes: Arc<[u8]>,
}

/// A picture as it was when it was last asked for. Whoever needs it while it is asked for waits for the same answer.
#[derive(Default)]
pub(crate) struct KeptPicture(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    picture: Option<Picture>,
    asked: Option<Timestamp>,
}

impl Engine {
    /// The picture at an address; none where it cannot be had or is of no sort that is shown.
    pub(crate) async fn picture(&self, address: &str) -> Option<Picture> {
        let outbound = self.outbound();
        let kept = outbound.pictures.get_with(address.to_owned(), Arc::default);
        let mut kept = kept.0.lock().await;
        let lasts = if kept.picture.is_some() { FRESH } else { AGAIN };
        let now = self.now();
        if kept.asked.is_some_and(|at| now < at.plus_seconds(lasts)) {
            return kept.picture.clone();
        }
        // Slow hosts of pictures keep nobody from keys and lists.
        let _place = outbound.picture_slots.try_acquire().ok()?;
        kept.asked = Some(now);
        kept.picture = match self.fetch_picture(address).await {
            Ok(picture) => Some(picture),
            Err(error) => {
                tracing::info!(%error, address, "the picture of a client cannot be had");
                None
            }
        };
        kept.picture.clone()
    }

    async fn fetch_picture(&self, address: &str) -> Result<Picture, FetchError> {
        let bytes = self
            .fetch_as(address, "image/png, image/jpeg, image/webp, image/gif")
            .await?;
        let media_type = media_type(&bytes).ok_or(FetchError::Useless("it is no picture"))?;
        Ok(Picture {
            media_type,
            bytes: bytes.into(),
        })
    }
}

/// What the first bytes say. Drawings that could hold scripts (SVG) are not among them.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn only_pictures_without_scripts() {
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\nrest"), Some("image/png"));
        assert_eq!(media_type(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(media_type(b"GIF89a"), Some("image/gif"));
        assert_eq!(media_type(b"RIFF1234WEBPVP8 "), Some("image/webp"));
        for bad in [
            &b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"[..],
            b"",
            b"GIF88a",
            b"<html>",
            b"RIFF1234WAVE",
        ] {
            assert_eq!(media_type(bad), None);
        }
    }
}
