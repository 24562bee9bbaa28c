mod applications;
mod config;
mod directory;
mod duplicate;
mod export_import;
mod jobs;
mod roles;
mod users;
