//! What a proxy in front of the service says of a connection that ends there: whose it is (`X-Forwarded-For`) and with which
//! certificate it was opened (RFC 9440). Only proxies that the operator trusts are listened to; from others these headers are ignored,
//! as if they had not been sent, so that nobody gains or breaks anything with them.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, header::InvalidHeaderName},
    middleware::Next,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use vestibule_engine::runtime::{Chain, ClientCertificate};

use crate::App;

/// Most bytes of a certificate as a header has it.
const LONGEST_HEADER: usize = 24 << 10;
/// Most bytes of a certificate.
const LONGEST_CERTIFICATE: usize = 10 << 10;
/// Most proxies that a request is followed back through.
const MOST_HOPS: usize = 20;

/// The proxies that are trusted, and where they write what they know of certificates. By default nobody is.
#[derive(Debug, Clone)]
pub struct Proxies {
    /// Addresses of proxies.
    pub trusted: Vec<Network>,
    /// Header that holds the certificate.
    pub certificate: HeaderName,
    /// Header that says whether its chain was verified: `SUCCESS`, or `0`.
    pub verified: HeaderName,
}

impl Default for Proxies {
    fn default() -> Self {
        Self {
            trusted: Vec::new(),
            certificate: HeaderName::from_static("client-cert"),
            verified: HeaderName::from_static("client-cert-verify"),
        }
    }
}

impl Proxies {
    /// Proxies at these addresses, which write into these headers, certificate first.
    ///
    /// # Errors
    /// For what cannot be the name of a header.
    pub fn new(
        trusted: Vec<Network>,
        (certificate, verified): (&str, &str),
    ) -> Result<Self, InvalidHeaderName> {
        Ok(Self {
            trusted,
            certificate: certificate.parse()?,
            verified: verified.parse()?,
        })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.holds(address))
    }

    /// The address nearest to the service that is no trusted proxy's: what stands further left anybody may have written.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        let mut nearest = peer;
        for hop in hops.take(MOST_HOPS) {
            let Some(address) = address(hop.trim()).filter(|_| self.trusts(nearest)) else {
                break;
            };
            nearest = address;
        }
        nearest
    }

    fn certificate(&self, headers: &HeaderMap) -> Result<Option<ClientCertificate>, Unreadable> {
        let mut lines = headers.get_all(&self.certificate).iter();
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        if lines.next().is_some() || line.len() > LONGEST_HEADER {
            return Err(Unreadable);
        }
        let text = line.to_str().map_err(|_| Unreadable)?.trim();
        // What proxies write where there is no certificate.
        if matches!(text, "" | "-" | "::") {
            return Ok(None);
        }
        let der = byte_sequence(text).or_else(|| escaped_pem(text));
        let der = der.filter(|der| !der.is_empty() && der.len() <= LONGEST_CERTIFICATE);
        let mut said = headers.get_all(&self.verified).iter();
        let verified = said
            .next()
            .is_some_and(|said| said == "SUCCESS" || said == "0");
        Ok(Some(ClientCertificate {
            der: der.ok_or(Unreadable)?,
            chain: match verified && said.next().is_none() {
                true => Chain::Verified,
                false => Chain::Unknown,
            },
        }))
    }
}

/// A certificate that a trusted proxy passed on and that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Who is at the other end of a connection, and what they showed when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Their address.
    pub(crate) address: IpAddr,
    /// Their certificate.
    pub(crate) certificate: Result<Option<ClientCertificate>, Unreadable>,
}

/// Finds out who is at the other end.
pub(crate) async fn attribute(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    let proxies = &app.proxies;
    let peer = match proxies.trusts(peer) {
        true => Peer {
            address: proxies.origin(peer, request.headers()),
            certificate: proxies.certificate(request.headers()),
        },
        false => Peer {
            address: peer,
            certificate: Ok(None),
        },
    };
    request.extensions_mut().insert(peer);
    next.run(request).await
}

/// An address, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// Not an address, and not a network such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or a network such as 10.0.0.0/8, without bits of hosts")]
pub struct BadNetwork;

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let prefix = match prefix {
            Some(text) if digits(text) => text.parse().map_err(|_| BadNetwork)?,
            Some(_) => return Err(BadNetwork),
            None => most,
        };
        let network = Self { address, prefix };
        // A slip of the pen must not trust more, or less, than was meant.
        if prefix > most || network.bits(address) != whole(address) {
            return Err(BadNetwork);
        }
        Ok(network)
    }
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.address.is_ipv4() == address.is_ipv4() && self.bits(address) == self.bits(self.address)
    }

    /// The bits of an address that count, of 128.
    fn bits(&self, address: IpAddr) -> u128 {
        let kept = u128::MAX
            .checked_shl(128 - self.prefix)
            .filter(|_| self.prefix > 0);
        whole(address) & kept.unwrap_or(0)
    }
}

/// The bits of an address, the first one topmost.
fn whole(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// RFC 9440 section 2.1: base64 between colons.
fn byte_sequence(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix(':')?.strip_suffix(':')?;
    STANDARD.decode(text).ok()
}

/// What nginx writes as `$ssl_client_escaped_cert`: PEM, percent-encoded.
fn escaped_pem(text: &str) -> Option<Vec<u8>> {
    let pem = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()?;
    let body = pem.trim().strip_prefix("-----BEGIN CERTIFICATE-----")?;
    let body = body.strip_suffix("-----END CERTIFICATE-----")?;
    let compact: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn proxies(trusted: &[&str]) -> Proxies {
        Proxies {
            trusted: trusted.iter().map(|text| text.parse().unwrap()).collect(),
            ..Proxies::default()
        }
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn networks_hold_what_begins_like_them() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("10.0.0.9", "10.0.0.9", "10.0.0.8"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::1"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.holds(ip(inside)), "{inside}");
            assert!(!network.holds(ip(outside)), "{outside}");
        }
        for bad in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "fd00::/129",
            "10.0.0",
            "/8",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_address_is_the_nearest_that_is_no_proxy() {
        let proxies = proxies(&["10.0.0.0/8", "fd00::/8"]);
        let peer = ip("10.0.0.1");
        for (lines, origin) in [
            (vec![], "10.0.0.1"),
            (vec!["203.0.113.5"], "203.0.113.5"),
            (vec!["1.1.1.1, 203.0.113.5"], "203.0.113.5"),
            (vec!["1.1.1.1,203.0.113.5 , 10.2.3.4"], "203.0.113.5"),
            (
                vec!["1.1.1.1", "203.0.113.5", "10.2.3.4,fd00::7"],
                "203.0.113.5",
            ),
            (vec!["203.0.113.5:4711"], "203.0.113.5"),
            (vec!["[2001:db8::5]:4711"], "2001:db8::5"),
            (vec!["[2001:db8::5]"], "2001:db8::5"),
            (vec!["::ffff:203.0.113.5"], "203.0.113.5"),
            // What cannot be read is nobody's: the count is on the proxy that wrote it.
            (vec!["1.1.1.1, unknown"], "10.0.0.1"),
            (vec!["1.1.1.1, , 10.2.3.4"], "10.2.3.4"),
            (vec!["10.2.3.4"], "10.2.3.4"),
        ] {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| ("x-forwarded-for", *line))
                .collect();
            assert_eq!(
                proxies.origin(peer, &headers(&lines)),
                ip(origin),
                "{lines:?}"
            );
        }
        let long = vec!["10.0.0.1"; 5000].join(",");
        proxies.origin(peer, &headers(&[("x-forwarded-for", &long)]));
    }

    #[test]
    fn certificates_come_in_two_forms() {
        let proxies = proxies(&[]);
        let read = |lines: &[(&'static str, &str)]| proxies.certificate(&headers(lines));
        let der = |der: &[u8], chain| {
            Ok(Some(ClientCertificate {
                der: der.to_vec(),
                chain,
            }))
        };
        let nginx =
            "-----BEGIN%20CERTIFICATE-----%0AAQI%0AD%2Fw%3D%3D%0A-----END%20CERTIFICATE-----%0A";
        assert_eq!(
            read(&[("client-cert", ":AQID/w==:")]),
            der(&[1, 2, 3, 255], Chain::Unknown)
        );
        assert_eq!(
            read(&[("client-cert", nginx)]),
            der(&[1, 2, 3, 255], Chain::Unknown)
        );
        for (said, chain) in [
            ("SUCCESS", Chain::Verified),
            ("0", Chain::Verified),
            ("FAILED:self-signed certificate", Chain::Unknown),
            ("NONE", Chain::Unknown),
            ("success", Chain::Unknown),
            ("18", Chain::Unknown),
            ("", Chain::Unknown),
        ] {
            let both = [("client-cert", ":AQID:"), ("client-cert-verify", said)];
            assert_eq!(read(&both), der(&[1, 2, 3], chain), "{said}");
        }
        let twice = [
            ("client-cert", ":AQID:"),
            ("client-cert-verify", "SUCCESS"),
            ("client-cert-verify", "FAILED"),
        ];
        assert_eq!(read(&twice), der(&[1, 2, 3], Chain::Unknown));
        for none in ["", "-", "::", " "] {
            assert_eq!(read(&[("client-cert", none)]), Ok(None), "{none}");
        }
        assert_eq!(read(&[]), Ok(None));
        let long = format!(":{}:", "A".repeat(LONGEST_HEADER));
        let large = format!(":{}:", STANDARD.encode(vec![1; LONGEST_CERTIFICATE + 1]));
        for bad in [
            "AQID",
            ":AQI:",
            ":AQ ID:",
            "AQID:",
            "x",
            nginx.trim_end_matches("-----%0A"),
            &long,
            &large,
        ] {
            assert_eq!(read(&[("client-cert", bad)]), Err(Unreadable), "{bad}");
        }
        let two = [("client-cert", ":AQID:"), ("client-cert", ":AQID:")];
        assert_eq!(read(&two), Err(Unreadable));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic(text in "[ -~]{0,200}") {
            let lines = [("client-cert", text.as_str()), ("x-forwarded-for", text.as_str())];
            let headers = headers(&lines);
            let proxies = proxies(&["10.0.0.0/8"]);
            let _ = proxies.certificate(&headers);
            proxies.origin(ip("10.0.0.1"), &headers);
            let _ = text.parse::<Network>();
        }
    }
}
