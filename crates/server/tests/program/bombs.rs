//! Uploads that are small on the way and huge once they are unpacked: they are refused, and the service stays small.

use std::{
    fs,
    io::{self, Read},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use crate::process::{Administrator, SECRET, Service};

const BOUNDARY: &str = "----form";
/// Bytes that the service may grow by, at most, while it refuses a bomb.
const GROWTH: u64 = 100 << 20;
const MIB: usize = 1 << 20;
/// MiB of a bomb once it is unpacked.
const SIZE: usize = 512;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_huge_once_it_is_unpacked_does_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let administrator = Administrator::sign_in(&service.url).await;
    let guid = administrator.stage().await.0;
    let path = |of: &str| format!("/management/v4/{guid}/{of}");
    // Everything that a first upload needs is there before it is measured.
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    let ndjson = "application/x-ndjson".to_owned();
    let file = field("file");
    let (all, stream) = (
        "cloud_directory/import/all",
        "cloud_directory/import/stream",
    );
    let people = ("users/import/stream", &ndjson);
    for (to, kind, before, byte, status) in [
        (all, &form, String::new(), 0, 400),
        (all, &form, format!("--{BOUNDARY}\r\nX: "), b'x', 400),
        (all, &form, file.clone(), 0, 413),
        (all, &form, format!("{file}["), b' ', 413),
        (stream, &ndjson, String::new(), 0, 413),
        (stream, &ndjson, String::from("[\""), b'x', 413),
        (stream, &ndjson, String::new(), b'[', 400),
        (people.0, people.1, String::new(), b' ', 413),
    ] {
        for encoding in ["gzip", "zstd"] {
            let bomb = packed(encoding, before.as_bytes(), byte, SIZE);
            assert!(bomb.len() < 8 * MIB, "{}", bomb.len());
            forget_peak(&service);
            let before = memory(&service, "VmRSS");
            let (answered, answer) = administrator
                .compressed(&path(to), (kind, encoding), bomb)
                .await
                .expect("an answer");
            assert_eq!(answered, status, "{to} {encoding} {answer}");
            let grown = memory(&service, "VmHWM").saturating_sub(before);
            assert!(
                grown < GROWTH,
                "{to} {encoding} {byte} grew by {} MiB",
                grown >> 20
            );
        }
    }
    // A bundle is stored as it comes, part by part, and then is none.
    for encoding in ["gzip", "zstd"] {
        let bomb = packed(encoding, b"", 0, SIZE / 2);
        forget_peak(&service);
        let before = memory(&service, "VmRSS");
        let kind = ("application/octet-stream", encoding);
        let (status, job) = administrator
            .compressed(&path("bundle/import"), kind, bomb)
            .await
            .expect("an answer");
        let grown = memory(&service, "VmHWM").saturating_sub(before);
        assert!(grown < GROWTH, "{encoding} grew by {} MiB", grown >> 20);
        if encoding == "zstd" {
            // It could be far smaller than gzip makes it, and is refused for that.
            assert_eq!(status, 400, "{job}");
            assert!(
                job["message"].as_str().unwrap().contains("1032 times"),
                "{job}"
            );
            continue;
        }
        assert_eq!(status, 202, "{job}");
        let ledger = path(&format!("jobs/{}", job["id"].as_str().unwrap()));
        let job = loop {
            let (_, job) = administrator
                .call("GET", &ledger, None)
                .await
                .expect("an answer");
            if job["ended"].is_string() {
                break job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(
            (&job["state"], &job["error"]["code"]),
            (&json!("failed"), &json!("NOT_A_BUNDLE")),
            "{job}"
        );
        let grown = memory(&service, "VmHWM").saturating_sub(before);
        assert!(grown < GROWTH, "{encoding} grew by {} MiB", grown >> 20);
    }
    assert_eq!(service.stop(), Some(0));
}

fn field(name: &str) -> String {
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"encryptionSecret\"\r\n\r\n{SECRET}\r\n\
         --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n"
    )
}

/// Something, and then so many MiB of one byte, packed.
fn packed(encoding: &str, before: &[u8], byte: u8, mebibytes: usize) -> Vec<u8> {
    let piece = vec![byte; MIB];
    let mut whole = io::Cursor::new(before).chain(Repeated {
        piece: &piece,
        left: mebibytes,
        at: 0,
    });
    match encoding {
        "gzip" => {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            io::copy(&mut whole, &mut packed).unwrap();
            packed.finish().unwrap()
        }
        _ => zstd::encode_all(&mut whole, 1).unwrap(),
    }
}

/// A piece, again and again.
struct Repeated<'a> {
    piece: &'a [u8],
    left: usize,
    at: usize,
}

impl io::Read for Repeated<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.at = 0;
            self.left -= 1;
        }
        if self.left == 0 {
            return Ok(0);
        }
        let length = out.len().min(self.piece.len() - self.at);
        out[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// A figure of the service's memory, in bytes.
fn memory(service: &Service, figure: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with(figure))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// Lets the highest figure so far be the present one.
fn forget_peak(service: &Service) {
    fs::write(format!("/proc/{}/clear_refs", service.id()), "5").unwrap();
}
