//! The service through HTTP, in process, on both databases. The modules follow the route tree.

mod guards;
mod instance;
mod management;
