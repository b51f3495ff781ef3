//! Measuring: all sides in turn in each round, and the median of the rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::allocations;
use crate::check::Answers;
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

/// Measures one row; `None` for a side that does not have what it asks for.
///
/// # Panics
/// When a side answers something else than it did when its answers were checked.
pub(crate) fn row(row: Row, sides: &[Side], effort: Effort) -> Vec<Option<Cost>> {
    let questions = row.questions();
    let mut runs: Vec<Option<Run<'_>>> = sides
        .iter()
        .map(|side| {
            let supported = side.participant.supports(row);
            supported.then(|| Run::new(row, side, &questions, effort))
        })
        .collect();
    for round in 0..effort.rounds {
        for turn in 0..runs.len() {
            // Nobody comes always after the same neighbour.
            let turn = (turn + round) % runs.len();
            if let Some(run) = &mut runs[turn] {
                run.round(round);
            }
        }
    }
    runs.into_iter().map(|run| Some(run?.cost())).collect()
}

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
        let time = || {
            let start = Instant::now();
            black_box(self.side.participant.ask(self.row, &self.questions[..self.count]));
            start.elapsed()
        };
        time().min(time()).min(time())
    }

    /// Asks a quarter of a round for the caches' sake, and then a round by the clock.
    fn round(&mut self, round: usize) {
        let step = self.row.step();
        let places = (self.questions.len() - self.count) / step + 1;
        let start = (round * self.count / step) % places * step;
        let questions = &self.questions[start..start + self.count];
        let participant = &self.side.participant;
        black_box(participant.ask(self.row, &questions[..self.count.div_ceil(4)]));

        let start = Instant::now();
        let sum = black_box(participant.ask(self.row, black_box(questions)));
        let mut elapsed = start.elapsed();
        let start = Instant::now();
        if black_box(participant.ask_ahead(self.row, black_box(questions))).is_some() {
            elapsed += start.elapsed();
        }
        self.nanoseconds.push(elapsed.as_nanos() as f64 / self.count as f64);
        if let Some(answers) = &self.side.answers {
            let expected = answers.expected_sum(self.row, questions);
            assert_eq!(sum, expected, "{}, {}", participant.name(), self.row);
        }
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
