//! What identifies a certificate. What it says is the caller's to read.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The SHA-256 thumbprint of a certificate in DER, base64url: `x5t#S256` (RFC 7517 section 4.9, RFC 8705 section 3.1).
pub fn thumbprint(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, der))
}
