//! What is in force now, in memory: the rulesets that are asked and the changes that streams carry.
//!
//! Only the writer changes anything here, after its commit. Everybody else reads without waiting
//! for it.

mod frames;
mod instances;
mod snapshot;
mod visible;

pub(crate) use self::frames::{Frame, frame};
pub(crate) use self::instances::{About, Connected, Instance, Propagation};
pub(crate) use self::snapshot::Encoding;
pub(crate) use self::visible::visible;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use flags_core::{Change, Diagnostic, Document, Epoch, Revision, Ruleset, TENANT_KIND};
use tokio::sync::watch;

use self::frames::Frames;
use self::instances::Instances;
use self::snapshot::SnapshotCache;
use self::visible::{Visible, without_tenants};
use crate::store::{Environment, EnvironmentId, Tenants};

/// All environments.
pub(crate) struct Live {
    epoch: Epoch,
    environments: ArcSwap<Environments>,
}

#[derive(Default, Clone)]
struct Environments {
    by_id: HashMap<EnvironmentId, Arc<LiveEnvironment>>,
    /// By project, then by environment.
    by_key: HashMap<String, HashMap<String, Arc<LiveEnvironment>>>,
}

/// One environment.
pub(crate) struct LiveEnvironment {
    pub(crate) id: EnvironmentId,
    /// The key of its project.
    pub(crate) project: String,
    pub(crate) key: String,
    ruleset: ArcSwap<Ruleset>,
    revision: watch::Sender<Revision>,
    frames: Frames,
    instances: Instances,
    /// How many bytes of changes there have been since the start.
    changed_bytes: Visible<AtomicU64>,
    snapshots: Visible<SnapshotCache>,
    archived: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { epoch, environments: ArcSwap::default() }
    }

    pub(crate) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Adds an environment that has had no change yet.
    pub(crate) fn add(&self, environment: &Environment) {
        self.load(environment, &Document::empty(self.epoch.clone()));
    }

    /// Adds an environment with its definitions.
    pub(crate) fn load(&self, environment: &Environment, document: &Document) {
        let (ruleset, report) = Ruleset::compile(document);
        for invalid in &report.invalid {
            log_invalid(environment.id, invalid);
        }
        let live = Arc::new(LiveEnvironment {
            id: environment.id,
            project: environment.project.clone(),
            key: environment.key.clone(),
            ruleset: ArcSwap::from_pointee(ruleset),
            revision: watch::Sender::new(document.revision),
            frames: Frames::default(),
            instances: Instances::default(),
            changed_bytes: Visible::default(),
            snapshots: Visible::default(),
            archived: watch::Sender::new(environment.archived_at.is_some()),
        });
        let mut environments = Environments::clone(&self.environments.load());
        environments.by_id.insert(environment.id, Arc::clone(&live));
        let project = environments.by_key.entry(environment.project.clone()).or_default();
        project.insert(environment.key.clone(), live);
        self.environments.store(Arc::new(environments));
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<LiveEnvironment>> {
        self.environments.load().by_id.values().cloned().collect()
    }

    pub(crate) fn by_id(&self, id: EnvironmentId) -> Option<Arc<LiveEnvironment>> {
        self.environments.load().by_id.get(&id).cloned()
    }

    /// An environment that is not archived.
    pub(crate) fn by_key(&self, project: &str, key: &str) -> Option<Arc<LiveEnvironment>> {
        let found = self.environments.load().by_key.get(project)?.get(key).cloned();
        found.filter(|environment| !environment.is_archived())
    }

    /// Takes an environment away from those who ask, or gives it back.
    pub(crate) fn archive(&self, id: EnvironmentId, archived: bool) {
        if let Some(environment) = self.by_id(id) {
            environment.archived.send_replace(archived);
        }
    }

    /// Puts a committed change into force; `line` is its JSON.
    pub(crate) fn apply(&self, id: EnvironmentId, change: &Change, line: &str) {
        let Some(environment) = self.by_id(id) else {
            tracing::error!(environment = id.0, "a change of an unknown environment");
            return;
        };
        match environment.ruleset.load().apply(change) {
            Ok((ruleset, report)) => {
                for invalid in &report.invalid {
                    log_invalid(id, invalid);
                }
                environment.ruleset.store(Arc::new(ruleset));
            }
            // The store gives out revisions without gaps.
            Err(gap) => tracing::error!(environment = id.0, %gap, "a change does not follow"),
        }
        let all = frame(&change.position(), line);
        let none = without_tenants(change).map(|change| {
            // What was read from JSON can be written; a line that is none makes clients ask anew.
            let line = serde_json::to_string(&change).unwrap_or_default();
            frame(&change.position(), &line)
        });
        // Most changes have none, and both are one.
        let frames = Visible { none: none.unwrap_or_else(|| all.clone()), all };
        environment.has_changed(Tenants::All, frames.all.len() as u64);
        environment.has_changed(Tenants::None, frames.none.len() as u64);
        environment.frames.push(change.revision, frames);
        environment.instances.committed(change.revision);
        // Last: whoever hears of the revision finds it everywhere.
        environment.revision.send_replace(change.revision);
    }
}

impl Live {
    /// Drops what is kept encoded of an environment, which is read anew: past changes of it are no
    /// longer as they were.
    pub(crate) fn forget_past(&self, id: EnvironmentId) {
        if let Some(environment) = self.by_id(id) {
            environment.frames.forget();
            for tenants in [Tenants::All, Tenants::None] {
                environment.has_changed(tenants, OUTWEIGHS_SNAPSHOTS);
            }
        }
    }
}

/// Bytes of changes after which any snapshot is encoded anew.
const OUTWEIGHS_SNAPSHOTS: u64 = 1 << 40;

fn log_invalid(environment: EnvironmentId, object: &flags_core::InvalidObject) {
    // Without sentences, and keys of tenants: they may name somebody.
    let problem = |found: &Diagnostic| format!("{} at {}", found.code, found.pointer);
    let problems: Vec<String> = object.diagnostics.iter().map(problem).collect();
    let (kind, key) = (&*object.kind, (object.kind != TENANT_KIND).then_some(&*object.key));
    let environment = environment.0;
    tracing::error!(environment, kind, key, ?problems, "a definition cannot be evaluated");
}

impl LiveEnvironment {
    /// The definitions in force.
    pub(crate) fn ruleset(&self) -> Arc<Ruleset> {
        self.ruleset.load_full()
    }

    pub(crate) fn revision(&self) -> Revision {
        *self.revision.borrow()
    }

    /// Hears of each new revision.
    pub(crate) fn watch(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    /// How many streams are open: each one [watches](Self::watch).
    pub(crate) fn streams(&self) -> usize {
        self.revision.receiver_count()
    }

    /// The encoded change that follows `revision`, if it is a recent one.
    pub(crate) fn frame_after(&self, revision: Revision, tenants: Tenants) -> Option<Frame> {
        self.frames.after(revision, tenants)
    }

    /// Whether the environment, or its project, is archived: then nobody may ask it.
    pub(crate) fn is_archived(&self) -> bool {
        *self.archived.borrow()
    }

    /// Returns when it is.
    pub(crate) async fn archived(&self) {
        // It is not closed while it is borrowed here.
        let _ = self.archived.subscribe().wait_for(|archived| *archived).await;
    }

    fn has_changed(&self, tenants: Tenants, bytes: u64) {
        self.changed_bytes.get(tenants).fetch_add(bytes, Ordering::Release);
    }

    fn changed_bytes(&self, tenants: Tenants) -> u64 {
        self.changed_bytes.get(tenants).load(Ordering::Acquire)
    }
}
