//! Two threads against one, on W2.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::interruption::{Waited, shows};
use crate::measure::{Effort, median};
use crate::workload::{Question, Row};

/// Something that both threads can do.
pub(crate) type Work<'a> = &'a (dyn Fn(&[Question]) -> u64 + Sync);

/// How many times as much two threads get done as one, for each of these: the median of rounds
/// in which all have their turn, alone and then together. NaN when the machine had no two cores to
/// spare in most rounds.
pub(crate) fn scaling(works: &[Work<'_>], effort: Effort) -> Vec<f64> {
    let questions = Row::Rollout.questions();
    let (first, second) = questions.split_at(questions.len() / 2);
    // Long enough that starting two threads at once does not show.
    let round = effort.round * 4;
    let counts: Vec<usize> = works.iter().map(|work| count(*work, first, round)).collect();
    let pair = Pair::default();
    let mut factors: Vec<Vec<f64>> = works.iter().map(|_| Vec::new()).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let waited = Waited::of_this_thread();
            let mut rounds = 0;
            while let Some(job) = pair.wait_for_job() {
                rounds += 1;
                pair.together(rounds);
                pair.finish(time(works[job], second, counts[job], &waited));
            }
        });
        let waited = Waited::of_this_thread();
        let mut rounds = 0;
        for round in 0..effort.rounds {
            for turn in 0..works.len() {
                let job = (turn + round) % works.len();
                for _ in 0..ATTEMPTS {
                    let alone = time(works[job], first, counts[job], &waited);
                    rounds += 1;
                    pair.begin(job);
                    pair.together(rounds);
                    let own = time(works[job], first, counts[job], &waited);
                    if let Some(factor) = factor(alone, own, pair.other()) {
                        factors[job].push(factor);
                        break;
                    }
                }
            }
        }
        pair.end();
    });
    let enough = |factors: &mut Vec<f64>| {
        if factors.len() * 2 < effort.rounds { f64::NAN } else { median(factors) }
    };
    factors.iter_mut().map(enough).collect()
}

/// How often a round is taken again that the system interrupted.
const ATTEMPTS: usize = 20;

/// What two threads got done side by side; `None` when something else kept a thread from running.
fn factor(alone: Span, own: Span, other: Span) -> Option<f64> {
    let first = own.start.min(other.start);
    let apart = own.start.max(other.start) - first;
    let undisturbed = [alone, own, other].iter().all(|span| !shows(span.waited, alone.elapsed()));
    (undisturbed && apart * 50 < alone.elapsed()).then(|| {
        let together = own.end.max(other.end) - first;
        2.0 * alone.elapsed().as_secs_f64() / together.as_secs_f64()
    })
}

/// From when to when a thread was at it.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: Instant,
    end: Instant,
    /// How long the system kept it from running.
    waited: Duration,
}

impl Span {
    fn elapsed(self) -> Duration {
        self.end - self.start
    }
}

/// How often the questions are asked to fill a round.
fn count(work: Work<'_>, questions: &[Question], round: Duration) -> usize {
    let waited = Waited::of_this_thread();
    let once = || time(work, questions, 1, &waited).elapsed();
    (round.as_nanos() / once().min(once()).as_nanos().max(1) + 1) as usize
}

fn time(work: Work<'_>, questions: &[Question], count: usize, waited: &Waited) -> Span {
    let ((start, end), waited) = waited.during(|| {
        let start = Instant::now();
        for _ in 0..count {
            black_box(work(black_box(questions)));
        }
        (start, Instant::now())
    });
    Span { start, end, waited }
}

/// Two threads that begin at once. Between rounds the second one sleeps: one that waited awake
/// would disturb the first where cores share their execution units.
struct Pair {
    barrier: Barrier,
    job: AtomicUsize,
    ended: AtomicBool,
    arrived: AtomicUsize,
    span: Mutex<Option<Span>>,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            barrier: Barrier::new(2),
            job: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
            span: Mutex::new(None),
        }
    }
}

impl Pair {
    fn begin(&self, job: usize) {
        self.job.store(job, Ordering::SeqCst);
        self.barrier.wait();
    }

    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.barrier.wait();
    }

    fn wait_for_job(&self) -> Option<usize> {
        self.barrier.wait();
        (!self.ended.load(Ordering::SeqCst)).then(|| self.job.load(Ordering::SeqCst))
    }

    /// Waits awake until both are here for the `rounds`th time.
    fn together(&self, rounds: usize) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        while self.arrived.load(Ordering::SeqCst) < 2 * rounds {
            std::hint::spin_loop();
        }
    }

    fn finish(&self, span: Span) {
        *self.span.lock().expect("nobody panics with it") = Some(span);
        self.barrier.wait();
    }

    fn other(&self) -> Span {
        self.barrier.wait();
        self.span.lock().expect("nobody panics with it").expect("the other one has finished")
    }
}
