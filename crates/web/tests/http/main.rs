//! The service through HTTP, in process, on both databases. The modules follow the route tree.

#[cfg(test)]
mod dialects;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod management;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod outbox;
