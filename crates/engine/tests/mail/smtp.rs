//! Mail at a real mail server.

use std::time::Duration;

use vestibule_engine::mail::{Mail, Sender, SmtpMailer, SmtpServer};
use vestibule_model::email::EmailAddress;
use vestibule_testkit::{SmtpSink, TestServer, server::PUBLIC_URL};

const TEXT: &str = "First\n.\n..two dots\n.hidden\nGrüße\n";

/// A service whose mail goes to this URL.
async fn service(url: &str) -> TestServer {
    let server = SmtpServer::parse(url).unwrap();
    let from = Sender::parse("Vestibule <no-reply@example.com>").unwrap();
    let mailer = SmtpMailer::new(&server, from, PUBLIC_URL).unwrap();
    TestServer::with_mailer(Box::new(mailer)).await
}

fn mail() -> Mail {
    Mail {
        to: EmailAddress::parse("ada@example.com").unwrap(),
        subject: String::from("Done\r\nBcc: eve@example.com"),
        text: String::from(TEXT),
        html: None,
    }
}

async fn send(service: &TestServer) {
    service.engine.send_mail(mail());
    service.engine.settle_mail().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_arrives_as_it_was_written() {
    let sink = SmtpSink::start().await;
    let service = service(&format!("smtp://ada:s3cret@{}", sink.authority())).await;
    send(&service).await;
    let [received] = &sink.received()[..] else {
        panic!("one mail: {:?}", sink.received());
    };
    assert_eq!(received.hello, "vestibule.test");
    assert_eq!(received.auth.as_deref(), Some("PLAIN AGFkYQBzM2NyZXQ="));
    assert_eq!(
        received.from.split(' ').next(),
        Some("FROM:<no-reply@example.com>")
    );
    assert_eq!(received.to, ["TO:<ada@example.com>"]);
    let message = mail_parser::MessageParser::default()
        .parse(received.message.as_bytes())
        .unwrap();
    assert_eq!(message.subject(), Some("Done  Bcc: eve@example.com"));
    assert!(message.bcc().is_none());
    assert_eq!(
        message
            .body_text(0)
            .unwrap()
            .replace("\r\n", "\n")
            .trim_end(),
        TEXT.trim_end()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_now_is_asked_again() {
    for (command, answer) in [
        ("CONNECT", "421 4.3.2 busy"),
        ("RCPT", "450 4.2.0 greylisted"),
        ("CONTENT", "451 4.3.0 try again"),
    ] {
        let sink = SmtpSink::start().await;
        sink.refuse(command, answer);
        let service = service(&format!("smtp://{}", sink.authority())).await;
        service.engine.send_mail(mail());
        service.engine.settle_mail().await;
        assert_eq!(
            (sink.connections(), sink.received().len()),
            (2, 1),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_will_is_not_asked_again() {
    for (command, answer) in [
        ("RCPT", "550 5.1.1 <ada@example.com> is nobody here"),
        ("AUTH", "535 5.7.8 wrong"),
        ("CONTENT", "554 5.7.1 refused"),
    ] {
        let sink = SmtpSink::start().await;
        sink.refuse(command, answer);
        let service = service(&format!("smtp://ada:s3cret@{}", sink.authority())).await;
        send(&service).await;
        assert_eq!(
            (sink.connections(), sink.received().len()),
            (1, 0),
            "{answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_encryption_nothing_is_said_where_it_is_required() {
    let sink = SmtpSink::start().await;
    let service = service(&format!(
        "smtp://ada:s3cret@{}?tls=required",
        sink.authority()
    ))
    .await;
    send(&service).await;
    assert_eq!((sink.connections(), sink.received().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deaf_server_does_not_hold_up_the_end() {
    let sink = SmtpSink::deaf().await;
    let service = service(&format!("smtp://{}", sink.authority())).await;
    service.engine.send_mail(mail());
    let drained = service.engine.drain_mail(Duration::from_millis(300));
    // Far less than the service would wait for an answer of the server.
    tokio::time::timeout(Duration::from_secs(10), drained)
        .await
        .expect("the end comes");
}
