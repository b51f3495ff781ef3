//! `…/export` and `…/import`: a whole environment as one document.

use std::io::{self, Write as _};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemars::{Schema, SchemaGenerator};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::auth::Places;
use super::body::{Bulk, Form, parse};
use super::path::Keys;
use super::plan::{DryRun, Of, carry_out};
use super::post::Post;
use super::problem::Problem;
use crate::limits::{EXPORT_CHUNK_BYTES, EXPORT_TIMEOUT};
use crate::service::import::{self, Imported};
use crate::service::plan::Scale;
use crate::service::{Precondition, Service, export as document, project};
use crate::store::View;

pub(super) async fn export(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    places: Places,
) -> Result<Response, Problem> {
    let (p, e) = (project.clone(), environment.clone());
    // What is not there is told before anything is sent.
    service.read(move |view| project::find_environment(view, &p, &e)).await?;
    let name = format!("attachment; filename=\"{project}-{environment}.json\"");
    let (sender, receiver) = mpsc::channel(1);
    // It may wait for long, for the clients of others.
    places.give_back();
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
                .and_then(|()| chunks.end());
            if let Err(error) = written {
                tracing::warn!(%error, "an export ends early");
            }
        })
        .await?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, name),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, body(receiver)).into_response())
}

enum Chunk {
    Bytes(Bytes),
    /// That was all. Whoever gives up, or panics, does not say so.
    End,
}

fn body(receiver: mpsc::Receiver<Chunk>) -> Body {
    Body::from_stream(futures_util::stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Chunk::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Chunk::End) => None,
            // The body ends without its end: nobody takes it for a whole one.
            None => Some((Err(io::Error::other("the export ended early")), None)),
        }
    }))
}

/// Gathers what is written into pieces and hands them on, as fast as they are taken; not for ever.
struct Chunks {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Chunk>,
    deadline: Instant,
}

impl Chunks {
    fn new(sender: mpsc::Sender<Chunk>) -> Self {
        Self { buffer: Vec::new(), sender, deadline: Instant::now() + EXPORT_TIMEOUT }
    }

    fn end(mut self) -> io::Result<()> {
        self.flush()?;
        self.send(Chunk::End)
    }

    fn send(&self, chunk: Chunk) -> io::Result<()> {
        let sent = timeout_at(self.deadline, self.sender.send(chunk));
        match Handle::current().block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::other("the client has gone away")),
            Err(_) => Err(io::Error::other("the client took too long")),
        }
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= EXPORT_CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        if bytes.is_empty() { Ok(()) } else { self.send(Chunk::Bytes(bytes)) }
    }
}

impl Form for Imported {
    const NAME: &'static str = "ImportedDocument";
    const EXAMPLE: &'static str = r#"{"format": 1, "flags": [{"key": "new-checkout", "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {"on": false, "off_variant": "off", "fallthrough": {"variant": "on"}}}],
        "segments": [{"key": "beta-tenants", "kind": "tenant", "included": ["acme"]}],
        "tenants": [{"key": "acme", "attributes": {"country": "DE"}}]}"#;

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
    let (p, e) = (project.clone(), environment.clone());
    let of = Of { project, environment, scale: Scale::Large };
    let plan = move |view: &dyn View| import::plan(view, &p, &e, &precondition, imported.clone());
    carry_out(&service, of, dry_run, post, import::ACTION, plan).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn what_ends_early_is_not_taken_for_whole() {
        let (sender, receiver) = mpsc::channel(2);
        sender.send(Chunk::Bytes("half".into())).await.unwrap();
        drop(sender);
        assert!(body(receiver).collect().await.is_err());

        let (sender, receiver) = mpsc::channel(2);
        sender.send(Chunk::Bytes("all".into())).await.unwrap();
        sender.send(Chunk::End).await.unwrap();
        assert_eq!(body(receiver).collect().await.unwrap().to_bytes(), "all");
    }
}
