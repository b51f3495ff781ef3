//! `…/export` and `…/import`: a whole environment as one document.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemars::{Schema, SchemaGenerator};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::body::{Bulk, Form, parse};
use super::path::Keys;
use super::plan::{DryRun, carry_out};
use super::post::Post;
use super::problem::Problem;
use crate::limits::{EXPORT_CHUNK_BYTES, EXPORT_TIMEOUT};
use crate::service::import::{self, Imported};
use crate::service::{Precondition, Service, export as document, project};
use crate::store::View;

pub(super) async fn export(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
) -> Result<Response, Problem> {
    let (p, e) = (project.clone(), environment.clone());
    // What is not there is told before anything is sent.
    service.read(move |view| project::find_environment(view, &p, &e)).await?;
    let name = format!("attachment; filename=\"{project}-{environment}.json\"");
    let (sender, receiver) = mpsc::channel(1);
    service
        .export(move |view| {
            let mut chunks = Chunks::new(sender);
            let written = view
                .and_then(|view| {
                    let found = project::find_environment(view, &project, &environment);
                    let (project, environment) = found?;
                    document::write(view, &project, &environment, &mut chunks)
                })
                .map_err(|fault| io::Error::other(format!("{fault:?}")))
                .and_then(|()| chunks.send());
            if let Err(error) = written {
                tracing::warn!(%error, "an export ends early");
                // The body ends without its end: nobody takes it for a whole one.
                chunks.fail(error);
            }
        })
        .await?;
    let chunks = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, name),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// Gathers what is written into pieces and hands them on, as fast as they are taken; not for ever.
struct Chunks {
    buffer: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    deadline: Instant,
}

impl Chunks {
    fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { buffer: Vec::new(), sender, deadline: Instant::now() + EXPORT_TIMEOUT }
    }

    fn send(&mut self) -> io::Result<()> {
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        let sent = timeout_at(self.deadline, self.sender.send(Ok(chunk)));
        match Handle::current().block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::other("the client has gone away")),
            Err(_) => Err(io::Error::other("the client took too long")),
        }
    }

    fn fail(self, error: io::Error) {
        let last = self.sender.send(Err(error));
        // The client may have gone away, or read no more.
        let _ = Handle::current().block_on(tokio::time::timeout(Duration::from_secs(1), last));
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= EXPORT_CHUNK_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Form for Imported {
    const NAME: &'static str = "ImportedDocument";

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Self::document(generator)
    }
}

pub(super) async fn import(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    precondition: Precondition,
    dry_run: DryRun,
    post: Post,
    Bulk(body, ..): Bulk<Imported>,
) -> Result<Response, Problem> {
    let read = move || -> Result<Imported, Problem> { Ok(Imported::read(parse(&body)?)?) };
    let imported = service.compute(read).await??;
    let plan =
        move |view: &dyn View| import::plan(view, &project, &environment, &precondition, imported);
    carry_out(&service, dry_run, post, "environment.import", plan).await
}
