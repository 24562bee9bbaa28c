//! `/v1/outbox`: mails that are kept on this machine because there is no mail server. A call of our own.

use axum::{
    Json,
    extract::{OriginalUri, Path, Query, State},
    http::Uri,
    response::IntoResponse,
    routing::get,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vestibule_engine::{
    mail::outbox::{KeptMail, KeptText},
    platform::outbox::Delivery,
};

use super::paging::{WINDOW, Window, next_link};
use crate::{
    App,
    error::IamError,
    extract::Calling,
    route::{Guard, Route},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("get", "/v1/outbox", "list_outbox", || get(list))
            .guard(Guard::Platform)
            .summary("Mails kept on this machine, newest first; none when a mail server takes them. For Administrators.")
            .query(WINDOW)
            .answers::<OutboxList>(200),
        Route::new("get", "/v1/outbox/{id}", "get_outbox_mail", || get(show))
            .guard(Guard::Platform)
            .summary("One of these mails. For Administrators.")
            .answers::<OutboxMail>(200),
    ]
}

#[derive(Serialize, JsonSchema)]
struct OutboxList {
    /// `outbox`: mails are kept here; `smtp`: a mail server takes them.
    delivery: &'static str,
    next_url: Option<String>,
    messages: Vec<OutboxRow>,
}

#[derive(Serialize, JsonSchema)]
struct OutboxRow {
    id: String,
    to: String,
    subject: String,
    date: String,
}

#[derive(Serialize, JsonSchema)]
struct OutboxMail {
    id: String,
    to: String,
    subject: String,
    date: String,
    text: String,
    html: Option<String>,
}

impl OutboxList {
    fn of(delivery: Delivery, uri: &Uri) -> Self {
        let (delivery, page) = match delivery {
            Delivery::Smtp => ("smtp", None),
            Delivery::Outbox(page) => ("outbox", Some(page)),
        };
        let next = page.as_ref().and_then(|page| page.next.as_deref());
        Self {
            delivery,
            next_url: next.map(|next| next_link(uri.path(), uri.query(), "start", next)),
            messages: page
                .into_iter()
                .flat_map(|page| page.rows)
                .map(OutboxRow::of)
                .collect(),
        }
    }
}

impl OutboxRow {
    fn of(mail: KeptMail) -> Self {
        Self {
            id: mail.id.to_string(),
            to: mail.to,
            subject: mail.subject,
            date: mail.date.rfc3339(),
        }
    }
}

impl OutboxMail {
    fn of(mail: KeptText) -> Self {
        let row = OutboxRow::of(mail.about);
        Self {
            id: row.id,
            to: row.to,
            subject: row.subject,
            date: row.date,
            text: mail.text,
            html: mail.html,
        }
    }
}

#[derive(Deserialize)]
struct ListQuery {
    limit: Option<u32>,
    start: Option<String>,
}

async fn list(
    State(app): State<App>,
    Calling(by): Calling,
    Query(query): Query<ListQuery>,
    OriginalUri(uri): OriginalUri,
) -> Result<impl IntoResponse, IamError> {
    let window = Window::of(query.limit, query.start);
    let delivery = app
        .engine
        .list_outbox(&by, window.start(), window.count())
        .await?;
    Ok(Json(OutboxList::of(delivery, &uri)))
}

async fn show(
    State(app): State<App>,
    Calling(by): Calling,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, IamError> {
    let mail = app.engine.show_outbox_mail(&by, &id).await?;
    Ok(Json(OutboxMail::of(mail)))
}
