//! Where mails go when there is no mail server: one file each, in a folder of this machine, for the operator to read.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use futures_util::future::BoxFuture;
use mail_parser::{Message, MessageParser, PartType};
use vestibule_model::time::Timestamp;

use super::{Letter, LetterId, Mailer, Sender, Undelivered, message::compose};
use crate::{Error, Result};

/// Most mails that are kept; the oldest make room.
const MOST_KEPT: usize = 1000;
/// Bytes of a file that are read for its line in a list: headers are far smaller.
const HEAD: u64 = 16 << 10;
/// Bytes of a file that are read to show it.
const WHOLE: u64 = 1 << 20;

/// A folder of `<id>.eml` files. It is made, for its owner only, with the first mail.
#[derive(Debug, Clone)]
pub struct Outbox {
    folder: PathBuf,
    from: Sender,
}

/// A mail of the outbox as a list shows it.
#[derive(Debug)]
pub struct KeptMail {
    /// Its name.
    pub id: LetterId,
    /// Whom it was for.
    pub to: String,
    /// Subject line.
    pub subject: String,
    /// When it was sent.
    pub date: Timestamp,
}

/// A mail of the outbox with what it says.
#[derive(Debug)]
pub struct KeptText {
    /// What a list shows.
    pub about: KeptMail,
    /// The text.
    pub text: String,
    /// The HTML, if it has any. Not to be trusted in a page of our own.
    pub html: Option<String>,
}

impl Outbox {
    /// An outbox in this folder. Does no I/O.
    pub fn new(folder: PathBuf, from: Sender) -> Self {
        Self { folder, from }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The newest mails, or those older than `before`; at most `count`, and one more if there are more.
    pub(crate) async fn list(
        &self,
        before: Option<LetterId>,
        count: usize,
    ) -> Result<Vec<KeptMail>> {
        self.blocking(move |outbox| {
            let ids = outbox.ids()?.into_iter().rev();
            let ids = ids.filter(|id| before.as_ref().is_none_or(|before| id < before));
            let mut rows = Vec::new();
            for id in ids {
                if rows.len() > count {
                    break;
                }
                let Some(bytes) = outbox.read(&id, HEAD)? else {
                    continue;
                };
                if let Some(message) = MessageParser::default().parse_headers(&bytes) {
                    rows.push(about(id, &message));
                }
            }
            Ok(rows)
        })
        .await
    }

    /// One mail; `None` when it is not, or no longer, here.
    pub(crate) async fn show(&self, id: LetterId) -> Result<Option<KeptText>> {
        self.blocking(move |outbox| {
            let Some(bytes) = outbox.read(&id, WHOLE)? else {
                return Ok(None);
            };
            let message = MessageParser::default().parse(&bytes);
            Ok(message.map(|message| KeptText {
                about: about(id, &message),
                text: part(&message, |body| match body {
                    PartType::Text(text) => Some(text.replace("\r\n", "\n")),
                    _ => None,
                })
                .unwrap_or_default(),
                html: part(&message, |body| match body {
                    PartType::Html(html) => Some(html.replace("\r\n", "\n")),
                    _ => None,
                }),
            }))
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let outbox = self.clone();
        tokio::task::spawn_blocking(move || work(&outbox))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }

    /// Names of the mails, oldest first. Other files in the folder are none of ours: they are neither shown nor removed.
    fn ids(&self) -> io::Result<Vec<LetterId>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_suffix(".eml"))
                .and_then(LetterId::parse);
            if let Some(id) = id.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
                ids.push(id);
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn read(&self, id: &LetterId, most: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match fs::File::open(self.path(id)) {
            // It made room for a newer one meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn write(&self, id: &LetterId, bytes: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        // A reader sees a whole mail or none.
        let unfinished = self.folder.join(format!(".{id}.unfinished"));
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&unfinished, self.path(id)));
        if written.is_err() {
            // What could not be written may not be removable either; the first error is the one to tell.
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        self.make_room()
    }

    fn make_room(&self) -> io::Result<()> {
        let ids = self.ids()?;
        for id in ids.iter().take(ids.len().saturating_sub(MOST_KEPT)) {
            match fs::remove_file(self.path(id)) {
                // Two mails that are written at once make the same room.
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, id: &LetterId) -> PathBuf {
        self.folder.join(format!("{id}.eml"))
    }
}

impl Mailer for Outbox {
    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let bytes = compose(letter, &self.from)?.formatted();
            let id = letter.id.clone();
            self.blocking(move |outbox| outbox.write(&id, &bytes))
                .await
                .map_err(|error| match error.source {
                    Some(source) => Undelivered::for_now(format!("the outbox: {source}")),
                    None => Undelivered::for_now(error.public),
                })
        })
    }

    fn outbox(&self) -> Option<&Outbox> {
        Some(self)
    }
}

/// The first part that `read` knows.
fn part(message: &Message<'_>, read: impl Fn(&PartType<'_>) -> Option<String>) -> Option<String> {
    message.parts.iter().find_map(|part| read(&part.body))
}

fn about(id: LetterId, message: &Message<'_>) -> KeptMail {
    let to = message.to().and_then(|to| to.first());
    let date = message
        .date()
        .map(mail_parser::DateTime::to_timestamp)
        .unwrap_or_default();
    KeptMail {
        id,
        to: to
            .and_then(mail_parser::Addr::address)
            .unwrap_or_default()
            .to_owned(),
        subject: message.subject().unwrap_or_default().to_owned(),
        date: Timestamp::from_millis(date.saturating_mul(1000)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use vestibule_model::email::EmailAddress;

    use super::*;
    use crate::mail::Mail;

    fn outbox(folder: &Path) -> Outbox {
        let from = Sender::parse("Vestibule <no-reply@example.com>").unwrap();
        Outbox::new(folder.join("outbox"), from)
    }

    fn letter(number: u32) -> Letter {
        let date = Timestamp::from_millis(1_795_467_480_000).plus_seconds(i64::from(number / 10));
        Letter {
            id: LetterId::new(date, number, 0xfeed),
            date,
            mail: Mail {
                to: EmailAddress::parse("ada@example.com").unwrap(),
                subject: format!("Nr. {number} – fertig"),
                text: format!("Text {number}\nGrüße\n"),
                html: number
                    .is_multiple_of(2)
                    .then(|| String::from("<p>Grüße</p>")),
            },
        }
    }

    #[tokio::test]
    async fn mails_are_private_files_and_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = outbox(folder.path());
        assert!(outbox.list(None, 10).await.unwrap().is_empty());
        for number in [0, 1] {
            outbox.send(&letter(number)).await.unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(outbox.folder()), 0o700);
        let names: Vec<_> = fs::read_dir(outbox.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(names.len(), 2);
        for name in names {
            assert_eq!(mode(&name), 0o600);
            assert_eq!(name.extension().unwrap(), "eml");
        }
        let shown = outbox.show(letter(0).id).await.unwrap().unwrap();
        assert_eq!(shown.about.to, "ada@example.com");
        assert_eq!(shown.about.subject, "Nr. 0 – fertig");
        assert_eq!(shown.about.date, letter(0).date);
        assert_eq!(shown.text.trim_end(), "Text 0\nGrüße");
        assert_eq!(shown.html.unwrap().trim_end(), "<p>Grüße</p>");
        let plain = outbox.show(letter(1).id).await.unwrap().unwrap();
        assert_eq!(plain.html, None);
        assert!(outbox.show(letter(2).id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_newest_are_kept_and_strangers_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = outbox(folder.path());
        let total = u32::try_from(MOST_KEPT).unwrap() + 5;
        for number in 0..total {
            outbox.send(&letter(number)).await.unwrap();
            if number == 0 {
                fs::write(outbox.folder().join("note.eml"), "mine").unwrap();
            }
        }
        let ids = outbox.ids().unwrap();
        assert_eq!(ids.len(), MOST_KEPT);
        assert_eq!(ids.first(), Some(&letter(5).id));
        assert!(outbox.folder().join("note.eml").exists());

        let newest = outbox.list(None, 3).await.unwrap();
        let subjects = |rows: &[KeptMail]| -> Vec<String> {
            rows.iter().map(|row| row.subject.clone()).collect()
        };
        assert_eq!(newest.len(), 4, "one more says that there are more");
        assert_eq!(newest[0].id, letter(total - 1).id);
        let older = outbox.list(Some(newest[2].id.clone()), 3).await.unwrap();
        assert_eq!(subjects(&older)[0], subjects(&newest)[3]);
        let last = outbox.list(Some(letter(6).id), 3).await.unwrap();
        assert_eq!(subjects(&last), ["Nr. 5 – fertig"]);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("outbox"), "in the way").unwrap();
        let failed = outbox(folder.path()).send(&letter(0)).await.unwrap_err();
        assert!(failed.again);
        assert!(!failed.reason.contains("ada@example.com"), "{failed}");
    }
}
