//! Bodies of imports.

use axum::extract::{FromRequest, Request};
use futures_util::StreamExt;
use serde::Deserialize;
use vestibule_engine::{Error, Kind, moving::Record};

use crate::{App, error::ManagementError, extract::parse};

/// The users of an import: the `users` of an export object, or a bare array. Larger than other bodies may be.
pub(super) struct ImportBody(pub Vec<Record>);

#[derive(Deserialize)]
struct Export {
    users: Vec<Record>,
}

impl FromRequest<App> for ImportBody {
    type Rejection = ManagementError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ManagementError> {
        let most = app.limits.import_body;
        let mut body = request.into_body().into_data_stream();
        let mut bytes = Vec::new();
        while let Some(part) = body.next().await {
            let part = part.map_err(|_| Error::invalid("The request body could not be read."))?;
            if bytes.len() + part.len() > most {
                return Err(too_large(most).into());
            }
            bytes.extend_from_slice(&part);
        }
        // Tens of megabytes take a while to read.
        let records = tokio::task::spawn_blocking(move || read(&bytes))
            .await
            .map_err(Error::internal)??;
        Ok(Self(records))
    }
}

fn read(bytes: &[u8]) -> Result<Vec<Record>, Error> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => parse(bytes),
        _ => parse::<Export>(bytes).map(|export| export.users),
    }
}

fn too_large(most: usize) -> Error {
    Error::new(
        Kind::TooLarge,
        "too_large",
        format!(
            "An import takes at most {most} bytes at once. Divide the users and import them in parts."
        ),
    )
}
