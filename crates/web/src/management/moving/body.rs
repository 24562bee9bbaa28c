//! Bodies of imports.

use std::fmt;

use axum::extract::{FromRequest, Request};
use futures_util::StreamExt;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use vestibule_engine::{Error, Kind, moving::Record};

use crate::{App, error::ManagementError, extract::parse};

/// Most users of one import: a body of the largest size holds millions of records that are none, and each is answered.
const MOST: usize = 500_000;

/// The users of an import: the `users` of an export object, or a bare array. Larger than other bodies may be.
pub(super) struct ImportBody(pub Vec<Record>);

#[derive(Deserialize)]
struct Export {
    users: Users,
}

/// At most [`MOST`] users.
struct Users(Vec<Record>);

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Users;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of users")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Users, A::Error> {
                let mut users = Vec::new();
                while let Some(user) = seq.next_element()? {
                    if users.len() >= MOST {
                        return Err(A::Error::custom("more than 500000 users"));
                    }
                    users.push(user);
                }
                Ok(Users(users))
            }
        }

        deserializer.deserialize_seq(Array)
    }
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
        Some(b'[') => parse::<Users>(bytes).map(|users| users.0),
        _ => parse::<Export>(bytes).map(|export| export.users.0),
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
