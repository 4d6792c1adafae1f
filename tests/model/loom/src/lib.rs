// See LICENSE for the terms.
//! What the broadcast ring (core/ring.c, core/ear.c) needs of the memory's
//! orders, executed under loom: every interleaving, and every value that a
//! relaxed load may see.  ring.pml beside it has the algorithm whole, with
//! publishers that are killed, in a memory that is sequentially consistent.
//!
//! Names and steps are those of the C, an order each where it has one; a record
//! is its position, <since> and two words.  A lane has two records and a
//! descriptor one bit of a position, so the third message overtakes the first.
//!
//! WEAK=name makes the order of that name relaxed, or leaves the fence out; run
//! has each of them, and every one must be found.

use loom::sync::atomic::{fence, AtomicU64, Ordering};
use std::sync::OnceLock;
use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

pub const SLOTS: u64 = 2;
const UNITS: u64 = 2;
const POS_MASK: u64 = 1;

fn is_weak(name: &str) -> bool {
    static WEAK: OnceLock<String> = OnceLock::new();
    WEAK.get_or_init(|| std::env::var("WEAK").unwrap_or_default()) == name
}

/// A relaxed load by one who may also write.  Loom remembers only the last load
/// of a word: this thread's own would hide another's from its write, and they
/// would not be tried the other way round.
fn load(word: &AtomicU64) -> u64 {
    word.fetch_add(0, Relaxed)
}

fn order(name: &str, strong: Ordering) -> Ordering {
    if is_weak(name) { Relaxed } else { strong }
}

fn fence_of(name: &str, strong: Ordering) {
    if !is_weak(name) {
        fence(strong);
    }
}

#[derive(Default)]
struct Record {
    pos: AtomicU64,
    since: AtomicU64,
    data: [AtomicU64; 2],
}

#[derive(Default)]
struct Lane {
    end: AtomicU64,
    record: [Record; UNITS as usize],
}

impl Lane {
    fn at(&self, pos: u64) -> &Record {
        &self.record[(pos % UNITS) as usize]
    }
}

#[derive(Default)]
pub struct Ring {
    tail: AtomicU64,
    index: [AtomicU64; SLOTS as usize],
    lane: [Lane; 2],
    sleeping: AtomicU64,
    wants: AtomicU64,
}

impl Ring {
    fn slot(&self, at: u64) -> &AtomicU64 {
        &self.index[(at % SLOTS) as usize]
    }

    /// 0: it is <at>'s descriptor; negative: an earlier one; positive: later.
    fn lead(descriptor: u64, at: u64) -> i64 {
        (descriptor >> 32) as i64 - (at / SLOTS + 1) as i64
    }

    fn beyond(at: u64, by: i64) -> u64 {
        at + by as u64 * SLOTS + 1
    }

    fn ring_tail(&self) -> u64 {
        let mut at = load(&self.tail);
        loop {
            let by = Self::lead(load(self.slot(at)), at);
            if by < 0 {
                return at;
            }
            at = Self::beyond(at, by);
        }
    }

    fn append(&self, mut at: u64, what: u64) -> u64 {
        loop {
            let seen = load(self.slot(at));
            let by = Self::lead(seen, at);
            if by >= 0 {
                at = Self::beyond(at, by);
                continue;
            }
            let descriptor = (at / SLOTS + 1) << 32 | what;
            let released = order("append", Release);
            if self.slot(at).compare_exchange(seen, descriptor, released, Relaxed).is_ok() {
                self.tail.store(at + 1, Relaxed);
                return at;
            }
        }
    }

    /// ring_publish(): the offset.
    pub fn publish(&self, lane: usize, data: u64) -> u64 {
        let since = self.ring_tail();
        let l = &self.lane[lane];
        // reserve()
        let pos = load(&l.end);
        l.end.store(pos + 1, Relaxed);
        fence_of("reserve", Release);
        // write_record()
        let w = l.at(pos);
        w.since.store(since, Relaxed);
        w.data[0].store(data, Relaxed);
        w.data[1].store(data, Relaxed);
        w.pos.store(pos, order("write_record", Release));
        self.append(since, (lane as u64) << 1 | pos & POS_MASK)
    }

    /// ring_next() and ring_copy() at <at>: nothing yet, lost, or what it says.
    pub fn read(&self, at: u64) -> Option<Result<u64, ()>> {
        let d = self.slot(at).load(order("next", Acquire));
        let by = Self::lead(d, at);
        if by != 0 {
            return if by < 0 { None } else { Some(Err(())) };
        }
        // find()
        let l = &self.lane[(d >> 1 & 1) as usize];
        let last = l.end.load(Relaxed).wrapping_sub(1);
        let pos = last.wrapping_sub(last.wrapping_sub(d) & POS_MASK);
        let w = l.at(pos);
        let here = w.pos.load(order("find", Acquire)) == pos;
        if !here || at < w.since.load(Relaxed) {
            return Some(Err(()));
        }
        let data = [w.data[0].load(Relaxed), w.data[1].load(Relaxed)];
        // is_whole()
        fence_of("is_whole", Acquire);
        if l.end.load(Relaxed).wrapping_sub(pos) > UNITS {
            return Some(Err(()));
        }
        assert_eq!(data[0], data[1], "torn");
        Some(Ok(data[0]))
    }

    /// ear_want() and ear_sleep(): whether it sleeps.
    pub fn sleep(&self, at: u64) -> bool {
        self.wants.store(1, Relaxed);
        self.sleeping.store(1, Relaxed);
        fence_of("ear_sleep", SeqCst);
        Self::lead(self.slot(at).load(Relaxed), at) < 0
    }

    /// ear_wake(): whether it is woken by this.
    pub fn wake(&self) -> bool {
        fence_of("ear_wake", SeqCst);
        self.sleeping.load(Relaxed) == 1
            && self.wants.load(Relaxed) == 1
            && self.sleeping.swap(0, AcqRel) == 1
    }
}
