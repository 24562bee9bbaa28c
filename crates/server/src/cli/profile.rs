//! `~/.config/vestibule/config.toml`: services and keys by profile name, readable by its owner only.

use std::{collections::BTreeMap, fs, io::Write, path::PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// A service and the key to it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    /// Address of the service.
    pub url: String,
    /// API key.
    pub api_key: String,
}

/// The profile of this name, if there is one.
pub fn find(name: &str) -> Result<Option<Profile>> {
    Ok(read()?.profiles.remove(name))
}

/// A profile of the service at this address, if there is one; the one named `default` first.
pub fn find_for(url: &str) -> Result<Option<Profile>> {
    let mut profiles = read()?.profiles;
    let default = profiles.remove("default");
    Ok(default
        .into_iter()
        .chain(profiles.into_values())
        .find(|profile| profile.url == url))
}

/// Keeps a profile; answers where.
pub fn save(name: &str, profile: Profile) -> Result<PathBuf> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let path = path()?;
    let mut file = read()?;
    file.profiles.insert(name.to_owned(), profile);
    let text = toml::to_string(&file).context("cannot write the profile")?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    // The mode above counts for new files only.
    out.set_permissions(fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", path.display()))?;
    out.write_all(text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn read() -> Result<File> {
    let path = path()?;
    match fs::read_to_string(&path) {
        Ok(text) => {
            toml::from_str(&text).with_context(|| format!("{} is not valid", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(File::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn path() -> Result<PathBuf> {
    let folder = match std::env::var_os("XDG_CONFIG_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".config"),
    };
    Ok(folder.join("vestibule").join("config.toml"))
}
