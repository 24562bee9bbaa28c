//! The OAuth server and the Profiles API.

mod algorithms;
mod assertions;
mod attributes;
mod clients;
mod codes;
mod consent;
mod custom;
mod device;
mod dpop;
mod farewell;
mod keys;
mod metadata;
mod mobile;
mod objects;
mod pages;
mod pairwise;
mod passwords;
mod pushed;
mod registration;
mod renewal;
mod resources;
mod sessions;
mod setup;
mod signed;
mod userinfo;
