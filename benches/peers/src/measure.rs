//! Measuring: all sides in turn in each round, and the median of the rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::allocations;
use crate::check::Answers;
use crate::interruption::{Waited, shows};
use crate::participant::Participant;
use crate::workload::{Question, Row};

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds of each row.
    pub(crate) rounds: usize,
    /// What one round of one side takes at least.
    pub(crate) round: Duration,
}

impl Effort {
    /// For figures that are written down.
    pub(crate) const FULL: Self = Self { rounds: 101, round: Duration::from_micros(500) };
    /// For seeing that everything still works.
    pub(crate) const QUICK: Self = Self { rounds: 5, round: Duration::from_micros(100) };
}

/// What one question of a row costs one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// The median.
    pub(crate) nanoseconds: f64,
    /// The mean.
    pub(crate) allocations: f64,
}

/// One who is measured, with its answers; a floor has none.
pub(crate) struct Side {
    /// Who.
    pub(crate) participant: Box<dyn Participant>,
    /// What it has to answer in every round.
    pub(crate) answers: Option<Answers>,
}

/// Measures rows: by row, and by side; `None` for a side that does not have what a row asks for.
///
/// All rows have a part of each round, so that a disturbance of a second does not fall on one row
/// alone.
///
/// # Panics
/// When a side answers something else than it did when its answers were checked.
pub(crate) fn rows(rows: &[Row], sides: &[Side], effort: Effort) -> Vec<Vec<Option<Cost>>> {
    let questions: Vec<Vec<Question>> = rows.iter().map(|row| row.questions()).collect();
    let mut runs: Vec<Vec<Option<Run<'_>>>> = rows
        .iter()
        .zip(&questions)
        .map(|(row, questions)| {
            let run = |side| Run::new(*row, side, questions, effort);
            sides.iter().map(|side| side.participant.supports(*row).then(|| run(side))).collect()
        })
        .collect();
    let waited = Waited::of_this_thread();
    for round in 0..effort.rounds {
        for runs in &mut runs {
            for turn in 0..runs.len() {
                // Nobody comes always after the same neighbour.
                let turn = (turn + round) % runs.len();
                if let Some(run) = &mut runs[turn] {
                    run.round(round, &waited);
                }
            }
        }
    }
    runs.into_iter().map(|runs| runs.into_iter().map(|run| Some(run?.cost())).collect()).collect()
}

/// How often a turn is taken again that the system interrupted.
const ATTEMPTS: usize = 4;

struct Run<'a> {
    row: Row,
    side: &'a Side,
    questions: &'a [Question],
    /// Questions of a round.
    count: usize,
    nanoseconds: Vec<f64>,
}

impl<'a> Run<'a> {
    fn new(row: Row, side: &'a Side, questions: &'a [Question], effort: Effort) -> Self {
        let mut run = Self { row, side, questions, count: row.step(), nanoseconds: Vec::new() };
        run.count = run.count.max(4);
        let most = questions.len() / 2;
        while run.count * 2 <= most && run.shortest_time() < effort.round {
            run.count *= 2;
        }
        run.count -= run.count % row.step();
        run
    }

    /// Of a round, of a few tries.
    fn shortest_time(&self) -> Duration {
        let time = || self.time(&self.questions[..self.count]).1;
        time().min(time()).min(time())
    }

    /// Asks a quarter of a round for the caches' sake, and then a round by the clock.
    fn round(&mut self, round: usize, waited: &Waited) {
        let step = self.row.step();
        let places = (self.questions.len() - self.count) / step + 1;
        let start = (round * self.count / step) % places * step;
        let questions = &self.questions[start..start + self.count];
        let participant = &self.side.participant;
        for attempt in 1..=ATTEMPTS {
            black_box(participant.ask(self.row, &questions[..self.count.div_ceil(4)]));
            let ((sum, elapsed), interrupted) = waited.during(|| self.time(questions));
            if !shows(interrupted, elapsed) || attempt == ATTEMPTS {
                self.nanoseconds.push(elapsed.as_nanos() as f64 / self.count as f64);
                if let Some(answers) = &self.side.answers {
                    let expected = answers.expected_sum(self.row, questions);
                    assert_eq!(sum, expected, "{}, {}", participant.name(), self.row);
                }
                break;
            }
        }
    }

    fn time(&self, questions: &[Question]) -> (u64, Duration) {
        let participant = &self.side.participant;
        let start = Instant::now();
        let sum = black_box(participant.ask(self.row, black_box(questions)));
        let mut elapsed = start.elapsed();
        let start = Instant::now();
        if black_box(participant.ask_ahead(self.row, black_box(questions))).is_some() {
            elapsed += start.elapsed();
        }
        (sum, elapsed)
    }

    fn cost(mut self) -> Cost {
        let questions = &self.questions[..self.count];
        let ask = || black_box(self.side.participant.ask(self.row, questions));
        let (_, heap) = allocations::of(ask);
        let allocations = heap.allocations as f64 / self.count as f64;
        Cost { nanoseconds: median(&mut self.nanoseconds), allocations }
    }
}

/// The median of some measurements.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
