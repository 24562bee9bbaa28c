//! Examples of RFC 7520, which are the same for everybody.

use serde_json::json;

use super::*;

/// Section 3.3.
const N: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";
/// Section 4.1: signed with RSASSA-PKCS1-v1_5 and SHA-256. The payload is a sentence, not JSON.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";

#[test]
fn the_cookbook_verifies() {
    let jwk = json!({"kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "n": N, "e": "AQAB"});
    let key = VerifyingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
    let header = decode_unverified_header(TOKEN).unwrap();
    assert_eq!(header.kid, key.jwk().kid);
    key.verify(&Parts::of(TOKEN).unwrap(), Algorithm::RS256)
        .unwrap();
    let other = TOKEN.replacen("SXTi", "SXTj", 1);
    let other = key.verify(&Parts::of(&other).unwrap(), Algorithm::RS256);
    assert!(matches!(other, Err(JoseError::BadSignature)));
    let padded = key.verify(&Parts::of(TOKEN).unwrap(), Algorithm::PS256);
    assert!(matches!(padded, Err(JoseError::BadSignature)));
    // What is signed is no claims.
    assert!(matches!(
        verify(TOKEN, &key, &Algorithm::ALL),
        Err(JoseError::Malformed)
    ));
}
