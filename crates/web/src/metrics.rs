//! Numbers for operators, in Prometheus' text format.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::http::StatusCode;
use parking_lot::RwLock;

/// Upper bounds of the latency buckets, in seconds.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Requests by route and class of status. Routes are a fixed list, so this is bounded.
#[derive(Default)]
pub struct Metrics {
    routes: RwLock<HashMap<(String, u16), Series>>,
}

#[derive(Default)]
struct Series {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one answer.
    pub fn observe(&self, route: &str, status: StatusCode, took: Duration) {
        let key = (route.to_owned(), status.as_u16());
        if let Some(series) = self.routes.read().get(&key) {
            series.observe(took);
            return;
        }
        self.routes.write().entry(key).or_default().observe(took);
    }

    /// The text that Prometheus scrapes (exposition format 0.0.4).
    pub fn render(&self) -> String {
        let mut out = String::from(
            "# HELP vestibule_http_request_duration_seconds Time to answer, by route and status.\n\
             # TYPE vestibule_http_request_duration_seconds histogram\n",
        );
        let routes = self.routes.read();
        let mut keys: Vec<_> = routes.keys().collect();
        keys.sort();
        for key in keys {
            if let Some(series) = routes.get(key) {
                series.render(
                    &mut out,
                    &format!("route=\"{}\",status=\"{}\"", key.0, key.1),
                );
            }
        }
        out
    }
}

impl Series {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            if seconds <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    fn render(&self, out: &mut String, labels: &str) {
        const NAME: &str = "vestibule_http_request_duration_seconds";
        let count = self.count.load(Ordering::Relaxed);
        let seconds = Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64();
        let mut lines = String::new();
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            let n = bucket.load(Ordering::Relaxed);
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {n}");
        }
        let _ = writeln!(lines, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(lines, "{NAME}_sum{{{labels}}} {seconds}");
        let _ = writeln!(lines, "{NAME}_count{{{labels}}} {count}");
        out.push_str(&lines);
    }
}
