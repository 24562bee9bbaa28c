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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_specification_answers() {
        assert!(verify_s256(VERIFIER, CHALLENGE));
        // The form of App ID's SDK.
        let hex: String = digest(&SHA256, VERIFIER.as_bytes())
            .as_ref()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert!(verify_s256(VERIFIER, &STANDARD.encode(&hex)));
        for other in [
            VERIFIER,
            "",
            &CHALLENGE[1..],
            &format!("{CHALLENGE}="),
            &hex,
        ] {
            assert!(!verify_s256(VERIFIER, other), "{other}");
        }
    }

    #[test]
    fn only_verifiers_of_the_right_form_answer() {
        let challenge =
            |verifier: &str| URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        for good in ["a".repeat(43), "Z9-._~".repeat(8), "a".repeat(128)] {
            assert!(verify_s256(&good, &challenge(&good)), "{good}");
        }
        for bad in [
            "a".repeat(42),
            "a".repeat(129),
            format!("{}+", "a".repeat(42)),
            format!("{}ü", "a".repeat(42)),
        ] {
            assert!(!verify_s256(&bad, &challenge(&bad)), "{bad}");
        }
    }
}
