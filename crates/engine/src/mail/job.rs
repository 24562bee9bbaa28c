//! What is written to whoever asked for an export or an import, when it has ended.

use minijinja::{Environment, context};
use vestibule_model::{email::EmailAddress, id::TenantId, time::Timestamp};

use super::Mail;
use crate::{Engine, Error, Result};

const TEMPLATES: [(&str, &str); 3] = [
    (
        "layout.html",
        include_str!("../../../../templates/mail/layout.html"),
    ),
    (
        "job.html",
        include_str!("../../../../templates/mail/job.html"),
    ),
    (
        "job.txt",
        include_str!("../../../../templates/mail/job.txt"),
    ),
];

/// News of a job that has ended.
pub struct JobNews<'a> {
    /// Whom to tell.
    pub to: EmailAddress,
    /// The kind of job as the ledger names it, such as `directory_export`.
    pub kind: &'a str,
    /// Id of the job.
    pub job: &'a str,
    /// The instance.
    pub tenant: TenantId,
    /// The instance's name.
    pub instance: &'a str,
    /// How it ended.
    pub end: JobEnd<'a>,
    /// What became of the records.
    pub counts: NewsCounts,
    /// When the job leaves the ledger, with its report and file.
    pub expires: Option<Timestamp>,
}

/// How a job ended.
#[derive(Debug, Clone, Copy)]
pub enum JobEnd<'a> {
    /// It did all it could.
    Done,
    /// It ended early, for this reason. A sentence for people, without secrets.
    Failed(&'a str),
}

/// What became of the records of a job.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewsCounts {
    /// Added; of an export, written.
    pub added: u64,
    /// Overwritten.
    pub updated: u64,
    /// Left as they were.
    pub skipped: u64,
    /// Refused.
    pub failed: u64,
    /// Of those added or updated, without a password now.
    pub without_password: u64,
}

/// What mails are written from.
pub(super) struct Templates(Environment<'static>);

impl Templates {
    /// Reads them.
    pub(super) fn new() -> Self {
        // Names that end in .html are escaped, those that end in .txt are not: minijinja's own rule.
        let mut environment = Environment::new();
        environment.add_filter("grouped", grouped);
        for (name, source) in TEMPLATES {
            if let Err(error) = environment.add_template(name, source) {
                tracing::error!(%error, name, "a mail template is broken");
            }
        }
        Self(environment)
    }

    fn render(&self, name: &str, content: &minijinja::Value) -> Result<String> {
        self.0
            .get_template(name)
            .and_then(|template| template.render(content))
            .map_err(Error::internal)
    }
}

impl Engine {
    /// The mail that tells of a job's end, with a link to the job in the console.
    ///
    /// # Errors
    /// Internal, when a template is broken.
    pub fn write_job_mail(&self, news: JobNews<'_>) -> Result<Mail> {
        let export = news.kind.ends_with("_export");
        let what = title(news.kind);
        let (ending, reason) = match news.end {
            JobEnd::Done if news.counts.failed > 0 => ("is done, with refusals", None),
            JobEnd::Done => ("is done", None),
            JobEnd::Failed(reason) => ("has failed", Some(reason)),
        };
        let counts = news.counts;
        let rows = [
            (if export { "Written" } else { "Added" }, counts.added),
            ("Updated", counts.updated),
            ("Skipped", counts.skipped),
            ("Refused", counts.failed),
            ("Without a password now", counts.without_password),
        ];
        let content = context! {
            what,
            ending,
            reason,
            instance => news.instance,
            // The first says what there is even if that is nothing; the others only if there is something to say.
            rows => rows
                .into_iter()
                .enumerate()
                .filter(|(place, (_, count))| *place == 0 || *count > 0)
                .map(|(_, row)| row)
                .collect::<Vec<_>>(),
            job => news.job,
            file => export && reason.is_none(),
            report => counts.failed > 0,
            expires => news.expires.map(day),
            link => format!(
                "{}/console/instances/{}/jobs/{}",
                self.settings().public_url, news.tenant, news.job
            ),
        };
        let templates = &self.post().templates;
        Ok(Mail {
            to: news.to,
            subject: format!("{what} {ending}: {}", news.instance),
            text: templates.render("job.txt", &content)?,
            html: Some(templates.render("job.html", &content)?),
        })
    }
}

fn title(kind: &str) -> &'static str {
    match kind {
        "directory_export" => "Export of directory users",
        "directory_import" => "Import of directory users",
        "users_import" => "Import of profiles",
        "bundle_export" => "Export of a bundle",
        "bundle_import" => "Import of a bundle",
        _ => "Job",
    }
}

/// `2026-11-24 21:00 UTC`
fn day(time: Timestamp) -> String {
    let text = time.rfc3339().replace('T', " ");
    format!("{} UTC", text.get(..16).unwrap_or(&text))
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn every_template_is_whole() {
        assert_eq!(Templates::new().0.templates().count(), TEMPLATES.len());
    }
}
