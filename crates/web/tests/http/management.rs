mod applications;
mod config;
mod directory;
mod duplicate;
mod roles;
mod users;
