//! Files that commands write and read: what is there already is never replaced unless somebody says so.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;

/// Whether a file that is there is replaced.
#[derive(Args, Clone, Copy)]
pub struct Force {
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// Where an export goes.
#[derive(Clone, Copy)]
pub enum To<'a> {
    StandardOutput,
    File(&'a Path, Force),
}

impl<'a> To<'a> {
    /// What `-o` means: `-` is standard output, and so is nothing. Refuses a path that cannot or must not be written.
    pub fn new(path: Option<&'a Path>, force: Force) -> Result<Self> {
        let to = match path {
            Some(path) if path.as_os_str() != "-" => Self::File(path, force),
            _ => Self::StandardOutput,
        };
        to.check()?;
        Ok(to)
    }

    /// Looks whether the file may be written. It is looked at again before it gets its name: somebody may have made it meanwhile.
    pub fn check(self) -> Result<()> {
        let Self::File(path, force) = self else {
            return Ok(());
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if path.file_name().is_none() || !folder.is_dir() {
            bail!(
                "cannot write {}: {} is no folder",
                path.display(),
                folder.display()
            );
        }
        only_regular(path)?;
        if !force.force && path.symlink_metadata().is_ok() {
            bail!("{} exists already; --force replaces it", path.display());
        }
        Ok(())
    }
}

/// Refuses what is there and is no file of bytes: a device, a pipe, a folder, a link.
fn only_regular(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(there) if !there.is_file() => bail!(
            "{} is no regular file and is not replaced; `-o -` writes to standard output",
            path.display()
        ),
        _ => Ok(()),
    }
}

/// Opens a file that only its owner reads, and keeps what is in it.
pub fn private_file(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    only_regular(path)?;
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A path with something behind its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// What an import is read from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A file, which can be read again.
    File,
    /// Standard input or a pipe, which can be read once.
    Once,
}

/// Looks at what is to be imported before anything is asked of the service.
pub fn input(path: &Path) -> Result<Input> {
    if path.as_os_str() == "-" {
        return Ok(Input::Once);
    }
    let there =
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if there.is_dir() {
        bail!("cannot read {}: it is a folder", path.display());
    }
    if !there.is_file() {
        return Ok(Input::Once);
    }
    if there.len() == 0 {
        bail!("nothing was sent: {} is empty", path.display());
    }
    File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Input::File)
}
