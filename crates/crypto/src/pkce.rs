//! PKCE (RFC 7636), in its own form and in that of App ID's JavaScript SDK.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use crate::compare::constant_time_eq;

/// Whether `verifier` answers an S256 `challenge`. Accepts base64url(SHA-256) and the SDK's base64(hex(SHA-256))
/// (contract/runtime.md section 4.1.1). A verifier that is not 43 to 128 unreserved characters answers nothing.
pub fn verify_s256(verifier: &str, challenge: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let hash = digest(&SHA256, verifier.as_bytes());
    let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let proper = URL_SAFE_NO_PAD.encode(hash);
    let quirk = STANDARD.encode(hex);
    constant_time_eq(proper.as_bytes(), challenge.as_bytes())
        | constant_time_eq(quirk.as_bytes(), challenge.as_bytes())
}
