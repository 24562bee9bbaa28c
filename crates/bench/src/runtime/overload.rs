//! Twice as many password grants as the pool of hashes can do: who is let in is answered in bounded time, the others are told at once to
//! come back, and other grants go on.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{CONNECTIONS, TIME, stage::Stage};
use crate::{
    Goal, Row,
    http::Connection,
    load::{self, Flow, Pace, Requests, p99},
    server::Server,
};

/// How long it lasts.
const OVERLOAD: Duration = Duration::from_secs(60);
/// Enough that a slow answer does not slow the next request.
const CALLERS: usize = 256;

/// Callers at one address: too many at one would be taken for somebody who guesses.
const NEIGHBOURS: usize = 16;

/// One caller, who takes a refusal for an answer.
struct Caller {
    from: Ipv4Addr,
    requests: Vec<Vec<u8>>,
    next: usize,
    admitted: Vec<Duration>,
    refused: Vec<Duration>,
}

impl Flow for Caller {
    fn comes_from(&self) -> Ipv4Addr {
        self.from
    }

    async fn step(&mut self, connection: &mut Connection) -> Result<()> {
        let n = self.next % self.requests.len();
        let Some(request) = self.requests.get(n) else {
            bail!("nothing to send");
        };
        self.next += 1;
        let sent = Instant::now();
        let answer = connection.call(request).await?;
        match answer.status {
            200 => self.admitted.push(sent.elapsed()),
            503 if answer.header("retry-after").is_some() => self.refused.push(sent.elapsed()),
            status => bail!("status {status}"),
        }
        Ok(())
    }
}

pub(super) async fn run(server: &Server, stage: &Stage) -> Result<[Row; 3]> {
    let capacity = load::run(&server.address, stage.sign_ins(), 8, TIME)
        .await?
        .rate;
    let grants = || Requests::on(CONNECTIONS, vec![stage.token_request.clone()]);
    let usual = load::drive(&server.address, grants(), Pace::Closed, TIME).await?;
    let sign_ins = stage.sign_ins();
    let share = sign_ins.len() / CALLERS;
    let callers = sign_ins
        .chunks(share.max(1))
        .take(CALLERS)
        .enumerate()
        .map(|(n, own)| Caller {
            from: Ipv4Addr::new(127, 0, 1, u8::try_from(n / NEIGHBOURS).unwrap_or(0)),
            requests: own.to_vec(),
            next: 0,
            admitted: Vec::new(),
            refused: Vec::new(),
        })
        .collect();
    let pace = Pace::PerSecond(capacity * 2.0);
    let (overload, beside) = tokio::join!(
        load::drive(&server.address, callers, pace, OVERLOAD),
        load::drive(&server.address, grants(), Pace::Closed, OVERLOAD),
    );
    let (_, callers) = overload?;
    let (mut admitted, mut refused) = (Vec::new(), Vec::new());
    for caller in callers {
        admitted.extend(caller.admitted);
        refused.extend(caller.refused);
    }
    eprintln!(
        "of {} sign-ins {} were let in",
        admitted.len() + refused.len(),
        admitted.len()
    );
    let wait = |name, times, limit| Row {
        name,
        value: p99(times).as_secs_f64() * 1000.0,
        unit: "ms",
        bound: limit,
        bound_is: "limit, 99th percentile",
        goal: Goal::AtMost,
    };
    Ok([
        wait("overload-admitted", admitted, 5000.0),
        wait("overload-refused", refused, 250.0),
        Row {
            name: "overload-other-grants",
            value: beside?.0.rate,
            unit: "/s",
            bound: usual.0.rate,
            bound_is: "the same without overload",
            goal: Goal::AtLeast(0.5),
        },
    ])
}
