//! What each side brings: one answer to one question, by its public API.

use std::hint::black_box;

use crate::workload::{FLAGS, Question, Row};

/// Somebody who answers.
///
/// Answers are numbers, so that they can be added up and compared: 0 for off, 1 for on, and the
/// place of a text in [`VARIANTS`](crate::workload::VARIANTS).
///
/// The loops are here, the same for all; [`ask`](Self::ask) is compiled for each participant, so
/// that a round costs one dynamic call and a question none.
pub(crate) trait Participant: Sync {
    /// Its name in the table.
    fn name(&self) -> &'static str;

    /// Whether it has what the row asks for.
    fn supports(&self, row: Row) -> bool {
        let _ = row;
        true
    }

    /// The answer of a boolean flag.
    fn switch(&self, question: Question) -> u64;

    /// The answer of a flag with texts.
    fn text(&self, question: Question) -> u64;

    /// The answer for a flag that nobody has, with the caller's default: 1.
    fn missing(&self, question: Question) -> u64;

    /// Makes what the SDK wants to know about a user, from borrowed text as a request has it, and
    /// drops it.
    fn build_context(&self, question: Question);

    /// The answer of any flag.
    fn any(&self, question: Question) -> u64 {
        if question.is_text() { self.text(question) } else { self.switch(question) }
    }

    /// The sum of the answers of all flags for one user.
    fn everything(&self, user: usize) -> u64 {
        (0..FLAGS).map(|flag| black_box(self.any(Question::new(flag, user)))).sum()
    }

    /// The hashing that the contexts of this row hold ready, done once for each question, where
    /// it was moved from asking into building a context; it is timed and added to the row.
    fn ask_ahead(&self, row: Row, questions: &[Question]) -> Option<u64> {
        let _ = (row, questions);
        None
    }

    /// The sum of the answers to the questions of a row: what is timed.
    fn ask(&self, row: Row, questions: &[Question]) -> u64 {
        match row {
            Row::OnOff | Row::Rollout | Row::Rules | Row::AllowList | Row::Prerequisites => {
                sum(questions, |question| self.switch(question))
            }
            Row::Variants => sum(questions, |question| self.text(question)),
            Row::Missing => sum(questions, |question| self.missing(question)),
            Row::Mix => sum(questions, |question| self.any(question)),
            Row::All => sum(questions, |question| self.everything(question.user())),
            Row::Context => sum(questions, |question| {
                self.build_context(question);
                0
            }),
        }
    }
}

/// Asks one after the other; no answer can be left out.
#[inline(always)]
pub(crate) fn sum(questions: &[Question], answer: impl Fn(Question) -> u64) -> u64 {
    questions.iter().map(|question| black_box(answer(*question))).sum()
}
