//! The server's life, from the listener to the last answer.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::access::Tokens;
use crate::backups::Schedule;
use crate::config::Config;
use crate::connection::{Acceptor, widen};
use crate::database::{Database, FirstTokens};
use crate::error::Error;
use crate::limits::{HEADER_TIMEOUT, MAX_HEAD_BYTES, OPEN_FILES};
use crate::live::Live;
use crate::quota::Quotas;
use crate::service::{Fault, Service, document, schedule, upkeep};
use crate::store::{Page, Store, Tenants};
use crate::{http, telemetry};

/// Runs the server as a process: with logs, until SIGTERM or SIGINT.
///
/// Prints the tokens of a new database and then `listening on http://ADDR` on standard output.
///
/// # Errors
/// When it cannot listen, or cannot open the database.
pub fn run(config: Config) -> Result<(), Error> {
    telemetry::start(config.log_format, config.log_level);
    if let Err(error) = rlimit::increase_nofile_limit(OPEN_FILES) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stopped = runtime.block_on(async {
        // First: tokens of a new database must not be lost because a port is taken.
        let listener = TcpListener::bind(&config.listen)
            .map_err(|error| Error::new(format!("cannot listen on {}: {error}", config.listen)))?;
        let address = listener.local_addr()?;
        let (database, first) = Database::open(&config.database, &config.bootstrap)?;
        let stop = stop_signal()?;
        let ready = || {
            tracing::info!(%address, database = %config.database.display(), "listening");
            announce(address, &first)
        };
        serve_when(listener, database, &config, stop, ready).await?;
        tracing::info!("stopped");
        Ok(())
    });
    // What is still running after the time-out is not waited for.
    runtime.shutdown_background();
    stopped
}

fn announce(address: SocketAddr, first: &FirstTokens) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    // To be pasted into a shell.
    if let Some(token) = &first.admin_token {
        writeln!(out, "export FLAGS_ADMIN_TOKEN={token}")?;
    }
    if let Some(token) = &first.sdk_token {
        writeln!(out, "export FLAGS_SDK_TOKEN={token}  # for default/production")?;
    }
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    Ok(())
}

/// Listens for the signals from now on.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()> + Send, Error> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn stop_signal() -> Result<impl Future<Output = ()> + Send, Error> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Serves a database until `shutdown` completes.
///
/// Then open streams end, and running requests have `shutdown_timeout` to finish; returns when
/// everything that was accepted is written.
///
/// # Errors
/// When the database cannot be read.
pub async fn serve(
    listener: TcpListener,
    database: Database,
    quotas: Quotas,
    shutdown_timeout: Duration,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let config = Config { quotas, shutdown_timeout, ..Config::default() };
    serve_when(listener, database, &config, shutdown, || Ok(())).await
}

/// The same as configured, but for what has been listened to and opened; `ready` is called when
/// requests can be answered.
async fn serve_when(
    listener: TcpListener,
    database: Database,
    config: &Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
    ready: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let (quotas, shutdown_timeout) = (config.quotas, config.shutdown_timeout);
    let stop = CancellationToken::new();
    let store = database.store;
    let (loaded, tokens_end) = (Arc::clone(&store), stop.clone());
    let (live, tokens) = spawn_blocking(move || load(&*loaded, quotas, tokens_end))
        .await
        .map_err(|error| Error::new(error.to_string()))??;
    let (service, writer) = Service::start(store, Arc::new(live), Arc::new(tokens))?;

    // What came due meanwhile is made before anybody is answered.
    schedule::run::catch_up(&service, http::tell).await;
    if let Some(directory) = config.backup_dir.clone() {
        let (every, keep) = (config.backup_every, config.backup_keep);
        let metrics = service.metrics.of_backups(every)?;
        tokio::spawn(Schedule { directory, every, keep }.run(config.database.clone(), metrics));
    }
    widen(&listener)?;
    ready()?;
    listener.set_nonblocking(true)?;
    let handle: Handle<SocketAddr> = Handle::new();
    let service = Arc::new(service);
    let stopping = tokio::spawn({
        let (handle, stop) = (handle.clone(), stop.clone());
        async move {
            shutdown.await;
            stop.cancel();
            handle.graceful_shutdown(Some(shutdown_timeout));
        }
    });
    let app = http::router(Arc::clone(&service), config.trusted_proxies.clone())
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let server = Server::<SocketAddr>::from_listener(listener).handle(handle);
    // Not HTTP/2: hyper waits without a limit for the first bytes that tell which one it is. After
    // the acceptor, which would forget it.
    let mut server = server.acceptor(Acceptor).http1_only();
    server
        .http_builder()
        .http1()
        .max_buf_size(MAX_HEAD_BYTES)
        // Without a timer, hyper ignores the time-out.
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    tokio::spawn(schedule::run::run(Arc::clone(&service), http::tell, stop.clone()));
    tokio::spawn(upkeep::run(service, stop.clone()));
    let served = server.serve(app).await;
    stopping.abort();
    stop.cancel();

    // The service is gone with the last connection; the writer ends when its queue is empty.
    let drained = tokio::time::timeout(shutdown_timeout, spawn_blocking(|| writer.join())).await;
    if drained.is_err() {
        tracing::warn!("the writer is given up on");
    }
    Ok(served?)
}

/// Reads what is kept in memory.
pub(crate) fn load(
    store: &dyn Store,
    quotas: Quotas,
    stop: CancellationToken,
) -> Result<(Live, Tokens), Error> {
    let view = store.view()?;
    let live = Live::new(view.epoch()?);
    let archived: Vec<String> = view
        .projects(&Page::ALL)?
        .into_iter()
        .filter(|project| project.archived_at.is_some())
        .map(|project| project.key)
        .collect();
    for environment in view.environments(None, &Page::ALL)? {
        let document =
            document::read(&*view, &environment, Tenants::All).map_err(|fault| match fault {
                Fault::Store(error) => error.into(),
                fault => Error::new(format!("{fault:?}")),
            })?;
        live.load(&environment, &document);
        if archived.contains(&environment.project) {
            live.archive(environment.id, true);
        }
    }
    let tokens = Tokens::new(&view.tokens(&Page::ALL)?, quotas, stop);
    Ok((live, tokens))
}
