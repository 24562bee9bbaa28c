//! Keys, signatures, password hashes and sealing. Knows no database and no HTTP; primitives come from aws-lc and the RustCrypto
//! password hashes, never from us.

pub mod bundle;
pub mod certificate;
pub mod compare;
pub mod content_digest;
pub mod derived;
pub mod digest;
pub mod dpop;
pub mod envelope;
pub mod jose;
pub mod password;
pub mod pkce;
pub mod random;
pub mod seal;
pub mod token;
