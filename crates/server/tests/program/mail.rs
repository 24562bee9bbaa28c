//! The mail server's password stays in the program.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Output, Stdio},
};

const URL: &str = "smtp://ada:s3cret@mail.example.com:2525";

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(arguments)
        .env("VESTIBULE_SMTP_URL", URL)
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

#[test]
fn the_password_is_neither_in_the_help_nor_in_errors() {
    let help = words(&run(&["serve", "--help"]));
    assert!(
        help.contains("VESTIBULE_SMTP_URL") && !help.contains("s3cret"),
        "{help}"
    );
    for bad in [
        "smtp://ada:s3cret@mail.example.com/path",
        "ftp://ada:s3cret@mail.example.com",
        "ada:s3cret",
    ] {
        let refused = run(&["serve", "--listen", "127.0.0.1:0", "--smtp-url", bad]);
        assert_eq!(refused.status.code(), Some(1));
        let words = words(&refused);
        assert!(
            words.contains("--smtp-url") && !words.contains("s3cret"),
            "{words}"
        );
    }
}

#[test]
fn the_password_is_not_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "trace"])
        .arg("--data-dir")
        .arg(folder.path())
        .env("VESTIBULE_SMTP_URL", URL)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = child.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        text
    });
    let mut greeting = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = greeting.any(|line| line.unwrap().starts_with("listening on "));
    assert!(ready);
    let id = child.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = log.join().unwrap();
    assert!(log.contains("smtp://mail.example.com:2525"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}
