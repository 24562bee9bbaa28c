//! The built program as a child process, ended by its id.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// A running service.
pub struct Server {
    child: Child,
    /// `127.0.0.1:port`
    pub address: String,
    /// When the process was started.
    pub started: Instant,
}

impl Server {
    /// Starts the program and waits for its `listening on` line.
    pub async fn start(program: &Path, data: &Path) -> Result<Self> {
        Self::start_on(program, data, None).await
    }

    /// The same on a database that is not the embedded one.
    pub async fn start_on(program: &Path, data: &Path, database: Option<&str>) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "warn",
                "--data-dir",
            ])
            .arg(data);
        if let Some(url) = database {
            command.args(["--database-url", url]);
        }
        Self::spawn(command).await
    }

    /// Any program that prints such a line.
    pub async fn spawn(mut command: Command) -> Result<Self> {
        let started = Instant::now();
        command.stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the program")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line())
                .await
                .context("the service does not start")??
                .context("the service ended at once")?;
            if let Some(url) = line.strip_prefix("listening on http://") {
                break url.to_owned();
            }
        };
        Ok(Self {
            child,
            address,
            started,
        })
    }

    /// Resident memory in MB (10⁶ bytes).
    pub fn resident_megabytes(&self) -> Result<f64> {
        self.megabytes("VmRSS:")
    }

    /// The most resident memory that it ever had, in MB.
    pub fn most_megabytes(&self) -> Result<f64> {
        self.megabytes("VmHWM:")
    }

    fn megabytes(&self, name: &str) -> Result<f64> {
        let id = self.child.id().context("the service has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))
            .context("cannot read its memory")?;
        let kilobytes: f64 = status
            .lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .with_context(|| format!("no {name}"))?;
        Ok(kilobytes * 1024.0 / 1e6)
    }

    /// Stops it with SIGTERM and waits.
    pub async fn stop(mut self) -> Result<()> {
        let id = self.child.id().context("the service has ended")?;
        Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .await
            .context("cannot signal")?;
        let status = tokio::time::timeout(Duration::from_secs(15), self.child.wait())
            .await
            .context("the service does not stop")??;
        if !status.success() {
            bail!("the service ended with {status}");
        }
        Ok(())
    }
}
