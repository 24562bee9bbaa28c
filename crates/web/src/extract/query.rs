//! Query strings.

use std::marker::PhantomData;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
    response::IntoResponse,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vestibule_engine::{Error, Page};

use crate::{App, error::ManagementError};

/// The parameters of the query string; unknown ones are ignored. `E` is the dialect in which bad ones are refused.
pub struct QueryOf<T, E = ManagementError>(pub T, pub PhantomData<E>);

impl<T, E> FromRequestParts<App> for QueryOf<T, E>
where
    T: DeserializeOwned,
    E: From<Error> + IntoResponse,
{
    type Rejection = E;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, E> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query, PhantomData)),
            Err(error) => Err(Error::invalid(format!("{}.", error.body_text())).into()),
        }
    }
}

/// Which part of a list is asked for. Rows count from 0 (contract/README.md, "Easy to miss").
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paging {
    /// First row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_index: Option<u32>,
    /// Rows at most; a larger number than a call allows means the most it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl Paging {
    /// The page meant, where a call answers `usual` rows when not told and never more than `most`.
    pub fn page(self, usual: u32, most: u32) -> Page {
        Page {
            start: self.start_index.unwrap_or(0),
            count: self.count.unwrap_or(usual).min(most),
        }
    }
}
