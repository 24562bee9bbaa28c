//! A job's changes as server-sent events (WHATWG HTML, section 9.2).

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use vestibule_engine::access::Manager;
use vestibule_model::job::Job;

use super::JobBody;
use crate::App;

/// How often the job is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Where a watcher stands.
enum At {
    First(Box<JobBody>),
    Later(Box<JobBody>),
    Over,
}

/// The job now and at each change, until it ends or rests. Permission is checked again at each look, so a watcher who loses the role,
/// or whose instance is gone, sees no more.
pub(super) fn of(
    app: App,
    manager: Manager,
    job: Job,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let first = At::First(Box::new(JobBody::new(&app, manager.tenant(), job.clone())));
    let changes = stream::unfold(
        (app, manager, first, job),
        |(app, manager, at, job)| async {
            let shown = match at {
                At::Over => return None,
                At::First(body) => body,
                At::Later(last) => changed(&app, &manager, &job, *last).await?,
            };
            let event = Event::default().event("job").json_data(&*shown).ok()?;
            let next = if shown.rests() {
                At::Over
            } else {
                At::Later(shown)
            };
            Some((Ok(event), (app, manager, next, job)))
        },
    );
    Sse::new(changes).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// Waits for the job to be another than it was; none when it is gone.
async fn changed(app: &App, manager: &Manager, job: &Job, last: JobBody) -> Option<Box<JobBody>> {
    loop {
        tokio::time::sleep(EVERY).await;
        let tenant = manager.tenant();
        let manager = app
            .engine
            .permit_manager(manager.caller().clone(), tenant)
            .await
            .ok()?;
        let job = app.engine.get_job(&manager, job.id).await.ok()?;
        let now = JobBody::new(app, tenant, job);
        if now != last {
            return Some(Box::new(now));
        }
    }
}
