//! The OAuth server and the Profiles API.

mod algorithms;
mod attributes;
mod clients;
mod codes;
mod custom;
mod dpop;
mod keys;
mod pages;
mod passwords;
mod pushed;
mod renewal;
mod sessions;
mod setup;
mod signed;
mod userinfo;
