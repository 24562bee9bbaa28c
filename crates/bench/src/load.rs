//! Closed-loop load: so many connections, each with one request in flight.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::http::Connection;

/// What a run of load showed.
pub struct Outcome {
    /// Answers a second.
    pub rate: f64,
    /// 99th percentile of the time to answer.
    pub p99: Duration,
}

/// Sends `requests` round and round over `connections` connections for `time`; every answer must be 200.
pub async fn run(
    address: &str,
    requests: Vec<Vec<u8>>,
    connections: usize,
    time: Duration,
) -> Result<Outcome> {
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (address, requests, next) =
                (address.to_owned(), Arc::clone(&requests), Arc::clone(&next));
            tokio::spawn(async move {
                let mut connection = Connection::open(&address).await?;
                let mut times = Vec::new();
                while start.elapsed() < time {
                    let n = next.fetch_add(1, Ordering::Relaxed) % requests.len();
                    let Some(request) = requests.get(n) else {
                        break;
                    };
                    let sent = Instant::now();
                    let answer = connection.call(request).await?;
                    if answer.status != 200 {
                        bail!(
                            "status {}: {}",
                            answer.status,
                            String::from_utf8_lossy(&answer.body)
                        );
                    }
                    times.push(sent.elapsed());
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    let p99 = times
        .get(times.len() * 99 / 100)
        .copied()
        .unwrap_or_default();
    Ok(Outcome { rate, p99 })
}
