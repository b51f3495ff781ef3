//! A program without the standard library that answers one question: its exit code is 0 when the
//! answer is right.

#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

use flags_core::{Context, Document, Entity, Flag, Ruleset, Timestamp};

const EXPORTS: Flag<bool> = Flag::new("exports", false);

/// Who asks.
#[derive(Context)]
#[context(kind = "tenant")]
struct Account {
    #[context(key)]
    id: &'static str,
}

/// An arena that never frees: enough for one ruleset.
struct Arena {
    bytes: UnsafeCell<[u8; ARENA_BYTES]>,
    used: AtomicUsize,
}

const ARENA_BYTES: usize = 1 << 20;

// SAFETY: `used` hands every byte out at most once.
unsafe impl Sync for Arena {}

// SAFETY: every block lies within the arena, is aligned, and belongs to one caller alone.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.bytes.get().cast::<u8>();
        let place = |used: usize| {
            let start = (base as usize + used).next_multiple_of(layout.align()) - base as usize;
            (start + layout.size() <= ARENA_BYTES).then_some(start)
        };
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            place(used).map(|start| start + layout.size())
        });
        match taken.ok().and_then(place) {
            // SAFETY: `place` keeps the block within the arena.
            Some(start) => unsafe { base.add(start) },
            None => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static ARENA: Arena =
    Arena { bytes: UnsafeCell::new([0; ARENA_BYTES]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: as the C library has it.
    unsafe { abort() }
}

/// The ready-made core library names it in its unwind tables; nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

/// What the C library's start-up code calls.
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: i32, _argv: *const *const u8) -> i32 {
    let document = r#"{"epoch": "e1", "revision": 1, "objects": [
        {"kind": "flag", "key": "exports", "version": 1, "definition": {
            "type": "boolean",
            "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "state": {
                "on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
                "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "on"}],
                "rules": [{"id": "all", "serve": {"variant": "on"}, "when": {"all": [
                    {"attribute": "user.key", "op": "matches", "values": ["(?i)^\\w+\\b.[^a-z]Ö$"]},
                    {"attribute": "user.key", "op": "ends_with", "values": ["ö"], "ignore_case": true},
                    {"attribute": "user.app", "op": "semver_gte", "values": ["2.1"]},
                    {"attribute": "user.ip", "op": "in_cidr", "values": ["10.0.0.0/8"]},
                    {"attribute": "user.since", "op": "before", "values": ["now"]}]}}]
            }
        }}
    ]}"#;
    let Ok(document) = serde_json::from_str::<Document>(document) else { return 1 };
    let (ruleset, report) = Ruleset::compile(&document);
    let answer = ruleset.get(&EXPORTS, &Account { id: "acme" }, Timestamp::from_millis(0));
    if !report.is_clean() || !answer.value {
        return 2;
    }
    // Here no other crate turns on the tables that tests have: patterns need none.
    let user = [("app", "v2.10".into()), ("ip", "::ffff:10.1.2.3".into()), ("since", (-1).into())];
    let user = Entity::user("Ada-1Ö").with(&user);
    if ruleset.get(&EXPORTS, &user, Timestamp::from_millis(0)).value { 0 } else { 3 }
}
