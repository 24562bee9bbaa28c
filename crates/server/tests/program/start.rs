//! Starting and stopping.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::process::{ADMIN_KEY, Administrator, Service};

#[test]
fn a_newcomer_is_told_where_things_are_and_secrets_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let service = Service::start(&data, &[]);
    let greeting = service.greeting.join("\n");
    assert!(greeting.contains("/console/"), "{greeting}");
    assert!(greeting.contains("admin-api-key"), "{greeting}");
    assert!(
        !greeting.contains(ADMIN_KEY),
        "the key itself is not printed"
    );
    for name in ["admin-api-key", "master.key", "vestibule.db"] {
        let mode = fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    assert_eq!(service.stop(), Some(0), "SIGTERM drains and exits 0");
}

#[test]
fn a_second_process_on_the_same_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let second = Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains("another process"), "{words}");
    assert_eq!(service.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_may_start_at_once_on_an_empty_database() {
    let Some(url) = vestibule_testkit::postgres::test_database_url() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("shared.key");
    fs::write(&key, "07".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let started = ["one", "two"].map(|name| {
        let (url, key, data) = (url.clone(), key.clone(), folder.path().join(name));
        std::thread::spawn(move || {
            let key = key.display().to_string();
            Service::start(&data, &["--database-url", &url, "--master-key-file", &key])
        })
    });
    let nodes = started.map(|thread| thread.join().unwrap());
    let made = |node: &&Service| node.greeting.join("\n").contains("The account was made");
    assert_eq!(nodes.iter().filter(made).count(), 1);
    let mut lists = Vec::new();
    for node in &nodes {
        let administrator = Administrator::sign_in(&node.url).await;
        lists.push(
            administrator
                .call("GET", "/v2/resource_instances", None)
                .await,
        );
    }
    assert!(matches!(&lists[0], Some((200, _))), "{lists:?}");
    assert_eq!(lists[0], lists[1]);
    for node in nodes {
        assert_eq!(node.stop(), Some(0));
    }
}

#[test]
fn wrong_use_exits_2_and_failure_exits_1() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(arguments)
            .env("HOME", "/nonexistent")
            .output()
            .unwrap()
    };
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["serve", "--nonsense"]).status.code(), Some(2));
    let nobody = run(&[
        "instance",
        "list",
        "--url",
        "http://127.0.0.1:9",
        "--api-key",
        "x",
    ]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&nobody.stderr).contains("nothing answers at http://127.0.0.1:9")
    );
    let wrong = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "mysql://x",
    ]);
    assert_eq!(wrong.status.code(), Some(1));
}
