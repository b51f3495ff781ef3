//! Which SDK instances are connected to an environment, and what they say they have applied.
//!
//! In memory alone and bounded: what is known of an instance is gone with the process, and comes
//! back when the instance does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flags_core::{Revision, Timestamp};
use tokio::sync::watch;

use super::LiveEnvironment;
use crate::limits::{
    INSTANCE_TIMEOUT, MAX_APPLIED, MAX_COMMITS, MAX_INSTANCES, MAX_PROMPT_INSTANCES, PROMPT_WINDOW,
    RELAXED_WINDOW,
};

/// The instances of one environment.
#[derive(Debug, Default)]
pub(super) struct Instances {
    known: Mutex<Known>,
    /// When the latest revisions were committed. Apart from the rest: the writer waits for nobody
    /// who counts instances.
    commits: Mutex<VecDeque<(Revision, Instant)>>,
    /// Says that something of this is different now.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<Arc<str>, Instance>,
    connected: usize,
}

/// One instance of an SDK.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) about: About,
    pub(crate) last_seen: Timestamp,
    /// `None` while no stream of it is open.
    pub(crate) connected_since: Option<Timestamp>,
    streams: usize,
    first_seen: Instant,
    seen: Instant,
    /// Each once, with when it was put in force; the oldest first.
    applied: VecDeque<(Revision, Instant)>,
}

/// What an instance says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) app: Option<String>,
    pub(crate) sdk_name: Option<String>,
    pub(crate) sdk_version: Option<String>,
}

/// How far one revision has come.
#[derive(Debug)]
pub(crate) struct Propagation {
    /// Connected instances that have said that they applied it, or a later one; with how long
    /// after the commit, where both instants are known. The slowest first.
    pub(crate) applied: Vec<(Arc<str>, Instance, Option<Duration>)>,
    /// Connected instances that have not.
    pub(crate) pending: Vec<(Arc<str>, Instance)>,
    /// Streams whose instance is not known.
    pub(crate) unidentified: usize,
}

/// An open stream of an instance.
pub(crate) struct Connected {
    environment: Arc<LiveEnvironment>,
    id: Arc<str>,
}

impl Instance {
    fn new(now: Timestamp) -> Self {
        let seen = Instant::now();
        Self {
            about: About::default(),
            last_seen: now,
            connected_since: None,
            streams: 0,
            first_seen: seen,
            seen,
            applied: VecDeque::new(),
        }
    }

    /// The latest revision that it said it applied.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.applied.iter().map(|(revision, _)| *revision).max()
    }
}

impl Instances {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A revision is committed.
    pub(super) fn committed(&self, revision: Revision) {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.push_back((revision, Instant::now()));
        while commits.len() > MAX_COMMITS {
            commits.pop_front();
        }
    }

    fn commit_of(&self, revision: Revision) -> Option<Instant> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let found = commits.binary_search_by_key(&revision, |(revision, _)| *revision).ok()?;
        commits.get(found).map(|(_, at)| *at)
    }
}

impl Known {
    /// The instance with this id, made where there is room for one.
    fn entry(&mut self, id: &str, now: Timestamp) -> Option<&mut Instance> {
        if !self.by_id.contains_key(id) {
            if self.by_id.len() >= MAX_INSTANCES {
                self.make_room();
            }
            if self.by_id.len() >= MAX_INSTANCES {
                return None;
            }
            self.by_id.insert(id.into(), Instance::new(now));
        }
        let instance = self.by_id.get_mut(id)?;
        instance.last_seen = now;
        instance.seen = Instant::now();
        Some(instance)
    }

    /// Forgets those that have been away for long, or else the one that has been away longest.
    fn make_room(&mut self) {
        let away = |instance: &Instance| instance.streams == 0;
        self.by_id
            .retain(|_, instance| !(away(instance) && instance.seen.elapsed() > INSTANCE_TIMEOUT));
        if self.by_id.len() >= MAX_INSTANCES {
            let absent = self.by_id.iter().filter(|(_, instance)| away(instance));
            let longest = absent.min_by_key(|(_, instance)| instance.seen);
            if let Some(id) = longest.map(|(id, _)| Arc::clone(id)) {
                self.by_id.remove(&id);
            }
        }
    }
}

impl LiveEnvironment {
    /// A stream of this instance is open until what is returned is dropped; `None` where there are
    /// too many instances.
    pub(crate) fn connect(self: &Arc<Self>, id: &str, now: Timestamp) -> Option<Connected> {
        let mut known = self.instances.known();
        let instance = known.entry(id, now)?;
        instance.streams += 1;
        if instance.connected_since.is_none() {
            instance.connected_since = Some(now);
            known.connected += 1;
        }
        drop(known);
        self.instances.changed.send_replace(());
        Some(Connected { environment: Arc::clone(self), id: id.into() })
    }

    /// Takes down what an instance says: of itself, and which revisions it applied how long ago.
    /// Gives how long after its commit each one that is new was in force, where that is known.
    pub(crate) fn acknowledge(
        &self,
        id: &str,
        about: About,
        applied: &[(Revision, Duration)],
        now: Timestamp,
    ) -> Vec<Duration> {
        let received = Instant::now();
        let mut known = self.instances.known();
        let Some(instance) = known.entry(id, now) else {
            return Vec::new();
        };
        instance.about = about;
        let mut delays = Vec::new();
        for &(revision, age) in applied {
            if instance.applied.iter().any(|(known, _)| *known == revision) {
                continue;
            }
            let at = received.checked_sub(age).unwrap_or(received);
            instance.applied.push_back((revision, at));
            if instance.applied.len() > MAX_APPLIED {
                instance.applied.pop_front();
            }
            let commit = self.instances.commit_of(revision);
            delays.extend(commit.and_then(|commit| delay(instance, commit, at)));
        }
        drop(known);
        self.instances.changed.send_replace(());
        delays
    }

    /// Over how long instances are to spread what they say, so that it costs less than a change.
    pub(crate) fn receipt_window(&self) -> Duration {
        let few = self.connected_instances() <= MAX_PROMPT_INSTANCES;
        if few { PROMPT_WINDOW } else { RELAXED_WINDOW }
    }

    pub(crate) fn connected_instances(&self) -> usize {
        self.instances.known().connected
    }

    /// Hears when an instance comes, goes or says something.
    pub(crate) fn watch_instances(&self) -> watch::Receiver<()> {
        self.instances.changed.subscribe()
    }

    /// Connected instances after an id, sorted by it.
    pub(crate) fn instances(&self, after: Option<&str>, limit: usize) -> Vec<(Arc<str>, Instance)> {
        let known = self.instances.known();
        let connected = known.by_id.iter().filter(|(_, instance)| instance.streams > 0);
        let mut ids: Vec<&Arc<str>> = connected
            .map(|(id, _)| id)
            .filter(|id| after.is_none_or(|after| ***id > *after))
            .collect();
        ids.sort_unstable();
        let found = ids.into_iter().take(limit);
        found.filter_map(|id| Some((Arc::clone(id), known.by_id.get(id)?.clone()))).collect()
    }

    /// How far a revision has come.
    pub(crate) fn propagation(&self, revision: Revision) -> Propagation {
        let commit = self.instances.commit_of(revision);
        let (mut applied, mut pending) = (Vec::new(), Vec::new());
        let mut identified = 0;
        let known = self.instances.known();
        for (id, instance) in known.by_id.iter().filter(|(_, instance)| instance.streams > 0) {
            identified += instance.streams;
            let reached = instance.applied.iter().filter(|(applied, _)| *applied >= revision);
            match reached.map(|(_, at)| *at).min() {
                Some(at) => {
                    let delay = commit.and_then(|commit| delay(instance, commit, at));
                    applied.push((Arc::clone(id), instance.clone(), delay));
                }
                None => pending.push((Arc::clone(id), instance.clone())),
            }
        }
        drop(known);
        applied.sort_unstable_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        pending.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Propagation { applied, pending, unidentified: self.streams().saturating_sub(identified) }
    }
}

/// How long after its commit an instance had a revision; `None` for one that came only later, and
/// for which nothing was on its way.
fn delay(instance: &Instance, commit: Instant, at: Instant) -> Option<Duration> {
    (instance.first_seen <= commit).then(|| at.saturating_duration_since(commit))
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut known = self.environment.instances.known();
        if let Some(instance) = known.by_id.get_mut(&self.id) {
            instance.streams = instance.streams.saturating_sub(1);
            instance.seen = Instant::now();
            if instance.streams == 0 {
                instance.connected_since = None;
                known.connected = known.connected.saturating_sub(1);
            }
        }
        drop(known);
        self.environment.instances.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Live;
    use crate::store::{Environment, EnvironmentId};
    use flags_core::{Change, Epoch};

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn environment() -> (Live, Arc<LiveEnvironment>) {
        let live = Live::new(Epoch::new("e"));
        live.add(&Environment {
            id: EnvironmentId(1),
            project: "p".into(),
            key: "k".into(),
            name: String::new(),
            revision: 0,
            created_at: NOW,
            archived_at: None,
        });
        let environment = live.by_id(EnvironmentId(1)).unwrap();
        (live, environment)
    }

    fn commit(live: &Live, revision: Revision) {
        let (epoch, previous) = (Epoch::new("e"), revision - 1);
        let change = Change { epoch, revision, previous, objects: Vec::new() };
        live.apply(EnvironmentId(1), &change, "{}");
    }

    fn say(environment: &LiveEnvironment, id: &str, revision: Revision) -> Vec<Duration> {
        environment.acknowledge(id, About::default(), &[(revision, Duration::ZERO)], NOW)
    }

    #[test]
    fn a_revision_has_come_as_far_as_instances_say() {
        let (live, environment) = environment();
        let _one = environment.connect("one", NOW).unwrap();
        let two = environment.connect("two", NOW).unwrap();
        let _unidentified = environment.watch();
        commit(&live, 1);
        commit(&live, 2);
        assert_eq!(environment.propagation(1).pending.len(), 2);
        assert_eq!(say(&environment, "one", 2).len(), 1);
        assert!(say(&environment, "one", 2).is_empty(), "said again, it is no news");
        let first = environment.propagation(1);
        assert_eq!((&*first.applied[0].0, &*first.pending[0].0), ("one", "two"));
        assert!(first.applied[0].2.is_some(), "the later one brought it");
        drop(two);
        assert_eq!(environment.propagation(2).pending.len(), 0);
        assert_eq!(environment.connected_instances(), 1);
        let late = environment.connect("late", NOW).unwrap();
        assert!(say(&environment, "late", 2).is_empty(), "nothing was on its way to it");
        assert_eq!(environment.propagation(2).applied.len(), 2);
        drop(late);
    }

    #[test]
    fn an_instance_is_connected_as_long_as_one_of_its_streams() {
        let (_live, environment) = environment();
        let first = environment.connect("one", NOW).unwrap();
        let second = environment.connect("one", NOW).unwrap();
        drop(first);
        assert_eq!(environment.instances(None, 10).len(), 1);
        drop(second);
        assert_eq!(environment.instances(None, 10).len(), 0);
        assert_eq!(environment.connected_instances(), 0);
    }

    #[test]
    fn strangers_do_not_drive_out_who_is_connected() {
        let (_live, environment) = environment();
        let open: Vec<_> = (0..MAX_INSTANCES - 1)
            .map(|number| environment.connect(&format!("c{number}"), NOW).unwrap())
            .collect();
        assert_eq!(environment.receipt_window(), RELAXED_WINDOW);
        for number in 0..100 {
            say(&environment, &format!("stranger{number}"), 0);
        }
        assert_eq!(environment.instances.known().by_id.len(), MAX_INSTANCES);
        assert_eq!(environment.connected_instances(), open.len());
        let last = environment.connect("last", NOW).unwrap();
        assert!(environment.connect("too-many", NOW).is_none());
        drop((last, open));
        assert_eq!(environment.receipt_window(), PROMPT_WINDOW);
    }

    #[test]
    fn what_an_instance_says_is_kept_for_a_few_revisions() {
        let (_live, environment) = environment();
        let _one = environment.connect("one", NOW).unwrap();
        for revision in 1..1_000 {
            say(&environment, "one", revision);
        }
        let (_, one) = environment.instances(None, 1).remove(0);
        assert_eq!((one.applied.len(), one.revision()), (MAX_APPLIED, Some(999)));
    }
}
