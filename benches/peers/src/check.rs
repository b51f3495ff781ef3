//! That everybody gives the right answers, asked before anything is measured, and looked at again
//! after every measured round.

use crate::participant::Participant;
use crate::workload::{Definition, Expected, FLAGS, Facts, Question, Row, Shape, USERS, VARIANTS};

/// The answers of one participant to every question there is.
pub(crate) struct Answers {
    /// By flag, then by user.
    answers: Vec<u64>,
}

/// How many standard deviations a share may be off. Nothing here is random: what is within them
/// once is so always.
const DEVIATIONS: f64 = 5.0;
/// For how many users W8 is asked: it takes some SDKs milliseconds.
const USERS_OF_ALL: usize = 10;

impl Answers {
    /// Asks everything once.
    ///
    /// # Errors
    /// The first answer that is wrong, or a share of users that chance does not give.
    pub(crate) fn of(
        participant: &dyn Participant,
        definitions: &[Definition],
        facts: &[Facts],
    ) -> Result<Self, String> {
        let wrong = |what: String| Err(format!("{}: {what}", participant.name()));
        let mut answers = Vec::with_capacity(FLAGS * USERS);
        for flag in 0..definitions.len() {
            for user in 0..facts.len() {
                answers.push(participant.ask(Row::Mix, &[Question::new(flag, user)]));
            }
        }
        let mut half = Share::of(&[50]);
        let mut weighted = Share::of(&VARIANTS.map(|(_, percent)| percent));
        for (flag, answers) in definitions.iter().zip(answers.chunks(facts.len())) {
            let mut half_of_flag = Share::of(&[50]);
            let mut weighted_of_flag = Share::of(&VARIANTS.map(|(_, percent)| percent));
            for (user, answer) in facts.iter().zip(answers) {
                match flag.expected(user) {
                    Expected::Exactly(expected) if expected == *answer => {}
                    Expected::Exactly(expected) => {
                        return wrong(format!(
                            "{} is {answer} for {}, not {expected}",
                            flag.key, user.user
                        ));
                    }
                    // Counted are those that it is on for.
                    Expected::Half => {
                        half_of_flag.count(1 - answer.min(&1));
                        half.count(1 - answer.min(&1));
                    }
                    Expected::Weighted => {
                        weighted_of_flag.count(*answer);
                        weighted.count(*answer);
                    }
                }
                if matches!(flag.shape, Shape::Rollout) && *answer > 1 {
                    return wrong(format!("{} is {answer} for {}", flag.key, user.user));
                }
            }
            if let Err(what) = half_of_flag.check().and_then(|()| weighted_of_flag.check()) {
                return wrong(format!("{} {what}", flag.key));
            }
        }
        if let Err(what) = half.check().and_then(|()| weighted.check()) {
            return wrong(format!("all flags together: {what}"));
        }
        let answers = Self { answers };
        for row in Row::ALL.into_iter().filter(|row| participant.supports(*row)) {
            let mut questions = row.questions();
            if row == Row::All {
                questions.truncate(USERS_OF_ALL);
            }
            questions.truncate(2 * USERS);
            for question in questions {
                let answer = participant.ask(row, &[question]);
                let expected = answers.expected(row, question);
                if answer != expected {
                    return wrong(format!("{row}: {question:?} is {answer}, not {expected}"));
                }
            }
        }
        Ok(answers)
    }

    /// What the sum of the answers to these questions is.
    pub(crate) fn expected_sum(&self, row: Row, questions: &[Question]) -> u64 {
        questions.iter().map(|question| self.expected(row, *question)).sum()
    }

    fn expected(&self, row: Row, question: Question) -> u64 {
        let answer = |flag: usize| self.answers[flag * USERS + question.user()];
        match row {
            Row::Missing => 1,
            Row::Context => 0,
            Row::All => (0..FLAGS).map(answer).sum(),
            _ => answer(question.flag()),
        }
    }
}

/// How often each value was the answer, and how often it should have been.
struct Share {
    percent: Vec<u32>,
    counts: Vec<u32>,
    all: u32,
}

impl Share {
    fn of(percent: &[u32]) -> Self {
        Self { percent: percent.to_vec(), counts: vec![0; percent.len()], all: 0 }
    }

    fn count(&mut self, place: u64) {
        self.all += 1;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
    }

    fn check(&self) -> Result<(), String> {
        for (percent, count) in self.percent.iter().zip(&self.counts) {
            let (share, all) = (f64::from(*percent) / 100.0, f64::from(self.all));
            let off = f64::from(*count) - share * all;
            if off.abs() > DEVIATIONS * (all * share * (1.0 - share)).sqrt() {
                return Err(format!("serves {count} of {}, not {percent} %", self.all));
            }
        }
        // Values beside the expected ones would be missing from these.
        let counted: u32 = self.counts.iter().sum();
        if self.percent.len() > 1 && counted != self.all {
            return Err(format!("serves something else to {}", self.all - counted));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{flags, users};

    /// Answers everything with one number.
    struct Always(u64);

    impl Participant for Always {
        fn name(&self) -> &'static str {
            "always"
        }

        fn switch(&self, _question: Question) -> u64 {
            self.0
        }

        fn text(&self, _question: Question) -> u64 {
            self.0
        }

        fn missing(&self, _question: Question) -> u64 {
            self.0
        }

        fn build_context(&self, _question: Question) {}
    }

    /// Right but for one flag.
    struct But {
        ours: crate::ours::Typed,
        flag: usize,
        answer: u64,
    }

    impl Participant for But {
        fn name(&self) -> &'static str {
            "but"
        }

        fn switch(&self, question: Question) -> u64 {
            if question.flag() == self.flag { self.answer } else { self.ours.switch(question) }
        }

        fn text(&self, question: Question) -> u64 {
            if question.flag() == self.flag { self.answer } else { self.ours.text(question) }
        }

        fn missing(&self, question: Question) -> u64 {
            self.ours.missing(question)
        }

        fn build_context(&self, _question: Question) {}
    }

    #[test]
    fn who_answers_wrongly_is_refused() {
        let (flags, users) = (flags(), &*users().leak());
        for answer in [0, 1, 255] {
            assert!(Answers::of(&Always(answer), &flags, users).is_err(), "{answer}");
        }
        // One of each shape that is answered with an error, and one that is served to all.
        for (flag, answer) in [(0, 255), (400, 255), (400, 1), (700, 255), (950, 255), (950, 0)] {
            let ours = crate::ours::Typed::new(&flags, users);
            let wrong = But { ours, flag, answer };
            assert!(Answers::of(&wrong, &flags, users).is_err(), "{flag}: {answer}");
        }
        let ours = crate::ours::Typed::new(&flags, users);
        assert_eq!(Answers::of(&ours, &flags, users).err(), None);
    }
}
