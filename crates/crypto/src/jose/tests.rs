use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{dpop::Proof, random::SystemRandom, seal::MasterKey};

/// Payload of RFC 7515 appendices A.1 to A.3.
const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const A3_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const A3_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const A3_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
/// RFC 8037 appendix A.
const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
/// Made with OpenSSL: PS256 has no example in an RFC. The second has a salt of no length, which RFC 7518 section 3.5 forbids.
const PS_N: &str = "pDt2EWkzv0keYfvZlFUiGCjvI7EvD9LzyZ0uqXxv_YSc9uq0uAP9NTh8y03pVz_isSeSW35zKZ9Q-lQJzKGBzK8KTUReWk2GfvJu2AbYr4r7KTJ7Ya_luLOWCtouAmRpMLiZcvAUO85XcHGW_DT7fwEKPHfvgMI3-hDVKNxls73RN8nrgmqbWlLJEc3UamNt0GieszmAnP2F1AeS3k84S7LClnoACEIvPQf7Pab0trk9c1R_0VLSAg70JpQcRU9Vq-KnXrJVppOFsLu6xbYMVGebG93ABQuZTaWM_2S7LfNLg0_FtlMmPmErZUnlixji2vnNSFqMxpBSXJwveW04zQ";
const PS_SIGNATURE: &str = "cMyJUK1zbDSCW1_hkwOc-wNu8DP0Hqd1HQ2pQmKZnlkLowRIGa35_-6Vp5FBrIcd0ce4gE9uO1uDi9ArkfsDKa9XOncELaNinrw2h2_mmQJWxzXx8lE27W6kP1b_1Mz2lh2uUqp5MP_XcHXxXAOHi0Ejp-Lu03b6oSkR3gEX6RJNetxFQuAlXHRUcCwPAJtoI5u6mQHSY9ybA8b_mPwUG-QT4J4aP8W0F8CBqc24CWtshI_G_gOGevEv49ecG8hx8mVct73dRfXDJp2vuytNq9liTcUPOX5ZVAPJDKNUlss_hUrj_1qiEq9kzMhwoTjJJg7X-jfXKmgQZSBHHNxHrg";
const PS_UNSALTED: &str = "Yn3EI2yqDsJj4zMU4tnQ2nLMMBvqDWeHwdyiihDXSLFFMiEbPb-9QSkilIBzsVLQK5G_rBZIu0koNJvPv6AXt-4ol-pMJXOn0qyqXPZk025mJLnjLe7dBWfyHK-CikpNeQE2WQwIxVYF1nkdXbqhFxKotCKgPtOptoSDwvRKNlxA_xxWvDoabNf0_tg5icIcb114jkJD3JcxKHUZtGwYNgOv19WfKFtUEN2qyjEMkzDEtkXANe4uWlxmKzsdOKa5dAMGWRUdxJEnuuJPJ-7dCY7483n4h3DnjrZHBzmHCw1cpXFEiXy_1i5CGtb5QylH_Zshm_ahn88kX9FfMEGBqQ";

fn key(jwk: Value) -> Result<VerifyingKey, JoseError> {
    VerifyingKey::from_jwk(&serde_json::from_value(jwk).map_err(|_| JoseError::PrivateKey)?)
}

fn token(header: &str, signature: &str) -> String {
    format!("{}.{JOE}.{signature}", URL_SAFE_NO_PAD.encode(header))
}

#[test]
fn examples_of_the_specifications_verify() {
    let rsa = key(json!({"kty": "RSA", "n": A2_N, "e": "AQAB"})).unwrap();
    let a2 = token(r#"{"alg":"RS256"}"#, A2_SIGNATURE);
    let claims = verify(&a2, &rsa, &[Algorithm::RS256]).unwrap();
    assert_eq!(claims["iss"], "joe");
    let p256 = key(json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y})).unwrap();
    let a3 = token(r#"{"alg":"ES256"}"#, A3_SIGNATURE);
    let claims = verify(&a3, &p256, &[Algorithm::ES256]).unwrap();
    assert_eq!(claims["exp"], 1_300_819_380);
    // The payload of this one is no JSON.
    let ed = key(json!({"kty": "OKP", "crv": "Ed25519", "x": ED_X})).unwrap();
    let parts = Parts::of(ED_TOKEN).unwrap();
    ed.verify(&parts, Algorithm::EdDSA).unwrap();
    let ps = key(json!({"kty": "RSA", "n": PS_N, "e": "AQAB", "alg": "PS256"})).unwrap();
    let good = token(r#"{"alg":"PS256"}"#, PS_SIGNATURE);
    verify(&good, &ps, &Algorithm::ALL).unwrap();
    let unsalted = token(r#"{"alg":"PS256"}"#, PS_UNSALTED);
    assert!(matches!(
        verify(&unsalted, &ps, &Algorithm::ALL),
        Err(JoseError::BadSignature)
    ));
}

#[test]
fn the_example_of_a_shared_secret_verifies() {
    // RFC 7515 appendix A.1; its header has a line break.
    let secret = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let text = token("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", signature);
    let header = decode_unverified_header(&text).unwrap();
    let claims: Value = verify_with_secret(&text, &header, &secret).unwrap();
    assert_eq!(claims["iss"], "joe");
    let check = |secret: &[u8]| verify_with_secret::<Value>(&text, &header, secret);
    assert!(matches!(check(&secret[..63]), Err(JoseError::BadSignature)));
    assert!(matches!(check(&secret[..31]), Err(JoseError::BadKey)));
    // A public key is no secret, and a secret verifies no public-key algorithm.
    let rsa = key(json!({"kty": "RSA", "n": A2_N, "e": "AQAB"})).unwrap();
    assert!(matches!(
        verify(&text, &rsa, &Algorithm::ALL),
        Err(JoseError::AlgorithmRefused)
    ));
    let a2 = token(r#"{"alg":"RS256"}"#, A2_SIGNATURE);
    let header = decode_unverified_header(&a2).unwrap();
    assert!(matches!(
        verify_with_secret::<Value>(&a2, &header, &secret),
        Err(JoseError::AlgorithmRefused)
    ));
}

#[test]
fn an_algorithm_must_be_allowed_and_fit_the_key() {
    let p256 = key(json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y})).unwrap();
    let a3 = token(r#"{"alg":"ES256"}"#, A3_SIGNATURE);
    for (header, allowed) in [
        (r#"{"alg":"ES256"}"#, &[Algorithm::RS256][..]),
        (r#"{"alg":"ES256"}"#, &[]),
        (r#"{"alg":"RS256"}"#, &Algorithm::ALL),
        (r#"{"alg":"none"}"#, &Algorithm::ALL),
        (r#"{"alg":"NONE"}"#, &Algorithm::ALL),
        (r#"{"alg":"es256"}"#, &Algorithm::ALL),
        (r#"{"alg":""}"#, &Algorithm::ALL),
    ] {
        let result = verify(&token(header, A3_SIGNATURE), &p256, allowed);
        assert!(
            matches!(result, Err(JoseError::AlgorithmRefused)),
            "{header}"
        );
    }
    for header in [r#"{"alg":"ES256","crit":["exp"]}"#, "{}", "[]", "7", ""] {
        let result = verify(&token(header, A3_SIGNATURE), &p256, &Algorithm::ALL);
        assert!(matches!(result, Err(JoseError::Malformed)), "{header}");
    }
    for text in [
        format!("{a3}."),
        format!("{a3}.{A3_SIGNATURE}"),
        a3.replacen('.', "", 1),
        format!("{a3}="),
    ] {
        assert!(verify(&text, &p256, &Algorithm::ALL).is_err(), "{text}");
    }
    // A JWK for one algorithm is for no other.
    let only = key(json!({"kty": "RSA", "n": A2_N, "e": "AQAB", "alg": "PS256"})).unwrap();
    let a2 = token(r#"{"alg":"RS256"}"#, A2_SIGNATURE);
    assert!(matches!(
        verify(&a2, &only, &Algorithm::ALL),
        Err(JoseError::AlgorithmRefused)
    ));
}

#[test]
fn weak_and_broken_keys_are_refused() {
    let short = URL_SAFE_NO_PAD.encode([0xff; 255]);
    let long = URL_SAFE_NO_PAD.encode([0xff; 1025]);
    let even = URL_SAFE_NO_PAD.encode([0xfe; 256]);
    for jwk in [
        json!({"kty": "RSA", "n": short, "e": "AQAB"}),
        json!({"kty": "RSA", "n": long, "e": "AQAB"}),
        json!({"kty": "RSA", "n": even, "e": "AQAB"}),
        json!({"kty": "RSA", "n": A2_N, "e": "AQ"}),
        json!({"kty": "RSA", "n": A2_N, "e": "Ag"}),
        json!({"kty": "RSA", "n": A2_N, "e": ""}),
        json!({"kty": "RSA", "n": A2_N}),
        json!({"kty": "RSA", "n": A2_N, "e": "AQAB", "use": "enc"}),
        json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_X}),
        json!({"kty": "EC", "crv": "P-256", "x": A3_X}),
        json!({"kty": "EC", "crv": "P-256", "x": &A3_X[..42], "y": A3_Y}),
        json!({"kty": "EC", "crv": "P-256", "x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "y": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"kty": "EC", "crv": "P-384", "x": A3_X, "y": A3_Y}),
        json!({"kty": "EC", "crv": "secp256k1", "x": A3_X, "y": A3_Y}),
        json!({"kty": "OKP", "crv": "X25519", "x": ED_X}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": ""}),
        json!({"kty": "oct"}),
    ] {
        assert!(matches!(key(jwk.clone()), Err(JoseError::BadKey)), "{jwk}");
    }
    let wrong = json!({"kty": "OKP", "crv": "Ed25519", "x": ED_X, "alg": "ES256"});
    assert!(matches!(key(wrong), Err(JoseError::AlgorithmRefused)));
    for member in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
        let mut jwk = json!({"kty": "RSA", "n": A2_N, "e": "AQAB"});
        jwk[member] = json!("AQ");
        let error = serde_json::from_value::<Jwk>(jwk).unwrap_err();
        assert!(error.to_string().contains("private part"), "{member}");
    }
}

#[test]
fn thumbprints_are_those_of_the_specifications() {
    // RFC 7638 section 3.1.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let rsa = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(key(rsa).unwrap().thumbprint(), expected);
    // The same key, written with padding and a leading zero.
    let mut bytes = vec![0];
    bytes.extend(URL_SAFE_NO_PAD.decode(n).unwrap());
    let padded = base64::engine::general_purpose::URL_SAFE.encode(bytes);
    let rsa = json!({"kty": "RSA", "n": padded, "e": "AQAB"});
    assert_eq!(key(rsa).unwrap().thumbprint(), expected);
    // RFC 8037 appendix A.3.
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "x": ED_X});
    let expected = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(key(ed).unwrap().thumbprint(), expected);
}

#[test]
fn sets_keep_what_can_be_used() {
    let rsa = json!({"kty": "RSA", "n": A2_N, "e": "AQAB", "kid": "a"});
    let p256 = json!({"kty": "EC", "crv": "P-256", "x": A3_X, "y": A3_Y, "kid": "b"});
    let set = |keys: Value| JwkSet::parse(&json!({ "keys": keys }).to_string());
    let both = set(json!([
        rsa, p256,
        {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"},
        {"kty": "AKP", "pub": 7},
        {"kty": "RSA", "n": A2_N, "e": "AQAB", "use": "enc"},
        {"kty": "RSA", "n": A2_N, "e": "AQAB", "alg": "RSA-OAEP"},
    ]))
    .unwrap();
    assert_eq!(both.keys().len(), 2);
    let check = |header: &str, signature: &str| {
        let text = token(header, signature);
        let header = decode_unverified_header(&text).unwrap();
        both.verify::<Value>(&text, &header, &Algorithm::ALL)
    };
    check(r#"{"alg":"ES256"}"#, A3_SIGNATURE).unwrap();
    check(r#"{"alg":"RS256"}"#, A2_SIGNATURE).unwrap();
    assert!(matches!(
        check(r#"{"alg":"ES256","kid":"a"}"#, A3_SIGNATURE),
        Err(JoseError::BadSignature)
    ));
    assert!(matches!(
        check(r#"{"alg":"none"}"#, ""),
        Err(JoseError::AlgorithmRefused)
    ));
    for (text, error) in [
        ("", "the token is malformed"),
        ("[]", "the token is malformed"),
        (r#"{"keys":{}}"#, "the token is malformed"),
        (r#"{"keys":[7]}"#, "the token is malformed"),
        (
            r#"{"keys":[{"kty":"RSA","n":7,"e":"AQAB"}]}"#,
            "the token is malformed",
        ),
        (
            r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
            "the key has a private part",
        ),
        (
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}"#,
            "the key has a private part",
        ),
        (
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}"#,
            "the key is not RSA of 2048 to 8192 bits, P-256 or Ed25519",
        ),
    ] {
        let result = JwkSet::parse(text).map(|_| ()).map_err(|e| e.to_string());
        assert_eq!(result, Err(error.to_owned()), "{text}");
    }
    let many = vec![p256; 21];
    assert!(matches!(set(json!(many)), Err(JoseError::TooManyKeys)));
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(64 << 10));
    assert!(matches!(JwkSet::parse(&long), Err(JoseError::TooManyKeys)));
}

#[test]
fn every_algorithm_signs_and_survives_the_seal() {
    let (master, random) = (MasterKey::from_bytes([7; 32]), SystemRandom::new());
    for algorithm in Algorithm::ALL {
        let made = SigningKey::generate(algorithm, "k").unwrap();
        let sealed = made.to_sealed(&master, b"here", &random).unwrap();
        assert!(SigningKey::from_sealed(&master, b"there", &sealed).is_err());
        let opened = SigningKey::from_sealed(&master, b"here", &sealed).unwrap();
        assert_eq!(opened.public_jwk(), made.public_jwk());
        assert_eq!((opened.algorithm(), opened.kid()), (algorithm, "k"));
        let header = json!({"alg": algorithm.name(), "typ": "JWT"});
        let text = opened.sign(&header, &json!({"sub": "s"})).unwrap();
        let claims = verify(&text, made.verifying_key(), &[algorithm]).unwrap();
        assert_eq!(claims["sub"], "s");
        assert_eq!(Algorithm::of_name(algorithm.name()), Some(algorithm));
        // What is published is read again, and is all that is needed.
        let published = serde_json::to_value(made.public_jwk()).unwrap();
        assert_eq!(published["alg"], algorithm.name());
        assert!(published.get("d").is_none());
        verify(&text, &key(published).unwrap(), &[algorithm]).unwrap();
        let another = SigningKey::generate(algorithm, "k").unwrap();
        assert!(matches!(
            verify(&text, another.verifying_key(), &[algorithm]),
            Err(JoseError::BadSignature)
        ));
    }
}

#[test]
fn keys_of_rsa_are_published_as_ever() {
    let jwk = SigningKey::generate(Algorithm::RS256, "k").unwrap();
    let names: Vec<String> = serde_json::to_value(jwk.public_jwk())
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(names, ["kty", "use", "n", "e", "alg", "kid"]);
}

#[test]
fn types_are_read_with_and_without_their_prefix() {
    let header = |typ: &str| Header {
        alg: String::new(),
        kid: None,
        typ: Some(typ.to_owned()),
        ver: None,
        crit: None,
    };
    for good in ["dpop+jwt", "DPoP+JWT", "application/dpop+jwt"] {
        assert!(header(good).is_type("dpop+jwt"), "{good}");
    }
    for bad in ["", "jwt", "application/", "text/dpop+jwt", "ä"] {
        assert!(!header(bad).is_type("dpop+jwt"), "{bad}");
    }
}

fn signed() -> impl Strategy<Value = (String, VerifyingKey)> {
    let keys: Vec<(String, VerifyingKey)> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let key = SigningKey::generate(algorithm, "k").unwrap();
            let header = json!({"alg": algorithm.name(), "kid": "k"});
            let text = key.sign(&header, &json!({"sub": "somebody"})).unwrap();
            (text, key.verifying_key().clone())
        })
        .collect();
    prop::sample::select(keys)
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", header in any::<Vec<u8>>(), claims in any::<Vec<u8>>()) {
        let made = format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(claims));
        for text in [&text, &made] {
            let _ = decode_unverified_header(text);
            let _ = decode_unverified_claims(text);
            let _ = Proof::read(text, &Algorithm::ALL);
            let _ = JwkSet::parse(text);
            let _ = VerifyingKey::from_rsa_pem(text);
        }
    }

    #[test]
    fn no_member_of_a_key_makes_it_panic(kty in "RSA|EC|OKP|oct", crv in "P-256|Ed25519|", n in "[A-Za-z0-9_=-]{0,400}", x in "[A-Za-z0-9_=-]{0,60}", y in "[A-Za-z0-9_-]{43}") {
        let _ = key(json!({"kty": kty, "crv": crv, "n": n, "e": "AQAB", "x": x, "y": y}));
    }

    #[test]
    fn one_changed_byte_is_one_too_many((text, key) in signed(), at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to.as_bytes()[0]);
        bytes[at] = to.as_bytes()[0];
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(verify(&changed, &key, &Algorithm::ALL).is_err());
    }
}
