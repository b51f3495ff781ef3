//! A service on a file that no server has, for one command.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::api::words;
use crate::Error;
use crate::database::open_existing;
use crate::http;
use crate::quota::Quotas;
use crate::server::load;
use crate::service::{Author, Fault, Service};
use crate::store::Store;

/// Does something through the service layer, as a server would; returns when it is durable.
pub(super) fn with_service<T>(
    database: &Path,
    reason: Option<String>,
    work: impl AsyncFnOnce(&Service, Author) -> Result<T, Fault>,
) -> Result<T, Error> {
    let store: Arc<dyn Store> = Arc::new(open_existing(database)?);
    let (live, tokens) = load(&*store, Quotas::default(), CancellationToken::new())?;
    let (service, writer) = Service::start(store, Arc::new(live), Arc::new(tokens))?;
    let author = Author::operator(Uuid::now_v7().simple().to_string(), reason);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work(&service, author));
    drop(service);
    if writer.join().is_err() {
        return Err(Error::new("the writer panicked"));
    }
    Ok(done?)
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::new(match fault {
            // What the API keeps to itself.
            Fault::Internal(message) => message,
            Fault::Store(error) => error.to_string(),
            fault => words(&http::tell(fault)).unwrap_or_default(),
        })
    }
}
