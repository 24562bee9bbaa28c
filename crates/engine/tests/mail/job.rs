//! What is written to whoever started a job.

use vestibule_engine::mail::{
    Mail,
    job::{JobEnd, JobNews, NewsCounts},
};
use vestibule_model::{email::EmailAddress, id::TenantId, time::Timestamp};
use vestibule_testkit::{TestServer, server::PUBLIC_URL};

const TENANT: &str = "5c5d7b0e-6a3f-4a55-9d0c-0f4a8f0f1e11";
const JOB: &str = "019ab0c4-3f5e-7c3e-9a52-0d1f2a3b4c5d";

async fn mail(kind: &str, end: JobEnd<'_>, counts: NewsCounts) -> Mail {
    let news = JobNews {
        to: EmailAddress::parse("ada@example.com").unwrap(),
        kind,
        job: JOB,
        tenant: TenantId::parse(TENANT).unwrap(),
        instance: "Shop <b>&\nBcc: eve@example.com",
        end,
        counts,
        expires: Some(Timestamp::parse_rfc3339("2026-12-01T21:00:00.000Z").unwrap()),
    };
    let server = TestServer::sqlite().await;
    server.engine.write_job_mail(news).unwrap()
}

#[tokio::test]
async fn an_export_that_is_done_says_how_much_and_where() {
    let counts = NewsCounts {
        added: 1_234_567,
        ..NewsCounts::default()
    };
    let mail = mail("directory_export", JobEnd::Done, counts).await;
    assert!(
        mail.subject
            .starts_with("Export of directory users is done: Shop")
    );
    let expected = format!(
        "Export of directory users is done.\n\n\
         Instance: Shop <b>&\nBcc: eve@example.com\n\
         Written: 1,234,567\n\n\
         The file is ready to be downloaded.\n\n\
         See the job in the console:\n\
         {PUBLIC_URL}/console/instances/{TENANT}/jobs/{JOB}\n\n\
         It is kept until 2026-12-01 21:00 UTC.\n\n\
         -- \n\
         You get this mail because this address was given when the job was started. Job {JOB}"
    );
    assert_eq!(mail.text.trim_end(), expected);
    let html = mail.html.unwrap();
    assert!(html.contains("Shop &lt;b&gt;&amp;"), "{html}");
    assert!(!html.contains("<b>"), "{html}");
    assert!(html.contains("1,234,567"));
    assert!(html.contains(&format!("&#x2f;jobs&#x2f;{JOB}\"")), "{html}");
}

#[tokio::test]
async fn an_import_with_refusals_points_to_the_report() {
    let counts = NewsCounts {
        added: 7,
        updated: 2,
        failed: 1,
        without_password: 3,
        ..NewsCounts::default()
    };
    let mail = mail("directory_import", JobEnd::Done, counts).await;
    assert!(
        mail.subject
            .starts_with("Import of directory users is done, with refusals: ")
    );
    for line in [
        "Added: 7\n",
        "Updated: 2\n",
        "Refused: 1\n",
        "Without a password now: 3\n",
        "The report says what was refused, and why.\n",
    ] {
        assert!(mail.text.contains(line), "{line} in {}", mail.text);
    }
    assert!(!mail.text.contains("Skipped"));
    assert!(!mail.text.contains("downloaded"));
}

#[tokio::test]
async fn a_job_that_failed_says_why() {
    let end = JobEnd::Failed("Record 17 is <no> JSON.");
    let mail = mail("users_import", end, NewsCounts::default()).await;
    assert!(mail.subject.starts_with("Import of profiles has failed: "));
    assert!(mail.text.contains("Added: 0\n"), "{}", mail.text);
    assert!(mail.text.contains("Reason: Record 17 is <no> JSON.\n"));
    assert!(mail.html.unwrap().contains("Record 17 is &lt;no&gt; JSON."));

    let failed_export = self::mail("bundle_export", end, NewsCounts::default()).await;
    assert!(!failed_export.text.contains("downloaded"));
}
