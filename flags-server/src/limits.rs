//! Every bound the server enforces, with its unit. What a definition may hold is bounded in
//! `flags-core`.

use std::time::Duration;

/// Largest request body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Largest request body of a route that takes many things at once, in bytes.
pub(crate) const MAX_BULK_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Largest stored definition, in bytes of JSON: what is stored can be sent back in one body.
pub(crate) const MAX_DEFINITION_BYTES: usize = MAX_BODY_BYTES;

/// Most bytes of the stored definitions of one environment together, without the keys that
/// segments list.
pub(crate) const MAX_ENVIRONMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Most projects of a server.
pub(crate) const MAX_PROJECTS: u64 = 1_000;

/// Most environments of a project.
pub(crate) const MAX_ENVIRONMENTS: u64 = 100;

/// Most flags of a project.
pub(crate) const MAX_FLAGS: u64 = 20_000;

/// Most segments of an environment.
pub(crate) const MAX_SEGMENTS: u64 = 5_000;

/// Most features of an environment.
pub(crate) const MAX_FEATURES: u64 = 1_000;

/// Most plans of an environment.
pub(crate) const MAX_SOLD_PLANS: u64 = 200;

/// Most add-ons of an environment.
pub(crate) const MAX_ADDONS: u64 = 500;

/// Most of those who need something that are named where it cannot go.
pub(crate) const MAX_NAMED_USERS: usize = 10;

/// Most included and excluded keys of all segments of an environment together.
pub(crate) const MAX_SEGMENT_MEMBERS: u64 = 1_000_000;

/// Most bytes of these keys together.
pub(crate) const MAX_SEGMENT_MEMBER_BYTES: u64 = 128 * 1024 * 1024;

/// Most keys that one request adds to segments and removes from them: the writer has time for
/// nothing else meanwhile, not for a switch either.
pub(crate) const MAX_MEMBERS_PER_REQUEST: u64 = 100_000;

/// Most keys of a segment that are shown with it; more are shown a page at a time.
pub(crate) const MAX_SHOWN_MEMBERS: u64 = 1_000;

/// Most keys of each kind (added or removed, included or excluded) that the audit log tells of one
/// change; the change log has all of them.
pub(crate) const MAX_AUDITED_KEYS: usize = 100;

/// Most stored tenants of an environment.
pub(crate) const MAX_TENANTS: u64 = 1_000_000;

/// Most bytes of their keys and definitions together.
pub(crate) const MAX_STORED_TENANT_BYTES: u64 = 128 * 1024 * 1024;

/// Most tenants that one request stores, or moves to another plan.
pub(crate) const MAX_TENANTS_PER_REQUEST: usize = 1_000;

/// Most tenants in an imported document: the writer has time for nothing else meanwhile.
pub(crate) const MAX_IMPORTED_TENANTS: u64 = 100_000;

/// Most seats of an environment, of all tenants and features together.
pub(crate) const MAX_SEATS: u64 = 10_000_000;

/// How far ahead of the server's clock a product's may be that reports a use, in milliseconds.
pub(crate) const MAX_USAGE_AHEAD_MS: i64 = 5 * 60 * 1_000;

/// How long it is kept that a use came to a threshold, in milliseconds: 400 days.
pub(crate) const CROSSINGS_KEPT_MS: i64 = 400 * 24 * 60 * 60 * 1_000;

/// Most crossings that one write removes because they were kept long enough: more than the three that
/// it adds.
pub(crate) const MAX_FORGOTTEN_CROSSINGS: u32 = 16;

/// Uses above their limits that an answer tells of; how many there are it tells besides.
pub(crate) const MAX_TOLD_OVER_LIMIT: usize = 100;

/// Uses of limits that a write of many tenants looks at to tell which are above them: other writes wait for it. A
/// report tells of all.
pub(crate) const MAX_USES_PER_WRITE: usize = 5_000;

/// Uses of limits that are read at once where all of them are looked at …
pub(crate) const USES_PER_READ: u32 = 10_000;

/// … and those of them that one operation looks at again: other writes wait for it.
pub(crate) const USES_PER_WRITE: usize = 50;

/// Most tokens that are not revoked; all of them are kept in memory.
pub(crate) const MAX_TOKENS: u64 = 10_000;

/// Most places (projects and environments) that a token is limited to.
pub(crate) const MAX_TOKEN_PLACES: usize = 100;

/// Most secrets of a token that work at the same time: the current one, and those it replaced.
pub(crate) const MAX_TOKEN_SECRETS: usize = 5;

/// Longest time that a secret works on after another one took its place, in seconds: 90 days.
pub(crate) const MAX_OVERLAP_SECONDS: u32 = 90 * 24 * 60 * 60;

/// How often it is stored when tokens were last used.
pub(crate) const LAST_USE_INTERVAL: Duration = Duration::from_secs(60);

/// Meters of addresses that send no valid token; further addresses share them.
pub(crate) const ADDRESS_METERS: u64 = 16_384;

/// Requests to the admin API that are worked on at the same time; further ones wait.
pub(crate) const MAX_ADMIN_REQUESTS: usize = 256;

/// Of these, those that only read: the other places are kept for writes, a kill switch among them.
pub(crate) const MAX_ADMIN_READS: usize = MAX_ADMIN_REQUESTS - 32;

/// Requests with one and the same personal or service token that are worked on at the same time;
/// further ones wait.
pub(crate) const MAX_ADMIN_REQUESTS_PER_TOKEN: usize = 64;

/// Requests of SDKs that are worked on at the same time, apart from open streams; further ones
/// wait.
pub(crate) const MAX_SDK_REQUESTS: usize = 1_024;

/// Requests with one and the same SDK token that are worked on at the same time; further ones
/// wait. All instances of a service share it, and leave others as many.
pub(crate) const MAX_SDK_REQUESTS_PER_TOKEN: usize = MAX_SDK_REQUESTS / 2;

/// Most bytes of the bodies of all requests together, as far as each has more than
/// [`FREE_BODY_BYTES`]; one that does not fit is told to come back …
pub(crate) const MAX_BODIES_BYTES: usize = 256 * 1024 * 1024;

/// … and of the requests with one and the same token.
pub(crate) const MAX_BODIES_BYTES_PER_TOKEN: usize = MAX_BODIES_BYTES / 4;

/// Bytes of a body that are always read: what switches send, and SDKs, is less.
pub(crate) const FREE_BODY_BYTES: usize = 16 * 1024;

/// Most tags of a flag.
pub(crate) const MAX_TAGS: usize = 50;

/// Longest tag, in bytes.
pub(crate) const MAX_TAG_BYTES: usize = 64;

/// Longest description of a flag, in bytes.
pub(crate) const MAX_DESCRIPTION_BYTES: usize = 10_000;

/// Longest name of anything, and longest owner of a flag, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 200;

/// Longest reason given with a write, in bytes.
pub(crate) const MAX_REASON_BYTES: usize = 1_000;

/// Longest `X-Request-Id` that is taken over, in bytes.
pub(crate) const MAX_REQUEST_ID_BYTES: usize = 128;

/// Most places of one object that a diff shows.
pub(crate) const MAX_DIFFERENCES: usize = 100;

/// Most things that one sentence tells of a change.
pub(crate) const MAX_SENTENCE_PARTS: usize = 10;

/// Most objects of one revision that its history shows.
pub(crate) const MAX_SHOWN_OBJECTS: u32 = 100;

/// Most keys of a segment that a diff names of those that came, and of those that went.
pub(crate) const MAX_SHOWN_KEYS: usize = 10;

/// Bytes of the audit log that one page of history reads: it has no further entry once there are
/// as many.
pub(crate) const MAX_HISTORY_BYTES: usize = 4 * 1024 * 1024;

/// Entries of the audit log that one page of a search looks at; there may be more to find after it.
pub(crate) const MAX_AUDIT_READ: u32 = 10_000;

/// Longest `Idempotency-Key`, in bytes.
pub(crate) const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// How long an answer is kept for the next request with its `Idempotency-Key`, in milliseconds.
pub(crate) const IDEMPOTENCY_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

/// Most answers that one write removes because they were kept long enough: more than the one it
/// adds.
pub(crate) const MAX_FORGOTTEN_ANSWERS: u32 = 16;

/// Most scheduled changes of an environment that are open.
pub(crate) const MAX_SCHEDULED: u64 = 1_000;

/// Most bytes of their bodies together.
pub(crate) const MAX_SCHEDULED_BYTES: u64 = 16 * 1024 * 1024;

/// How far ahead a change is scheduled at most, in milliseconds: a year, also a leap year.
pub(crate) const MAX_SCHEDULE_AHEAD_MS: i64 = 366 * 24 * 60 * 60 * 1_000;

/// How long the next scheduled change is waited for before it is looked again: the wall clock may
/// be set meanwhile.
pub(crate) const SCHEDULE_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// When what is due is tried again after the database failed.
pub(crate) const SCHEDULE_RETRY: Duration = Duration::from_secs(1);

/// Most items of one page of a list.
pub(crate) const MAX_PAGE_ITEMS: u32 = 500;

/// Bytes of stored definitions after which a page has no further item.
pub(crate) const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Items of a page where the request does not say.
pub(crate) const DEFAULT_PAGE_ITEMS: u32 = 100;

/// Shortest token that may be given in the environment of the process, in characters.
pub(crate) const MIN_TOKEN_CHARS: usize = 32;

/// Writes that may wait for the writer; one more is told to come back.
pub(crate) const MAX_QUEUED_WRITES: usize = 256;

/// Most writes that share one commit.
pub(crate) const MAX_WRITES_PER_COMMIT: usize = 128;

/// Connections that read the database for the admin API at the same time.
pub(crate) const MAX_ADMIN_READERS: usize = 4;

/// Connections that read the database for SDKs at the same time.
pub(crate) const MAX_SDK_READERS: usize = 2;

/// Connections that read the database to see whether it can be read.
pub(crate) const MAX_HEALTH_READERS: usize = 1;

/// Connections that read the database at the same time.
pub(crate) const MAX_READERS: usize = MAX_ADMIN_READERS + MAX_SDK_READERS + MAX_HEALTH_READERS;

/// How long a connection waits for a lock that another process holds on the database.
pub(crate) const DATABASE_BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Changes of one environment kept encoded in memory for its streams, in number …
pub(crate) const MAX_RECENT_FRAMES: usize = 1_024;

/// … and in bytes. Older ones are read from the change log.
pub(crate) const MAX_RECENT_FRAME_BYTES: usize = 8 * 1024 * 1024;

/// Changes that a stream reads from the change log at once, in number …
pub(crate) const CHANGES_PER_READ: u32 = 100;

/// … and in bytes: no further one is read once there are as many.
pub(crate) const CHANGE_BYTES_PER_READ: usize = 64 * 1024;

/// Largest change that a stream carries, in bytes; for a larger one it says `reset`, and the client
/// fetches a snapshot.
pub(crate) const MAX_STREAMED_CHANGE_BYTES: usize = 4 * 1024 * 1024;

/// Most rulesets of past revisions that are kept for whoever asks next …
pub(crate) const MAX_PAST_RULESETS: usize = 4;

/// … and most stored tenants of all of them but the latest.
pub(crate) const MAX_PAST_TENANTS: usize = 1_000_000;

/// Environments that are exported at the same time; further ones wait …
pub(crate) const MAX_EXPORTS: usize = 2;

/// … if no more than so many do already.
pub(crate) const MAX_WAITING_EXPORTS: usize = 8;

/// How long an export may take to be read by its client: the database cannot tidy up meanwhile.
pub(crate) const EXPORT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Keys or tenants that an export reads at once.
pub(crate) const EXPORT_ITEMS_PER_READ: u32 = 500;

/// Flags or segments that an export reads at once: each may have [`MAX_DEFINITION_BYTES`].
pub(crate) const EXPORT_OBJECTS_PER_READ: u32 = 16;

/// Bytes that an export sends at once, at least.
pub(crate) const EXPORT_CHUNK_BYTES: usize = 64 * 1024;

/// Remote evaluations and large bodies that are worked on at the same time; further ones wait …
pub(crate) const MAX_COMPUTATIONS: usize = 4;

/// … if no more than so many do already.
pub(crate) const MAX_WAITING_COMPUTATIONS: usize = 128;

/// Changes of many objects (imports, reverts, copies) that are compared with what is there at the
/// same time, so that others have readers of the database; further ones wait …
pub(crate) const MAX_PLANS: usize = 2;

/// … if no more than so many do already.
pub(crate) const MAX_WAITING_PLANS: usize = 32;

/// Previews that are worked on at the same time; further ones wait …
pub(crate) const MAX_PREVIEWS: usize = 2;

/// … if no more than so many do already.
pub(crate) const MAX_WAITING_PREVIEWS: usize = 8;

/// Most answers of one preview: stored tenants times flags that the change may alter.
pub(crate) const MAX_PREVIEW_ANSWERS: u64 = 20_000_000;

/// How long a preview may take.
pub(crate) const PREVIEW_TIMEOUT: Duration = Duration::from_secs(60);

/// Tenants that a preview names for each pair of variants.
pub(crate) const MAX_PREVIEW_EXAMPLES: usize = 10;

/// Bytes after which no more is read of the head of a request, the line with its path and its
/// headers; what one read brings may be as much again.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// How long the headers of a request may take to arrive.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the body of a request may take to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// When a client that found the server busy should come back, in seconds.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 1;

/// Connections that may wait to be accepted; the system may allow fewer.
pub(crate) const MAX_WAITING_CONNECTIONS: i32 = 4_096;

/// How long a client may leave unread what was sent to it before its connection is given up.
pub(crate) const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// When a client whose token has too many open streams should come back, in seconds.
pub(crate) const STREAM_RETRY_SECONDS: u64 = 10;

/// Between two heartbeats of a stream, in milliseconds, drawn anew for each.
pub(crate) const HEARTBEAT_MS: std::ops::Range<u64> = 15_000..25_000;

/// When the client of a stream that ended should come back, in milliseconds, drawn anew for each.
pub(crate) const STREAM_RETRY_MS: std::ops::Range<u64> = 1_000..5_000;

/// Files that the process asks the system to be allowed to open: one for each open stream.
pub(crate) const OPEN_FILES: u64 = 65_536;

/// Changes of the log that are folded at once, in number …
pub(crate) const CHANGES_PER_FOLD: u32 = 10_000;

/// … and in bytes: no further one is read once there are as many.
pub(crate) const FOLDED_BYTES: usize = 4 * 1024 * 1024;

/// How long a command waits for a connection to a server.
pub(crate) const COMMAND_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Scheduled changes that an erasure rewrites in one operation; each may have a body of a megabyte.
pub(crate) const SCHEDULED_PER_ERASURE_WRITE: u32 = 16;

/// Kept answers that an erasure rewrites in one operation; each may have megabytes.
pub(crate) const ANSWERS_PER_ERASURE_WRITE: u32 = 16;

/// Bytes of the change log that one operation of an erasure goes through: other writes wait for it.
pub(crate) const ERASED_BYTES_PER_WRITE: usize = 8 * 1024 * 1024;

/// Rows of the audit log that are read at once where all of it is gone through.
pub(crate) const AUDIT_ROWS_PER_READ: u32 = 1_000;

/// Keys of deleted segments that go in one transaction, between other writes.
pub(crate) const SWEPT_ROWS: u32 = 10_000;

/// How long after a write that failed it is tried, when asked for, whether writes work again.
pub(crate) const WRITE_TRIAL_INTERVAL: Duration = Duration::from_secs(1);

/// How much such a trial writes, in bytes: there has to be room for more than one small write.
pub(crate) const TRIAL_BYTES: u32 = 64 * 1024;

/// When a backup that failed is tried again.
pub(crate) const BACKUP_RETRY: Duration = Duration::from_secs(60);

/// Most findings of one check that are told.
pub(crate) const MAX_FINDINGS: usize = 1_000;

/// Most SDK instances of an environment that are known; streams of further ones are served, and
/// counted as not identified.
pub(crate) const MAX_INSTANCES: usize = 20_000;

/// How long an instance is remembered after its last stream.
pub(crate) const INSTANCE_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Revisions that an instance's receipts are kept of, and most that one tells.
pub(crate) const MAX_APPLIED: usize = 8;

/// Revisions of an environment whose commit is remembered, to tell how long they took.
pub(crate) const MAX_COMMITS: usize = 1_024;

/// Up to so many connected instances spread their receipts over [`PROMPT_WINDOW`] …
pub(crate) const MAX_PROMPT_INSTANCES: usize = 1_000;

/// … and more over [`RELAXED_WINDOW`].
pub(crate) const PROMPT_WINDOW: Duration = Duration::from_secs(1);

/// Over how long many instances spread their receipts.
pub(crate) const RELAXED_WINDOW: Duration = Duration::from_secs(15);

/// Largest body of telemetry, in bytes.
pub(crate) const MAX_TELEMETRY_BYTES: usize = 16 * 1024;

/// Longest name that an instance gives of itself, its app or its SDK, in bytes.
pub(crate) const MAX_INSTANCE_NAME_BYTES: usize = 64;

/// Longest time that an instance can say it has had a revision, in milliseconds; longer ones are
/// said as this.
pub(crate) const MAX_APPLIED_AGE_MS: u64 = 60 * 60 * 1_000;

/// Longest wait for the propagation of a revision.
pub(crate) const MAX_PROPAGATION_WAIT: Duration = Duration::from_secs(30);

/// The least time between two looks during such a wait.
pub(crate) const PROPAGATION_PAUSE: Duration = Duration::from_millis(20);

/// Most instances that the answer about a propagation lists.
pub(crate) const MAX_PROPAGATION_INSTANCES: usize = 100;

/// Requests that wait for the propagation of a revision at the same time; further ones are
/// answered at once.
pub(crate) const MAX_PROPAGATION_WAITS: usize = 64;

/// Most answers of one report of disagreements: stored tenants times flags that require a feature.
pub(crate) const MAX_REPORT_ANSWERS: u64 = MAX_PREVIEW_ANSWERS;

/// How long a report may take.
pub(crate) const REPORT_TIMEOUT: Duration = PREVIEW_TIMEOUT;

/// How long other writes wait for a repair that has to be worked out once more, as somebody wrote after it was.
pub(crate) const REPAIR_ON_THE_WRITER: Duration = Duration::from_millis(250);

/// Tenants that a report names for each way to disagree.
pub(crate) const MAX_REPORT_EXAMPLES: usize = 10;

/// Most tenants about which one request ends disagreements: other writes wait for it.
pub(crate) const MAX_REPAIRED_TENANTS: usize = MAX_TENANTS_PER_REQUEST;

/// Tenants with overrides that a report reads at once.
pub(crate) const OVERRIDDEN_TENANTS_PER_READ: u32 = 1_000;

/// How far ahead a report looks for overrides that are due, in days, where the request does not say …
pub(crate) const DEFAULT_DUE_DAYS: u32 = 30;

/// … and at most.
pub(crate) const MAX_DUE_DAYS: u32 = 3_660;

/// Uses of limits that one page of a report looks at; there may be more to find after it.
pub(crate) const MAX_USES_READ: u32 = 10 * USES_PER_READ;
