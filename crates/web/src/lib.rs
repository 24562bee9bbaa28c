//! HTTP: routes, extractors, rendering, assets. A handler parses, makes one engine call and renders; it decides nothing about the
//! business. Every route stands in one table ([`route::all`]) from which router, OpenAPI document and tests are made.

pub mod app;
mod console;
mod docs;
mod drain;
pub mod error;
pub mod extract;
pub mod listener;
pub mod management;
pub mod metrics;
pub mod openapi;
pub mod operations;
pub mod pages;
pub mod platform;
pub mod proxy;
pub mod route;
pub mod runtime;
mod unpack;

pub use app::{App, Limits, router};
pub use proxy::Proxies;
