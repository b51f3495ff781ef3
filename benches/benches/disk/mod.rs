//! What a power cut leaves of some files, by the record of how they were written.

#![allow(unreachable_pub, reason = "it is a part of one bench")]

mod trace;

use std::collections::BTreeMap;
use std::path::Path;

use crate::load::history::Ack;

pub use self::trace::{STRACE, record};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// Something that a process did, in the order it was done.
#[derive(Debug)]
pub enum Event {
    Create {
        name: String,
    },
    Delete {
        name: String,
    },
    Write {
        name: String,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        name: String,
        length: usize,
    },
    /// The beginning of a sync of a file, and its end: what was written before the beginning is
    /// durable after the end.
    SyncBegins {
        name: String,
    },
    SyncEnds {
        name: String,
    },
    /// The same of the folder.
    FolderSynced,
    /// An answer that acknowledges a write.
    Answer(Ack),
}

/// Whether syncs of files are believed; those of the folder are.
#[derive(Clone, Copy, PartialEq)]
pub enum Syncs {
    Kept,
    Forgotten,
}

/// The files of a folder.
#[derive(Clone, Default, Debug)]
pub struct Disk {
    files: BTreeMap<String, Vec<u8>>,
}

/// A file under way, which may have lost its name, or not have one that stays.
#[derive(Default)]
struct Inode<'e> {
    durable: Vec<u8>,
    pending: Vec<&'e Event>,
    /// How many of `pending` the sync under way covers.
    covered: usize,
}

impl Disk {
    pub fn write_to(&self, folder: &Path) {
        for (name, bytes) in &self.files {
            std::fs::write(folder.join(name), bytes).expect("a file is written");
        }
    }

    /// What is left when the power goes after these events.
    pub fn after(&self, events: &[Event], syncs: Syncs) -> Self {
        let mut inodes: Vec<Inode<'_>> = Vec::new();
        // Names as the process sees them, as they are for certain, and what led from these to those.
        let mut names = BTreeMap::new();
        for (name, bytes) in &self.files {
            names.insert(name.as_str(), inodes.len());
            inodes.push(Inode { durable: bytes.clone(), ..Inode::default() });
        }
        let mut certain = names.clone();
        let mut uncertain = Vec::new();
        for event in events {
            let inode = match event {
                Event::Write { name, .. }
                | Event::Truncate { name, .. }
                | Event::SyncBegins { name }
                | Event::SyncEnds { name } => names.get(name.as_str()),
                Event::Create { .. }
                | Event::Delete { .. }
                | Event::FolderSynced
                | Event::Answer(_) => None,
            };
            let inode = inode.and_then(|index| inodes.get_mut(*index));
            match (event, inode) {
                (Event::Create { name }, _) if !names.contains_key(name.as_str()) => {
                    names.insert(name, inodes.len());
                    uncertain.push((name.as_str(), Some(inodes.len())));
                    inodes.push(Inode::default());
                }
                (Event::Delete { name }, _) => {
                    names.remove(name.as_str());
                    uncertain.push((name, None));
                }
                (Event::FolderSynced, _) => {
                    certain = names.clone();
                    uncertain.clear();
                }
                (Event::Write { .. } | Event::Truncate { .. }, Some(inode)) => {
                    inode.pending.push(event)
                }
                (Event::SyncBegins { .. }, Some(inode)) => inode.covered = inode.pending.len(),
                (Event::SyncEnds { .. }, Some(inode)) if syncs == Syncs::Kept => {
                    let covered = std::mem::take(&mut inode.covered);
                    for event in inode.pending.drain(..covered) {
                        apply(&mut inode.durable, event, |_| true);
                    }
                }
                _ => {}
            }
        }
        // A file system keeps the order of what it does to a folder.
        for (name, inode) in uncertain.iter().take(fastrand::usize(..=uncertain.len())) {
            match inode {
                Some(inode) => certain.insert(name, *inode),
                None => certain.remove(name),
            };
        }
        for inode in &mut inodes {
            // In some cuts much arrives, in others little.
            let share = fastrand::f64();
            for event in &inode.pending {
                if fastrand::f64() < share {
                    // Most writes arrive whole.
                    let torn = fastrand::u8(..4) == 0;
                    apply(&mut inode.durable, event, |_| !torn || fastrand::bool());
                }
            }
        }
        let file = |(name, inode): (&str, usize)| {
            Some((name.to_owned(), inodes.get(inode)?.durable.clone()))
        };
        Self { files: certain.into_iter().filter_map(file).collect() }
    }
}

/// Does to a file what was asked for, of a write the sectors that arrive.
fn apply(file: &mut Vec<u8>, event: &Event, mut arrives: impl FnMut(usize) -> bool) {
    match event {
        Event::Truncate { length, .. } => file.resize(*length, 0),
        Event::Write { offset, bytes, .. } => {
            let (mut at, mut rest) = (*offset, bytes.as_slice());
            while !rest.is_empty() {
                // Sectors lie where the disk has them, not where the write begins.
                let (sector, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                let end = at + sector.len();
                if arrives(at) {
                    if file.len() < end {
                        file.resize(end, 0);
                    }
                    if let Some(place) = file.get_mut(at..end) {
                        place.copy_from_slice(sector);
                    }
                }
                (at, rest) = (end, after);
            }
        }
        _ => {}
    }
}
