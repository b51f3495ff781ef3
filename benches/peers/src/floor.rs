//! What a row costs at least: a snapshot load, the hashes that the row needs, and one probe of a
//! hash table with a comparison of its key.
//!
//! | row | load of an `ArcSwap` | hashes | probe of |
//! |---|---|---|---|
//! | W1, W5 | yes | | 1,000 flags |
//! | W2, W6 | yes | SipHash-1-3 of the user's 13 bytes | 1,000 flags |
//! | W3 | yes | XXH3 of the country | 1,000 flags |
//! | W4 | yes | XXH3 of the tenant | 10,000 tenants |
//! | W7 | yes | | 1,000 flags, in vain |
//! | MIX | yes | of each flag what its own row needs | as its own row |
//! | W8 | no | of each of the 1,000 flags what its own row needs | as its own row |
//! | context | no | | none: three references are written |
//!
//! With a key as text, each question costs XXH3 of the key as well; a typed key has its hash.
//! Salts are absorbed into the SipHash keys beforehand. Nothing is evaluated.

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use xxhash_rust::xxh3::xxh3_64;

use crate::participant::{Participant, sum};
use crate::workload::{
    Definition, FLAGS, Facts, LISTED_TENANTS, LONG_LIST, MISSING, Question, Shape,
};

/// The floor of rows with typed keys, or with keys as text.
pub(crate) struct Floor<const TYPED: bool> {
    current: ArcSwap<Table>,
    pinned: Arc<Table>,
    keys: Vec<(u64, String)>,
    missing: (u64, String),
    facts: &'static [Facts],
}

struct Table {
    flags: HashTable<Entry>,
    tenants: HashTable<Arc<str>>,
}

struct Entry {
    key: Arc<str>,
    hashes: Hashes,
}

/// What a flag needs hashed beside its key.
#[derive(Clone, Copy)]
enum Hashes {
    Nothing,
    User { k0: u64, k1: u64 },
    Country,
    Tenant,
}

impl<const TYPED: bool> Floor<TYPED> {
    pub(crate) fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        let hash = |text: &str| xxh3_64(text.as_bytes());
        let mut flags = HashTable::with_capacity(FLAGS);
        let mut tenants = HashTable::with_capacity(LISTED_TENANTS);
        for (index, flag) in definitions.iter().enumerate() {
            let hashes = match &flag.shape {
                Shape::OnOff(_) | Shape::Prerequisites { .. } => Hashes::Nothing,
                Shape::Rollout | Shape::Variants => Hashes::User { k0: index as u64, k1: 1 },
                Shape::Rules(_) => Hashes::Country,
                Shape::AllowList(list) if list.len() == LISTED_TENANTS => {
                    for tenant in list {
                        let tenant: Arc<str> = tenant.as_str().into();
                        tenants.insert_unique(hash(&tenant), tenant, |tenant| hash(tenant));
                    }
                    Hashes::Tenant
                }
                Shape::AllowList(_) => Hashes::Tenant,
            };
            let entry = Entry { key: flag.key.as_str().into(), hashes };
            flags.insert_unique(hash(&entry.key), entry, |entry| hash(&entry.key));
        }
        let keys = definitions.iter().map(|flag| (hash(&flag.key), flag.key.clone())).collect();
        let pinned = Arc::new(Table { flags, tenants });
        let missing = (hash(MISSING), MISSING.to_owned());
        Self { current: ArcSwap::new(Arc::clone(&pinned)), pinned, keys, missing, facts }
    }

    #[inline(always)]
    fn ask_table(&self, table: &Table, question: Question) -> u64 {
        let hash_and_key = &self.keys[question.flag()];
        let facts = &self.facts[question.user()];
        // The one flag with a table of its own is known by its place: only that table is probed.
        if question.flag() == LONG_LIST {
            let key = if TYPED { hash_and_key.0 } else { xxh3_64(hash_and_key.1.as_bytes()) };
            let tenant = facts.tenant.as_bytes();
            let found = table.tenants.find(xxh3_64(tenant), |t| t.as_bytes() == tenant);
            return u64::from(found.is_some()) ^ (black_box(key) & 1);
        }
        let Some(entry) = probe::<TYPED>(table, hash_and_key) else { return 0 };
        match entry.hashes {
            Hashes::Nothing => 1,
            Hashes::User { k0, k1 } => {
                let hash = SipHasher13::new_with_keys(k0, k1).hash(facts.user.as_bytes());
                u64::from((u128::from(hash) * 100_000) >> 64 < 50_000)
            }
            Hashes::Country => xxh3_64(facts.country.as_bytes()),
            Hashes::Tenant => xxh3_64(facts.tenant.as_bytes()),
        }
        .min(1)
    }
}

#[inline(always)]
fn probe<'t, const TYPED: bool>(
    table: &'t Table,
    (hash, key): &(u64, String),
) -> Option<&'t Entry> {
    let hash = if TYPED { *hash } else { xxh3_64(key.as_bytes()) };
    table.flags.find(hash, |entry| *entry.key == **key)
}

impl<const TYPED: bool> Participant for Floor<TYPED> {
    fn name(&self) -> &'static str {
        if TYPED { "floor, typed key" } else { "floor, key as text" }
    }

    fn switch(&self, question: Question) -> u64 {
        self.ask_table(&self.current.load(), question)
    }

    fn text(&self, question: Question) -> u64 {
        self.ask_table(&self.current.load(), question)
    }

    fn any(&self, question: Question) -> u64 {
        self.ask_table(&self.current.load(), question)
    }

    fn missing(&self, _question: Question) -> u64 {
        probe::<TYPED>(&self.current.load(), &self.missing).map_or(1, |_| 0)
    }

    fn build_context(&self, question: Question) {
        let Facts { user, tenant, country } = &self.facts[question.user()];
        black_box(&[user.as_str(), tenant.as_str(), country.as_str()]);
    }

    fn everything(&self, user: usize) -> u64 {
        let flags = 0..FLAGS;
        flags.map(|flag| black_box(self.ask_table(&self.pinned, Question::new(flag, user)))).sum()
    }
}

/// The floor of scaling: SipHash-1-3 of the user, and nothing shared.
pub(crate) fn bare_sip_hash(facts: &[Facts], questions: &[Question]) -> u64 {
    let hasher = SipHasher13::new_with_keys(1, 2);
    sum(questions, |question| hasher.hash(facts[question.user()].user.as_bytes()) & 1)
}
