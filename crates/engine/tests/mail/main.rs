//! Mail of a whole engine: what is written about jobs, and how it gets to a mail server.

#[cfg(test)]
mod job;
#[cfg(test)]
mod smtp;
