//! What handlers of this plane take from requests.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Multipart, RawPathParams, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use vestibule_engine::{
    Error, Kind,
    runtime::{ClientCertificate, ClientRequest, Possession},
};
use vestibule_model::id::TenantId;
use vestibule_wire::parameters::Parameters;

use crate::{App, error::OauthError, proxy::Peer};

/// The `{tenantId}` of the path.
pub(super) struct At(pub(super) TenantId);

impl FromRequestParts<App> for At {
    type Rejection = OauthError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, OauthError> {
        let missing = || Error::not_found("There is no such instance.");
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| missing())?;
        let id = params
            .iter()
            .find(|(name, _)| *name == "tenantId")
            .and_then(|(_, value)| TenantId::parse(value).ok())
            .ok_or_else(missing)?;
        Ok(Self(id))
    }
}

/// A request of an application: a form in any of the three encodings that App ID's clients use.
pub(super) struct ClientCall {
    tenant: TenantId,
    authorization: Option<String>,
    form: Parameters,
    from: IpAddr,
    shown: Shown,
}

/// What a request shows of a key or a certificate, and what the request is.
#[derive(Default)]
pub(super) struct Shown {
    proof: Option<(String, String, String)>,
    certificate: Option<ClientCertificate>,
}

impl Shown {
    /// Reads the `DPoP` headers, of which several make no proof, and what a trusted proxy said of the certificate.
    ///
    /// # Errors
    /// `Invalid` for a certificate that a trusted proxy passed on and that cannot be read.
    pub(super) fn of(parts: &Parts) -> Result<Self, Error> {
        let unreadable = |_| Error::invalid("The client certificate cannot be read.");
        let certificate = match parts.extensions.get::<Peer>() {
            Some(peer) => peer.certificate.clone().map_err(unreadable)?,
            None => None,
        };
        let headers = parts.headers.get_all("dpop").iter();
        let mut proofs: Vec<&str> = headers
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        proofs.truncate(2);
        let proof = (!proofs.is_empty()).then(|| {
            (
                proofs.join(","),
                parts.method.to_string(),
                parts.uri.path().to_owned(),
            )
        });
        Ok(Self { proof, certificate })
    }

    /// For the engine.
    pub(super) fn possession(&self) -> Possession<'_> {
        let certificate = self.certificate.as_ref();
        match &self.proof {
            Some((proof, method, path)) => Possession {
                proof: Some(proof),
                method,
                path,
                certificate,
            },
            None => Possession {
                certificate,
                ..Possession::default()
            },
        }
    }
}

impl ClientCall {
    /// For the engine.
    pub(super) fn request(&self) -> ClientRequest<'_> {
        ClientRequest {
            tenant: self.tenant,
            authorization: self.authorization.as_deref(),
            form: &self.form,
            from: self.from,
            possession: self.shown.possession(),
        }
    }
}

impl FromRequest<App> for ClientCall {
    type Rejection = OauthError;

    async fn from_request(request: Request, app: &App) -> Result<Self, OauthError> {
        let (mut parts, body) = request.into_parts();
        let At(tenant) = At::from_request_parts(&mut parts, app).await?;
        let authorization = match parts.headers.get(header::AUTHORIZATION) {
            Some(value) => Some(
                value
                    .to_str()
                    .map_err(|_| Error::invalid("The Authorization header is not text."))?
                    .to_owned(),
            ),
            None => None,
        };
        let (from, shown) = (client_address(&parts), Shown::of(&parts)?);
        let form = read_form(Request::from_parts(parts, body), app).await?;
        Ok(Self {
            tenant,
            authorization,
            form,
            from,
            shown,
        })
    }
}

/// Where a request came from: the other end of the connection, before trusted proxies.
pub(super) fn client_address(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address)
}

/// Reads a form: multipart, JSON or urlencoded, told apart by content type and, where that is missing, by the first byte.
pub(super) async fn read_form(request: Request, app: &App) -> Result<Parameters, Error> {
    let media = media_type(request.headers());
    if media == "multipart/form-data" {
        return read_multipart(request, app).await;
    }
    let bytes = Bytes::from_request(request, app)
        .await
        .map_err(|rejection| unreadable(rejection.status()))?;
    let json = media == "application/json" || (media.is_empty() && bytes.starts_with(b"{"));
    if json {
        Ok(Parameters::from_json(&bytes)?)
    } else {
        Ok(Parameters::from_form(&bytes)?)
    }
}

async fn read_multipart(request: Request, app: &App) -> Result<Parameters, Error> {
    let mut multipart = Multipart::from_request(request, app)
        .await
        .map_err(|rejection| unreadable(rejection.status()))?;
    let mut pairs = Vec::new();
    while let Some(field) = multipart
        .next_field()
        .await
        .map_err(|error| unreadable(error.status()))?
    {
        let Some(name) = field.name().map(str::to_owned) else {
            continue;
        };
        let value = field
            .text()
            .await
            .map_err(|error| unreadable(error.status()))?;
        pairs.push((name, value));
    }
    Ok(Parameters::from_pairs(pairs)?)
}

/// The media type of a body, without parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn unreadable(status: StatusCode) -> Error {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        Error::new(
            Kind::TooLarge,
            "invalid_request",
            "The request body is larger than this service accepts.",
        )
    } else {
        Error::invalid("The request body could not be read.")
    }
}
