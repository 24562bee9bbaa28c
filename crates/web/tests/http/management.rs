mod applications;
mod config;
mod duplicate;
mod roles;
