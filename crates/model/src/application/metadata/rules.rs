//! The rules that metadata obey.

use std::net::IpAddr;

use super::{
    AuthMethod, ClientMetadata, ClientSurface, DistinguishedName, SignatureAlgorithm, SubjectType,
    keys, uri,
};
use crate::{Invalid, text::is_hidden};

/// Most entries a list has.
const MOST: usize = 50;
/// What a client can show for tokens.
const GRANTS: [&str; 7] = [
    "authorization_code",
    "password",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// What of it a client can show that does not prove who it is.
const PUBLIC_GRANTS: [&str; 3] = [
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
];

pub(super) fn check(m: &ClientMetadata) -> Result<(), Invalid> {
    redirects(m)?;
    texts(m)?;
    addresses(m)?;
    grants(m)?;
    algorithms(m)?;
    proof(m)?;
    certificate(m)?;
    if m.subject_type == Some(SubjectType::Pairwise)
        && !m.redirect_uris.is_empty()
        && m.sector().is_none()
    {
        return Err(Invalid::new(
            "sector_identifier_uri",
            "is needed where redirect URIs have several hosts, or none",
        ));
    }
    Ok(())
}

fn redirects(m: &ClientMetadata) -> Result<(), Invalid> {
    let surface = m.application_type.unwrap_or(ClientSurface::Web);
    for (field, uris) in [
        ("redirect_uris", &m.redirect_uris),
        ("post_logout_redirect_uris", &m.post_logout_redirect_uris),
    ] {
        few(field, uris)?;
        if uris.iter().any(|text| !uri::is_redirect(text, surface)) {
            return Err(Invalid::new(
                field,
                "each must be an https URI, an http URI of this machine or, for a native client, a URI with a scheme of its own \
                 that holds a dot; without fragment, user, wildcard and white space; 2000 bytes at most",
            ));
        }
    }
    Ok(())
}

fn texts(m: &ClientMetadata) -> Result<(), Invalid> {
    for (field, text, most) in [
        ("client_name", &m.client_name, 200),
        ("software_id", &m.software_id, 200),
        ("software_version", &m.software_version, 100),
        (
            "tls_client_auth_subject_dn",
            &m.tls_client_auth_subject_dn,
            1000,
        ),
        ("tls_client_auth_san_dns", &m.tls_client_auth_san_dns, 300),
        ("tls_client_auth_san_uri", &m.tls_client_auth_san_uri, 2000),
        ("tls_client_auth_san_ip", &m.tls_client_auth_san_ip, 50),
        (
            "tls_client_auth_san_email",
            &m.tls_client_auth_san_email,
            320,
        ),
    ] {
        if text.as_deref().is_some_and(|text| !is_line(text, most)) {
            return Err(Invalid::new(
                field,
                format!("must be 1 to {most} printable characters"),
            ));
        }
    }
    for (field, list) in [
        ("contacts", &m.contacts),
        ("default_acr_values", &m.default_acr_values),
        (
            "authorization_details_types",
            &m.authorization_details_types,
        ),
    ] {
        few(field, list)?;
        if list.iter().any(|text| !is_line(text, 320)) {
            return Err(Invalid::new(
                field,
                "each must be 1 to 320 printable characters",
            ));
        }
    }
    // RFC 6749 section 3.3.
    let scopes = m.scope.as_deref().unwrap_or_default();
    let valid = |b: u8| matches!(b, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if scopes.len() > 2000 || !scopes.bytes().all(valid) {
        return Err(Invalid::new(
            "scope",
            "must be scopes separated by spaces, 2000 bytes at most",
        ));
    }
    Ok(())
}

pub(super) fn visible(m: &ClientMetadata) -> Result<(), Invalid> {
    let hides = |text: &str| text.contains(is_hidden);
    let texts = [
        ("client_name", &m.client_name),
        ("software_id", &m.software_id),
        ("software_version", &m.software_version),
    ];
    let text = texts
        .into_iter()
        .find(|(_, text)| text.as_deref().is_some_and(hides));
    let list = m.contacts.iter().any(|text| hides(text));
    match text.map(|(field, _)| field).or(list.then_some("contacts")) {
        None => Ok(()),
        Some(field) => Err(Invalid::new(
            field,
            "has characters that are not seen or change the order of others",
        )),
    }
}

fn addresses(m: &ClientMetadata) -> Result<(), Invalid> {
    for (field, text) in [
        ("client_uri", &m.client_uri),
        ("logo_uri", &m.logo_uri),
        ("policy_uri", &m.policy_uri),
        ("tos_uri", &m.tos_uri),
    ] {
        if text.as_deref().is_some_and(|text| !uri::is_page(text)) {
            return Err(Invalid::new(field, "must be an http or https address"));
        }
    }
    few("request_uris", &m.request_uris)?;
    let requests = m
        .request_uris
        .iter()
        .map(|text| ("request_uris", Some(text)));
    for (field, text) in [
        ("jwks_uri", m.jwks_uri.as_ref()),
        ("sector_identifier_uri", m.sector_identifier_uri.as_ref()),
        ("initiate_login_uri", m.initiate_login_uri.as_ref()),
        ("backchannel_logout_uri", m.backchannel_logout_uri.as_ref()),
        (
            "frontchannel_logout_uri",
            m.frontchannel_logout_uri.as_ref(),
        ),
    ]
    .into_iter()
    .chain(requests)
    {
        // What a request URI is for may follow its number sign (OpenID Connect Core section 6.2).
        let text = text.map(|text| match field {
            "request_uris" => text.split('#').next().unwrap_or_default(),
            _ => text.as_str(),
        });
        if text.is_some_and(|text| !uri::is_service(text)) {
            return Err(Invalid::new(field, "must be an https address"));
        }
    }
    // OpenID Connect Front-Channel Logout section 2.
    if let Some(frame) = &m.frontchannel_logout_uri {
        let own = |redirect: &String| uri::origin(redirect) == uri::origin(frame);
        if !m.redirect_uris.is_empty() && !m.redirect_uris.iter().any(own) {
            return Err(Invalid::new(
                "frontchannel_logout_uri",
                "must have scheme, host and port of a redirect URI",
            ));
        }
    }
    Ok(())
}

fn grants(m: &ClientMetadata) -> Result<(), Invalid> {
    if m.response_types.iter().any(|one| one != "code") {
        return Err(Invalid::new("response_types", "code is all there is"));
    }
    if m.grant_types
        .iter()
        .any(|one| !GRANTS.contains(&one.as_str()))
    {
        return Err(Invalid::new(
            "grant_types",
            "names a grant that is not served",
        ));
    }
    let uses = |grant: &str| m.grant_types.iter().any(|one| one == grant);
    if !m.grant_types.is_empty() && !m.response_types.is_empty() && !uses("authorization_code") {
        return Err(Invalid::new(
            "grant_types",
            "must hold authorization_code for the response type code",
        ));
    }
    if m.token_endpoint_auth_method == Some(AuthMethod::None)
        && m.grant_types
            .iter()
            .any(|grant| !PUBLIC_GRANTS.contains(&grant.as_str()))
    {
        return Err(Invalid::new(
            "grant_types",
            "a client that does not prove who it is uses codes, codes of devices and refresh tokens only",
        ));
    }
    Ok(())
}

fn algorithms(m: &ClientMetadata) -> Result<(), Invalid> {
    for (field, algorithm) in [
        (
            "id_token_signed_response_alg",
            m.id_token_signed_response_alg,
        ),
        (
            "userinfo_signed_response_alg",
            m.userinfo_signed_response_alg,
        ),
        ("request_object_signing_alg", m.request_object_signing_alg),
        (
            "authorization_signed_response_alg",
            m.authorization_signed_response_alg,
        ),
    ] {
        if algorithm.is_some_and(SignatureAlgorithm::is_symmetric) {
            return Err(Invalid::new(field, "must be RS256, PS256, ES256 or EdDSA"));
        }
    }
    Ok(())
}

fn proof(m: &ClientMetadata) -> Result<(), Invalid> {
    if m.jwks.is_some() && m.jwks_uri.is_some() {
        return Err(Invalid::new("jwks", "cannot stand beside jwks_uri"));
    }
    if let Some(set) = &m.jwks {
        keys::check(set)?;
    }
    let method = m.token_endpoint_auth_method;
    let signs = matches!(
        method,
        Some(AuthMethod::PrivateKeyJwt | AuthMethod::SelfSignedTlsClientAuth)
    );
    if signs && m.jwks.is_none() && m.jwks_uri.is_none() {
        return Err(Invalid::new(
            "jwks",
            "is needed, or jwks_uri, for this token_endpoint_auth_method",
        ));
    }
    if let Some(algorithm) = m.token_endpoint_auth_signing_alg {
        let fits = match method {
            Some(AuthMethod::ClientSecretJwt) => algorithm.is_symmetric(),
            Some(AuthMethod::PrivateKeyJwt) => !algorithm.is_symmetric(),
            _ => true,
        };
        if !fits {
            return Err(Invalid::new(
                "token_endpoint_auth_signing_alg",
                "is not one of this token_endpoint_auth_method",
            ));
        }
    }
    Ok(())
}

/// RFC 8705 section 2.1.2: exactly one of them says whose certificate it is.
fn certificate(m: &ClientMetadata) -> Result<(), Invalid> {
    let named = [
        &m.tls_client_auth_subject_dn,
        &m.tls_client_auth_san_dns,
        &m.tls_client_auth_san_uri,
        &m.tls_client_auth_san_ip,
        &m.tls_client_auth_san_email,
    ]
    .into_iter()
    .filter(|name| name.is_some())
    .count();
    let needed = m.token_endpoint_auth_method == Some(AuthMethod::TlsClientAuth);
    if named > 1 || (needed && named == 0) {
        return Err(Invalid::new(
            "tls_client_auth_subject_dn",
            "exactly one of the tls_client_auth members says whose certificate it is",
        ));
    }
    if let Some(subject) = &m.tls_client_auth_subject_dn {
        DistinguishedName::parse(subject)
            .map_err(|error| Invalid::new("tls_client_auth_subject_dn", error.reason))?;
    }
    let address = m.tls_client_auth_san_ip.as_deref();
    if address.is_some_and(|text| text.parse::<IpAddr>().is_err()) {
        return Err(Invalid::new(
            "tls_client_auth_san_ip",
            "must be an IPv4 or IPv6 address",
        ));
    }
    Ok(())
}

fn few(field: &str, list: &[String]) -> Result<(), Invalid> {
    if list.len() > MOST {
        return Err(Invalid::new(field, "holds more than 50 entries"));
    }
    Ok(())
}

fn is_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}
