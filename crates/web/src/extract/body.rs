//! JSON bodies, with errors that say where the JSON is wrong.

use std::marker::PhantomData;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    response::IntoResponse,
};
use serde::de::DeserializeOwned;
use vestibule_engine::{Error, Kind};

use crate::{App, error::ManagementError};

/// A JSON body. The content type is not looked at (clients label JSON in many ways); unknown members are ignored, as SDKs send
/// them. Too large a body is 413 `too_large`; malformed JSON is 400 with line and column. An array is refused: no API here takes one
/// on its own, and serde would read it as a struct's members in their order.
/// `E` is the dialect in which a bad body is refused.
pub struct JsonBody<T, E = ManagementError>(pub T, pub PhantomData<E>);

impl<T, E> FromRequest<App> for JsonBody<T, E>
where
    T: DeserializeOwned,
    E: From<Error> + IntoResponse,
{
    type Rejection = E;

    async fn from_request(request: Request, app: &App) -> Result<Self, E> {
        let bytes = Bytes::from_request(request, app)
            .await
            .map_err(|rejection| {
                if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                    Error::new(
                        Kind::TooLarge,
                        "too_large",
                        "The request body is larger than this service accepts.",
                    )
                } else {
                    Error::invalid("The request body could not be read.")
                }
            })?;
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(Error::invalid("The request body must be a JSON object.").into());
        }
        Ok(Self(parse(&bytes)?, PhantomData))
    }
}

/// Reads JSON that must be there.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    if bytes.is_empty() {
        return Err(Error::invalid("A JSON body is required."));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let sort = match error.classify() {
            serde_json::error::Category::Data => "does not have the expected shape",
            _ => "is not valid JSON",
        };
        Error::invalid(format!("The request body {sort}: {error}."))
    })
}
