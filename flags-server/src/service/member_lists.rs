use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use super::fault::Fault;
use super::members::MembersEdit;
use crate::store::{EnvironmentId, MemberList, Page, StoreError, View};

/// The lists of a segment on their way into its definition: as JSON from the beginning, as there
/// may be a million keys.
#[derive(Debug, Default)]
pub(crate) struct MemberLists {
    included: Vec<u8>,
    excluded: Vec<u8>,
}

impl MemberLists {
    /// The lists of one segment.
    pub(super) fn of(
        view: &dyn View,
        environment: EnvironmentId,
        segment: &str,
    ) -> Result<Self, Fault> {
        let mut lists = Self::default();
        for list in [MemberList::Included, MemberList::Excluded] {
            for key in view.members(environment, segment, list, &Page::ALL)? {
                lists.push(list, &key).map_err(StoreError::new)?;
            }
        }
        Ok(lists)
    }

    /// The lists that one segment would have after a change.
    pub(super) fn after(
        view: &dyn View,
        environment: EnvironmentId,
        segment: &str,
        edit: &MembersEdit,
    ) -> Result<Self, Fault> {
        let mut lists = Self::default();
        for (list, edit) in
            [(MemberList::Included, &edit.included), (MemberList::Excluded, &edit.excluded)]
        {
            let goes: HashSet<&String> = edit.remove.iter().collect();
            let stays = view.members(environment, segment, list, &Page::ALL)?;
            for key in stays.iter().filter(|key| !goes.contains(key)).chain(&edit.add) {
                lists.push(list, key).map_err(StoreError::new)?;
            }
        }
        Ok(lists)
    }

    /// The lists of all segments of an environment that list something, by the segment's key.
    pub(super) fn of_all(
        view: &dyn View,
        environment: EnvironmentId,
    ) -> Result<HashMap<String, Self>, Fault> {
        let mut all = HashMap::new();
        // They come segment by segment.
        let mut last = (String::new(), Self::default());
        view.each_member(environment, &mut |segment, list, key| {
            if last.0 != segment {
                let (segment, lists) =
                    std::mem::replace(&mut last, (segment.to_owned(), Self::default()));
                all.insert(segment, lists);
            }
            last.1.push(list, key).map_err(StoreError::new)
        })?;
        all.insert(last.0, last.1);
        Ok(all)
    }

    fn push(&mut self, list: MemberList, key: &str) -> serde_json::Result<()> {
        let json = match list {
            MemberList::Included => &mut self.included,
            MemberList::Excluded => &mut self.excluded,
        };
        json.push(if json.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(json, key)
    }

    /// The included and the excluded keys.
    pub(super) fn into_json(self) -> serde_json::Result<(Box<RawValue>, Box<RawValue>)> {
        Ok((finish(self.included)?, finish(self.excluded)?))
    }
}

fn finish(mut json: Vec<u8>) -> serde_json::Result<Box<RawValue>> {
    if json.is_empty() {
        json.push(b'[');
    }
    json.push(b']');
    let json = String::from_utf8(json).map_err(serde::ser::Error::custom)?;
    RawValue::from_string(json)
}
