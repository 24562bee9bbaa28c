//! What tests share: a server in process on either database, with a clock they move and randomness they seed. For tests only.

pub mod certificate;
pub mod elsewhere;
pub mod mail;
pub mod postgres;
pub mod proxy;
pub mod request;
pub mod server;

pub use certificate::{AltName, TestCertificate};
pub use elsewhere::Elsewhere;
pub use mail::{SentMail, SmtpSink};
pub use proxy::Proxy;
pub use request::{TestRequest, TestResponse};
pub use server::{Certificates, Conditions, MTLS_URL, PROXY, TestClock, TestServer};

/// Turns each body into two tests, one on SQLite and one on PostgreSQL.
#[macro_export]
macro_rules! on_each_engine {
    ($($(#[$meta:meta])* async fn $name:ident($server:ident) $body:block)*) => {$(
        $(#[$meta])*
        #[cfg(test)]
        mod $name {
            use super::*;

            async fn body($server: $crate::TestServer) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                body($crate::TestServer::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(server) = $crate::TestServer::postgres().await {
                    body(server).await;
                }
            }
        }
    )*};
}
