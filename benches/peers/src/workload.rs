//! What is asked: the flags, the users and the order of the questions, the same for everybody.

use std::collections::BTreeSet;
use std::fmt;

use fastrand::Rng;

/// Flags in the store.
pub(crate) const FLAGS: usize = 1_000;
/// Users that ask.
pub(crate) const USERS: usize = 1_000;
/// Tenants on the long allow-list.
pub(crate) const LISTED_TENANTS: usize = 10_000;
/// A flag that nobody has.
pub(crate) const MISSING: &str = "missing-flag-000";
/// The four values of a flag with variants, and their weights in percent.
pub(crate) const VARIANTS: [(&str, u32); 4] =
    [("variant-a", 40), ("variant-b", 30), ("variant-c", 20), ("variant-d", 10)];

/// How many of the 1,000 flags are of which shape; they are stored in this order.
const ON_OFF: usize = 390;
const ROLLOUTS: usize = 250;
const RULES: usize = 150;
const ALLOW_LISTS: usize = 50;
const PREREQUISITES: usize = 60;
/// From here on flags have four texts as values; all before are booleans.
pub(crate) const FIRST_TEXT: usize = ON_OFF + ROLLOUTS + RULES + ALLOW_LISTS + PREREQUISITES;
/// The place of the flag of [`Row::AllowList`].
pub(crate) const LONG_LIST: usize = ON_OFF + ROLLOUTS + RULES;
/// Of the on/off flags the last this many are off.
const OFF: usize = 40;

/// A flag, in no SDK's language.
pub(crate) struct Definition {
    /// Its key.
    pub(crate) key: String,
    /// What it does.
    pub(crate) shape: Shape,
}

/// What a flag does.
pub(crate) enum Shape {
    /// On or off for everybody.
    OnOff(bool),
    /// On for half of the users.
    Rollout,
    /// On for whoever's country is in one of these lists; one rule each, asked in order.
    Rules(Vec<Vec<String>>),
    /// On for these tenants.
    AllowList(Vec<String>),
    /// On where all of these on/off flags are.
    Prerequisites { flags: Vec<String>, met: bool },
    /// One of [`VARIANTS`].
    Variants,
}

/// What is known about a request.
pub(crate) struct Facts {
    /// 13 bytes.
    pub(crate) user: String,
    /// 12 bytes.
    pub(crate) tenant: String,
    /// In the last list of the flag of [`Row::Rules`].
    pub(crate) country: String,
}

/// One question: a flag and a user by their place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    flag: u16,
    user: u16,
}

impl Question {
    /// The user `user` asks for the flag `flag`.
    pub(crate) fn new(flag: usize, user: usize) -> Self {
        let place = |place| u16::try_from(place).expect("fewer than 65,536 flags and users");
        Self { flag: place(flag), user: place(user) }
    }

    /// The place of the flag.
    pub(crate) fn flag(self) -> usize {
        self.flag.into()
    }

    /// The place of the user.
    pub(crate) fn user(self) -> usize {
        self.user.into()
    }

    /// Whether the flag's values are texts.
    pub(crate) fn is_text(self) -> bool {
        self.flag() >= FIRST_TEXT
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// W1.
    OnOff,
    /// W2.
    Rollout,
    /// W3.
    Rules,
    /// W4.
    AllowList,
    /// W5.
    Prerequisites,
    /// W6.
    Variants,
    /// W7.
    Missing,
    /// MIX.
    Mix,
    /// W8: a question's user asks for every flag.
    All,
    /// Building what an SDK wants to know about a user.
    Context,
}

impl Row {
    /// All rows in the order of the table.
    pub(crate) const ALL: [Self; 10] = [
        Self::OnOff,
        Self::Rollout,
        Self::Rules,
        Self::AllowList,
        Self::Prerequisites,
        Self::Variants,
        Self::Missing,
        Self::Mix,
        Self::All,
        Self::Context,
    ];

    /// Whether the key of a flag takes part, so that typed keys and string keys differ.
    pub(crate) fn has_keys(self) -> bool {
        self != Self::Context
    }

    /// The questions of a row: enough that the cache does not learn them by heart.
    pub(crate) fn questions(self) -> Vec<Question> {
        const COUNT: usize = 16_000;
        let mut random = Rng::with_seed(self as u64 + 1);
        let flags: Vec<usize> = match self {
            Self::Rollout => (0..COUNT).map(|_| random.usize(ON_OFF..ON_OFF + ROLLOUTS)).collect(),
            Self::Variants => (0..COUNT).map(|_| random.usize(FIRST_TEXT..FLAGS)).collect(),
            // Every 1,000 questions have every flag once, so that a round does not depend on how
            // often it meets the one dear flag.
            Self::Mix => (0..COUNT / FLAGS)
                .flat_map(|_| {
                    let mut flags: Vec<usize> = (0..FLAGS).collect();
                    random.shuffle(&mut flags);
                    flags
                })
                .collect(),
            Self::Rules => vec![ON_OFF + ROLLOUTS; COUNT],
            Self::AllowList => vec![LONG_LIST; COUNT],
            Self::Prerequisites => vec![ON_OFF + ROLLOUTS + RULES + ALLOW_LISTS; COUNT],
            Self::OnOff | Self::Missing | Self::All | Self::Context => vec![0; COUNT],
        };
        flags.into_iter().map(|flag| Question::new(flag, random.usize(0..USERS))).collect()
    }

    /// A round asks a multiple of this many questions.
    pub(crate) fn step(self) -> usize {
        if self == Self::Mix { FLAGS } else { 1 }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnOff => "W1 on/off flag",
            Self::Rollout => "W2 50 % rollout, 250 flags × 1,000 users",
            Self::Rules => "W3 ten rules × 100 values, the last matches",
            Self::AllowList => "W4 allow-list of 10,000 tenants, half hit",
            Self::Prerequisites => "W5 three prerequisites",
            Self::Variants => "W6 four weighted texts",
            Self::Missing => "W7 missing flag",
            Self::Mix => "MIX any flag × any user",
            Self::All => "W8 all 1,000 flags for one context",
            Self::Context => "building the context",
        })
    }
}

/// The 1,000 flags of all rows.
pub(crate) fn flags() -> Vec<Definition> {
    let mut random = Rng::with_seed(77);
    let mut flags = Vec::with_capacity(FLAGS);
    let mut add = |kind: &str, count: usize, shape: &mut dyn FnMut(usize) -> Shape| {
        for index in 0..count {
            flags.push(Definition { key: key(kind, index), shape: shape(index) });
        }
    };
    add("on-off", ON_OFF, &mut |index| Shape::OnOff(index < ON_OFF - OFF));
    add("rollout", ROLLOUTS, &mut |_| Shape::Rollout);
    add("rules", RULES, &mut |index| match index {
        0 => Shape::Rules((0..10).map(|rule| countries(rule, 100)).collect()),
        // One user in ten is in the second list.
        _ => Shape::Rules(vec![countries(0, 10), countries(9, 10)]),
    });
    add("allow-list", ALLOW_LISTS, &mut |index| match index {
        0 => Shape::AllowList((0..LISTED_TENANTS).map(tenant).collect()),
        _ => Shape::AllowList((0..10).map(|_| tenant(random.usize(0..LISTED_TENANTS))).collect()),
    });
    add("prerequisites", PREREQUISITES, &mut |index| prerequisites(index, ON_OFF));
    add("variants", FLAGS - FIRST_TEXT, &mut |_| Shape::Variants);
    assert_eq!(flags.len(), FLAGS);
    flags
}

/// Flags of the shapes of W1 to W6 for loading, by the hundred: 25 on/off, 25 half rollouts, 15
/// with ten rules of ten values, 10 with ten tenants, 10 with three prerequisites, 15 with four
/// variants. Tenants are each flag's own; countries recur.
pub(crate) fn many_flags(count: usize) -> Vec<Definition> {
    let flag = |index: usize| {
        let (kind, shape) = match index % 100 {
            0..25 => ("on-off", Shape::OnOff(true)),
            25..50 => ("rollout", Shape::Rollout),
            50..65 => ("rules", Shape::Rules((0..10).map(|rule| countries(rule, 10)).collect())),
            65..75 => {
                ("allow-list", Shape::AllowList((0..10).map(|n| tenant(index * 10 + n)).collect()))
            }
            75..85 => {
                let first = index - index % 100;
                let flags = (first..first + 3).map(|index| key("on-off", index)).collect();
                ("prerequisites", Shape::Prerequisites { flags, met: true })
            }
            _ => ("variants", Shape::Variants),
        };
        Definition { key: key(kind, index), shape }
    };
    (0..count).map(flag).collect()
}

/// The 1,000 users. Every second is of a tenant on the long list.
pub(crate) fn users() -> Vec<Facts> {
    let mut random = Rng::with_seed(78);
    let countries = countries(9, 100);
    let facts = |index: usize| {
        let place = random.usize(0..LISTED_TENANTS);
        let tenant = if index.is_multiple_of(2) { place } else { place + LISTED_TENANTS };
        let country = countries[random.usize(0..100)].clone();
        Facts { user: format!("user-{index:08}"), tenant: self::tenant(tenant), country }
    };
    (0..USERS).map(facts).collect()
}

/// What the answer to a question has to be.
pub(crate) enum Expected {
    /// This: 0 for off, 1 for on.
    Exactly(u64),
    /// On for half of the users.
    Half,
    /// The place in [`VARIANTS`], by weight.
    Weighted,
}

impl Definition {
    /// What the answer for a user has to be.
    pub(crate) fn expected(&self, user: &Facts) -> Expected {
        Expected::Exactly(u64::from(match &self.shape {
            Shape::OnOff(on) => *on,
            Shape::Rollout => return Expected::Half,
            Shape::Rules(lists) => lists.iter().flatten().any(|value| *value == user.country),
            Shape::AllowList(tenants) => tenants.contains(&user.tenant),
            Shape::Prerequisites { met, .. } => *met,
            Shape::Variants => return Expected::Weighted,
        }))
    }
}

/// The place of a text in [`VARIANTS`], by its last letter; 255 for one that is not there.
pub(crate) fn place(text: &str) -> u64 {
    let last = text.as_bytes().last().copied().unwrap_or(0);
    u64::from(last.wrapping_sub(b'a'))
}

/// Of three on/off flags; every fourth flag has one that is off, so it is off itself.
fn prerequisites(index: usize, on_off: usize) -> Shape {
    let met = index % 4 != 3;
    let on = on_off - OFF;
    let mut flags: Vec<String> =
        (0..3).map(|n| key("on-off", (index * 5 + n * 101 + 1) % on)).collect();
    if let (false, Some(last)) = (met, flags.last_mut()) {
        *last = key("on-off", on + index % OFF);
    }
    Shape::Prerequisites { flags, met }
}

fn key(kind: &str, index: usize) -> String {
    format!("{kind}-flag-{index:03}")
}

fn tenant(index: usize) -> String {
    format!("tenant-{index:05}")
}

/// The values of one rule: made-up words of 4 to 13 letters, all different.
fn countries(rule: usize, count: usize) -> Vec<String> {
    let mut random = Rng::with_seed(rule as u64 + 100);
    let mut values = BTreeSet::new();
    let mut word = || {
        let length = random.usize(3..13);
        // Begins with the rule's own letter, so that no word is in two rules.
        let first = char::from(b'a' + u8::try_from(rule).unwrap_or(25));
        std::iter::once(first).chain((0..length).map(|_| random.lowercase())).collect::<String>()
    };
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        let word = word();
        if values.insert(word.clone()) {
            ordered.push(word);
        }
    }
    ordered
}
