//! `vestibule serve`: opens everything, tells the newcomer what is where, serves, and stops cleanly.

use std::{
    fs,
    io::{IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};
use vestibule_crypto::{password::HasherPool, random::SystemRandom, seal::MasterKey};
use vestibule_engine::{Engine, Ingredients, MutualTls, Settings, pace::Pace};
use vestibule_model::time::Clock;
use vestibule_store::{DbOptions, EngineKind, Store};
use vestibule_web::{
    App, Limits,
    listener::{Attended, WRITE_STALL},
    router,
};

use crate::{
    connections, mail,
    options::{LogFormat, Options, ServeArguments},
    system::SystemClock,
};

/// Jobs that one process works on at a time, those fed by requests aside.
const JOBS: usize = 2;
/// How long requests may take to finish after SIGTERM.
const DRAIN: Duration = Duration::from_secs(8);
/// How long after SIGTERM mails may still leave.
const LAST_MAIL: Duration = Duration::from_secs(9);

/// Runs the service until SIGTERM or SIGINT.
pub fn run(arguments: ServeArguments) -> Result<()> {
    let options = arguments.resolve()?;
    start_log(&options)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(serve(options))
}

async fn serve(options: Options) -> Result<()> {
    make_private_folder(&options.data_dir)?;
    let listener = TcpListener::bind(&options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let url = options
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{address}"));
    let engine = open(&options, &url).await?;
    let first = engine
        .bootstrap(options.admin_api_key.clone())
        .await
        .context("cannot set up the account")?;
    let key_file = options.data_dir.join("admin-api-key");
    if let Some(key) = first {
        write_private(&key_file, key.expose())?;
        println!(
            "Welcome to Vestibule. The account was made, and its first API key is in\n  {}",
            key_file.display()
        );
        println!("Sign in to the console with that key:\n  {url}/console/");
        println!(
            "or from a terminal:\n  vestibule login --url {url} --api-key-file {}\n",
            key_file.display()
        );
    } else {
        println!("console at {url}/console/");
    }

    engine
        .release_jobs()
        .await
        .context("cannot let go of jobs")?;
    if let Err(error) = engine.tidy_jobs().await {
        tracing::warn!(?error, "cannot tidy the jobs ledger");
    }
    let (stop, stopping) = watch::channel(false);
    let workers = [
        tokio::spawn(work(engine.clone(), stopping.clone())),
        tokio::spawn(clean(engine.clone(), stopping.clone())),
    ];
    let jobs: Vec<_> = (0..JOBS)
        .map(|_| tokio::spawn(work_on_jobs(engine.clone(), stopping.clone())))
        .collect();
    let app = App::new(
        engine.clone(),
        Limits {
            body: options.max_body,
            import_body: options.max_import_body,
            ..Limits::default()
        },
    )
    .behind(options.proxies.clone());
    let app = router(app);
    let mut signals = Stop::listen()?;
    println!("listening on {url}");
    std::io::stdout()
        .flush()
        .context("cannot write to standard output")?;
    tracing::info!(%address, %url, engine = ?engine.database_engine(), "ready");

    let server = tokio::spawn(connections::serve(
        Attended::new(listener, WRITE_STALL),
        app,
        connections::IDLE,
        stopping,
    ));
    signals.wait().await;
    tracing::info!("stopping");
    engine.stop_jobs();
    let stopped = Instant::now();
    stop.send_replace(true);
    if tokio::time::timeout(DRAIN, server).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    for worker in workers {
        worker.await.context("a worker failed")?;
    }
    for job in jobs {
        let left = LAST_MAIL.saturating_sub(stopped.elapsed());
        if tokio::time::timeout(left, job).await.is_err() {
            tracing::warn!("a job did not come to rest in time; its last checkpoint holds");
        }
    }
    engine
        .drain_mail(LAST_MAIL.saturating_sub(stopped.elapsed()))
        .await;
    engine.close().await;
    Ok(())
}

async fn open(options: &Options, url: &str) -> Result<Engine> {
    let random = SystemRandom::new();
    let master =
        MasterKey::load_or_create(&options.master_key_file, &random).with_context(|| {
            format!(
                "cannot use the master key {}",
                options.master_key_file.display()
            )
        })?;
    let store = Store::open(
        &options.database_url,
        DbOptions {
            now_ms: SystemClock.now().millis(),
            ..DbOptions::default()
        },
    )
    .await
    .context("cannot open the database")?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Ok(Engine::new(Ingredients {
        settings: Settings {
            public_url: url.to_owned(),
            region: options.region.clone(),
            retention_days: options.retention_days,
            rotate_keys_days: options.rotate_keys_days,
            fetch_from: options.fetch_from.clone(),
            mutual_tls: match options.proxies.trusted.is_empty() {
                true => MutualTls::Unseen,
                false => MutualTls::Seen(options.mtls_url.clone()),
            },
        },
        pace: pace(options, store.engine()),
        store,
        master,
        clock: Box::new(SystemClock),
        random: Box::new(random),
        hashers: HasherPool::new(cores, cores * 64),
        mailer: mail::mailer(options, url)?,
    }))
}

fn pace(options: &Options, database: EngineKind) -> Pace {
    let pace = Pace::on(database).with_lease(Duration::from_secs(options.lease_seconds.into()));
    match options.step_records {
        Some(records) => pace.with_steps(records),
        None => pace,
    }
}

/// How often a node looks for what others changed, so that it honours a change within a second.
const LOOK: Duration = Duration::from_millis(500);

/// How often what has expired is removed.
const CLEAN: Duration = Duration::from_secs(60);

/// What is done beside requests: noticing what other nodes changed, and keeping the jobs ledger tidy.
async fn work(engine: Engine, mut stopping: watch::Receiver<bool>) {
    let mut since = engine.now();
    let mut ticks: u32 = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        match engine.refresh_tenants(since).await {
            Ok(next) => since = next,
            Err(error) => tracing::warn!(?error, "cannot look for changes of other nodes"),
        }
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(10)
            && let Err(error) = engine.tidy_jobs().await
        {
            tracing::warn!(?error, "cannot tidy the jobs ledger");
        }
    }
}

/// Removes what has expired. That may take long, and nothing waits for it.
async fn clean(engine: Engine, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(CLEAN) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = engine.clean_up().await {
            tracing::warn!(?error, "cannot remove what has expired");
        }
    }
}

/// Goes on with jobs that wait, one after another.
async fn work_on_jobs(engine: Engine, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        match engine.work_on_a_job().await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(?error, "cannot look for jobs that wait"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// The signals that stop the service. They are listened for before anybody is told that it is ready.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn start_log(options: &Options) -> Result<()> {
    let filter = EnvFilter::try_new(&options.log).context("--log is not a valid filter")?;
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for terminals: in a file they are noise.
    let coloured = std::io::stderr().is_terminal();
    let started = match options.log_format {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_ansi(coloured)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(fmt::layer().json().with_writer(std::io::stderr))
            .try_init(),
    };
    started.context("cannot start the log")
}

fn make_private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}", path.display()))
}

fn write_private(path: &Path, secret: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{secret}").with_context(|| format!("cannot write {}", path.display()))
}
