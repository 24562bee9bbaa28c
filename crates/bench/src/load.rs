//! Load: so many connections, each with one request in flight; as fast as it goes, or at a given rate.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::http::{Answer, Connection};

/// What a run of load showed.
pub struct Outcome {
    /// Flows a second.
    pub rate: f64,
    /// 99th percentile of the time of one.
    pub p99: Duration,
}

/// What one connection does again and again.
pub trait Flow: Send + 'static {
    /// The address of this machine that it comes from.
    fn comes_from(&self) -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    /// Once more.
    fn step(&mut self, connection: &mut Connection) -> impl Future<Output = Result<()>> + Send;
}

/// How fast.
#[derive(Clone, Copy)]
pub enum Pace {
    /// The next begins when the one before has ended.
    Closed,
    /// So many a second over all connections. Times count from when a flow was due.
    PerSecond(f64),
}

/// Runs each flow on a connection of its own for `time`; gives the flows back.
pub async fn drive<F: Flow>(
    address: &str,
    flows: Vec<F>,
    pace: Pace,
    time: Duration,
) -> Result<(Outcome, Vec<F>)> {
    let start = Instant::now();
    let between = match pace {
        Pace::Closed => None,
        Pace::PerSecond(rate) => Some(Duration::from_secs_f64(flows.len() as f64 / rate)),
    };
    let count = u32::try_from(flows.len()).unwrap_or(u32::MAX).max(1);
    let tasks: Vec<_> = (0_u32..)
        .zip(flows)
        .map(|(n, mut flow)| {
            let address = address.to_owned();
            tokio::spawn(async move {
                let mut connection = Connection::open_from(flow.comes_from(), &address).await?;
                let mut times = Vec::new();
                let mut due = start + between.unwrap_or_default() * n / count;
                while start.elapsed() < time {
                    if let Some(between) = between {
                        tokio::time::sleep_until(due.into()).await;
                        flow.step(&mut connection).await?;
                        times.push(due.elapsed());
                        due += between;
                    } else {
                        let sent = Instant::now();
                        flow.step(&mut connection).await?;
                        times.push(sent.elapsed());
                    }
                }
                anyhow::Ok((times, flow))
            })
        })
        .collect();
    let (mut times, mut flows) = (Vec::new(), Vec::new());
    for task in tasks {
        let (own, flow) = task.await??;
        times.extend(own);
        flows.push(flow);
    }
    let outcome = Outcome {
        rate: times.len() as f64 / start.elapsed().as_secs_f64(),
        p99: p99(times),
    };
    Ok((outcome, flows))
}

/// Requests that all connections send round and round; every answer must be 200.
#[derive(Clone)]
pub struct Requests {
    requests: Arc<[Vec<u8>]>,
    next: Arc<AtomicUsize>,
}

impl Requests {
    /// For each of so many connections.
    pub fn on(connections: usize, requests: Vec<Vec<u8>>) -> Vec<Self> {
        let own = Self {
            requests: requests.into(),
            next: Arc::default(),
        };
        vec![own; connections]
    }
}

impl Flow for Requests {
    async fn step(&mut self, connection: &mut Connection) -> Result<()> {
        let n = self.next.fetch_add(1, Ordering::Relaxed) % self.requests.len();
        if let Some(request) = self.requests.get(n) {
            good(connection.call(request).await?)?;
        }
        Ok(())
    }
}

/// Sends `requests` round and round over `connections` connections for `time`.
pub async fn run(
    address: &str,
    requests: Vec<Vec<u8>>,
    connections: usize,
    time: Duration,
) -> Result<Outcome> {
    let flows = Requests::on(connections, requests);
    Ok(drive(address, flows, Pace::Closed, time).await?.0)
}

/// Sends one request after the other with a pause behind each until `stop`; the 99th percentile of the time to answer.
pub async fn now_and_then(
    address: &str,
    requests: &[Vec<u8>],
    pause: Duration,
    stop: &AtomicBool,
) -> Result<Duration> {
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::new();
    for request in requests.iter().cycle() {
        let sent = Instant::now();
        good(connection.call(request).await?)?;
        times.push(sent.elapsed());
        if stop.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    let slowest = times.iter().max().copied().unwrap_or_default();
    eprintln!("{} answers, the slowest took {slowest:?}", times.len());
    Ok(p99(times))
}

/// An answer that must be 200.
pub fn good(answer: Answer) -> Result<Answer> {
    if answer.status != 200 {
        bail!(
            "status {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
    }
    Ok(answer)
}

/// The 99th percentile.
pub fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let at = times.len() * 99 / 100;
    times.get(at).copied().unwrap_or_default()
}
