use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use flags_core::{Position, Revision};

use super::visible::Visible;
use crate::limits::{MAX_RECENT_FRAME_BYTES, MAX_RECENT_FRAMES, MAX_STREAMED_CHANGE_BYTES};
use crate::store::Tenants;

/// The latest changes of an environment, each encoded once for all streams.
#[derive(Default)]
pub(super) struct Frames {
    recent: RwLock<Recent>,
}

/// A change as streams carry it.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    /// When it was committed, and put into force here.
    pub(crate) since: Instant,
}

#[derive(Default)]
struct Recent {
    /// The revision of the last frame.
    last: Revision,
    frames: VecDeque<(Visible<Option<Bytes>>, Instant)>,
    bytes: usize,
}

/// A change as it can be carried; what is too large is not.
fn carried(frame: Visible<Bytes>) -> Visible<Option<Bytes>> {
    let fits = |bytes: Bytes| (bytes.len() <= MAX_STREAMED_CHANGE_BYTES).then_some(bytes);
    Visible { all: fits(frame.all), none: fits(frame.none) }
}

/// How much both forms of a frame take, which may be one.
fn bytes_of(frame: &Visible<Option<Bytes>>) -> usize {
    let len = |form: &Option<Bytes>| form.as_ref().map_or(0, Bytes::len);
    let start = |form: &Option<Bytes>| form.as_ref().map(|bytes| bytes.as_ptr());
    let is_one = start(&frame.all) == start(&frame.none);
    len(&frame.all) + if is_one { 0 } else { len(&frame.none) }
}

impl Frames {
    /// Adds the change that leads to `revision`, the one after the last.
    pub(super) fn push(&self, revision: Revision, frame: Visible<Bytes>) {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.last = revision;
        let frame = carried(frame);
        recent.bytes += bytes_of(&frame);
        recent.frames.push_back((frame, Instant::now()));
        while recent.frames.len() > MAX_RECENT_FRAMES || recent.bytes > MAX_RECENT_FRAME_BYTES {
            let Some(oldest) = recent.frames.pop_front() else {
                return;
            };
            recent.bytes -= bytes_of(&oldest.0);
        }
    }

    /// Drops all of them; those that come are kept.
    pub(super) fn forget(&self) {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        (recent.frames, recent.bytes) = (VecDeque::new(), 0);
    }

    /// The change that follows `revision`, unless it is too old or too large.
    pub(super) fn after(&self, revision: Revision, tenants: Tenants) -> Option<Frame> {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let behind = usize::try_from(recent.last.checked_sub(revision)?).ok()?;
        let index = recent.frames.len().checked_sub(behind)?;
        let (frames, since) = recent.frames.get(index)?;
        Some(Frame { bytes: frames.get(tenants).clone()?, since: *since })
    }
}

/// A change as an event of a stream; `line` is its JSON, which has no line break.
pub(crate) fn frame(position: &Position, line: &str) -> Bytes {
    format!("event: change\nid: {position}\ndata: {line}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(frame: Bytes) -> Visible<Bytes> {
        Visible { none: frame.clone(), all: frame }
    }

    #[test]
    fn recent_frames_are_found_by_the_revision_before_them() {
        let frames = Frames::default();
        let after = |revision| frames.after(revision, Tenants::All).map(|frame| frame.bytes);
        assert_eq!(after(0), None);
        for revision in 8..=10 {
            frames.push(revision, both(Bytes::from(format!("{revision}"))));
        }
        assert_eq!(after(6), None);
        assert_eq!(after(7).unwrap(), "8");
        assert_eq!(frames.after(9, Tenants::None).unwrap().bytes, "10");
        assert_eq!(after(10), None);
        assert_eq!(after(11), None);
    }

    #[test]
    fn old_frames_make_room_by_number_and_by_size() {
        let frames = Frames::default();
        let after = |revision| frames.after(revision, Tenants::All).map(|frame| frame.bytes);
        let last = MAX_RECENT_FRAMES as Revision + 5;
        for revision in 1..=last {
            frames.push(revision, both(Bytes::from_static(b"x")));
        }
        assert_eq!(after(4), None);
        assert!(after(5).is_some());
        let large = Bytes::from(vec![0; MAX_STREAMED_CHANGE_BYTES]);
        for revision in last + 1..=last + 3 {
            frames.push(revision, both(large.clone()));
        }
        assert_eq!(after(last), None);
        assert!(after(last + 1).is_some());
        frames.push(last + 4, both(Bytes::from(vec![0; MAX_STREAMED_CHANGE_BYTES + 1])));
        assert!(after(last + 2).is_some());
        assert_eq!(after(last + 3), None, "it is not kept itself");
        frames.push(last + 5, both(Bytes::from_static(b"x")));
        assert!(after(last + 4).is_some());
    }

    #[test]
    fn each_form_is_kept_if_it_is_not_too_large_itself() {
        let frames = Frames::default();
        let all = Bytes::from(vec![0; MAX_STREAMED_CHANGE_BYTES + 1]);
        frames.push(1, Visible { all, none: Bytes::from_static(b"x") });
        assert!(frames.after(0, Tenants::All).is_none());
        assert_eq!(frames.after(0, Tenants::None).unwrap().bytes, "x");
    }

    #[test]
    fn both_forms_of_a_frame_count() {
        let frames = Frames::default();
        let large = || Bytes::from(vec![0; MAX_RECENT_FRAME_BYTES / 4]);
        for revision in 1..=3 {
            frames.push(revision, Visible { all: large(), none: large() });
        }
        assert!(frames.after(0, Tenants::All).is_none());
        assert!(frames.after(1, Tenants::All).is_some());
        for revision in 4..=7 {
            frames.push(revision, both(large()));
        }
        assert!(frames.after(3, Tenants::All).is_some(), "one that is the same counts once");
    }
}
