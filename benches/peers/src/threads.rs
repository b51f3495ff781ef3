//! Two threads against one, on W2.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::measure::{Effort, median};
use crate::workload::{Question, Row};

/// Something that both threads can do.
pub(crate) type Work<'a> = &'a (dyn Fn(&[Question]) -> u64 + Sync);

/// How many times as much two threads get done as one, for each of these: the median of rounds
/// in which all have their turn, alone and then together.
pub(crate) fn scaling(works: &[Work<'_>], effort: Effort) -> Vec<f64> {
    let questions = Row::Rollout.questions();
    let (first, second) = questions.split_at(questions.len() / 2);
    // Long enough that starting two threads at once does not show.
    let round = effort.round * 4;
    let counts: Vec<usize> = works.iter().map(|work| count(*work, first, round)).collect();
    let start = Start::default();
    let mut factors: Vec<Vec<f64>> = works.iter().map(|_| Vec::new()).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rounds = 0;
            while let Some(job) = start.wait_for_job() {
                rounds += 1;
                start.together(rounds);
                let elapsed = time(works[job], second, counts[job]);
                start.finish(elapsed);
            }
        });
        let mut rounds = 0;
        for round in 0..effort.rounds {
            for turn in 0..works.len() {
                let job = (turn + round) % works.len();
                let alone = time(works[job], first, counts[job]);
                rounds += 1;
                start.begin(job);
                start.together(rounds);
                let own = time(works[job], first, counts[job]);
                let together = own.max(start.other());
                factors[job].push(2.0 * alone.as_secs_f64() / together.as_secs_f64());
            }
        }
        start.end();
    });
    factors.iter_mut().map(|factors| median(factors)).collect()
}

/// How often the questions are asked to fill a round.
fn count(work: Work<'_>, questions: &[Question], round: Duration) -> usize {
    let once = time(work, questions, 1).min(time(work, questions, 1));
    (round.as_nanos() / once.as_nanos().max(1) + 1) as usize
}

fn time(work: Work<'_>, questions: &[Question], count: usize) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        black_box(work(black_box(questions)));
    }
    start.elapsed()
}

/// Two threads that begin at once. Between rounds the second one sleeps: one that waited awake
/// would disturb the first where cores share their execution units.
struct Start {
    barrier: Barrier,
    job: AtomicUsize,
    ended: AtomicBool,
    arrived: AtomicUsize,
    nanoseconds: AtomicU64,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            barrier: Barrier::new(2),
            job: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
            nanoseconds: AtomicU64::new(0),
        }
    }
}

impl Start {
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

    fn finish(&self, elapsed: Duration) {
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.store(nanoseconds, Ordering::SeqCst);
        self.barrier.wait();
    }

    fn other(&self) -> Duration {
        self.barrier.wait();
        Duration::from_nanos(self.nanoseconds.load(Ordering::SeqCst))
    }
}
