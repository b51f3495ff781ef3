use std::collections::{HashMap, HashSet};

use super::fault::Fault;
use flags_core::{MAX_FLAGS_PER_ANSWER, MAX_PREREQUISITE_DEPTH};

/// The prerequisites of an environment: which flag asks which others.
pub(super) struct Prerequisites {
    asked_by: HashMap<String, Vec<String>>,
}

/// Why a flag cannot have the prerequisites that it would have.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// From the flag back to itself.
    Cycle(Vec<String>),
    /// The chain below this flag would be too long.
    Depth { flag: String },
    /// This flag's answer would need too many others.
    Flags { flag: String },
}

impl Violation {
    /// A flag that it is about.
    pub(super) fn flag(&self) -> &str {
        match self {
            Self::Cycle(path) => path.first().map_or("", String::as_str),
            Self::Depth { flag } | Self::Flags { flag } => flag,
        }
    }

    /// As a fault at a place of the request.
    pub(super) fn at(&self, pointer: &str) -> Fault {
        let (code, message) = match self {
            Self::Cycle(path) => {
                ("cycle", format!("prerequisites may not form a cycle: {}", path.join(" → ")))
            }
            Self::Depth { flag } => (
                "limit_exceeded",
                format!(
                    "the chain of prerequisites below `{flag}` would be longer than \
                     {MAX_PREREQUISITE_DEPTH} flags"
                ),
            ),
            Self::Flags { flag } => (
                "limit_exceeded",
                format!(
                    "an answer of `{flag}` would need more than {MAX_FLAGS_PER_ANSWER} flags, each \
                     counted whenever it is asked"
                ),
            ),
        };
        Fault::at(pointer, code, message)
    }
}

/// What an answer of a flag takes.
#[derive(Clone, Copy)]
struct Cost {
    depth: usize,
    flags: u32,
}

impl Prerequisites {
    pub(super) fn new(edges: Vec<(String, String)>) -> Self {
        let mut asked_by: HashMap<String, Vec<String>> = HashMap::new();
        for (flag, prerequisite) in edges {
            asked_by.entry(flag).or_default().push(prerequisite);
        }
        Self { asked_by }
    }

    fn of(&self, flag: &str) -> &[String] {
        self.asked_by.get(flag).map_or(&[], Vec::as_slice)
    }

    /// Whether `flag` may have `prerequisites` in place of those that it has.
    ///
    /// The others are acyclic and within the limits, so every walk here is short.
    pub(super) fn replace(
        &mut self,
        flag: &str,
        prerequisites: Vec<String>,
    ) -> Result<(), Violation> {
        self.asked_by.insert(flag.to_owned(), prerequisites);
        let mut seen = HashSet::new();
        let mut path = vec![flag.to_owned()];
        if self.leads_back(flag, flag, &mut seen, &mut path) {
            return Err(Violation::Cycle(path));
        }
        let mut costs = HashMap::new();
        for flag in self.with_dependents(flag) {
            let cost = self.cost(&flag, &mut costs);
            if cost.depth > MAX_PREREQUISITE_DEPTH {
                return Err(Violation::Depth { flag });
            }
            if cost.flags > MAX_FLAGS_PER_ANSWER {
                return Err(Violation::Flags { flag });
            }
        }
        Ok(())
    }

    /// Gives a flag other prerequisites, right or wrong; [`order`](Self::order) tells.
    pub(super) fn set(&mut self, flag: &str, prerequisites: Vec<String>) {
        self.asked_by.insert(flag.to_owned(), prerequisites);
    }

    /// All flags, each after those that it asks; or what is wrong with any of them. Does not recurse:
    /// a chain may be as long as there are flags.
    pub(super) fn order(&self) -> Result<Vec<String>, Violation> {
        let mut costs: HashMap<&str, Cost> = HashMap::new();
        let mut order: Vec<&str> = Vec::new();
        let mut roots: Vec<&str> = self.asked_by.keys().map(String::as_str).collect();
        roots.sort_unstable();
        for root in roots {
            // The flags on the way down, each with how many of its prerequisites were visited.
            let mut path = vec![(root, 0)];
            let mut on_path = HashSet::from([root]);
            if costs.contains_key(root) {
                continue;
            }
            while let Some((flag, visited)) = path.last_mut() {
                let flag = *flag;
                if let Some(next) = self.of(flag).get(*visited) {
                    *visited += 1;
                    if on_path.contains(&**next) {
                        let from = path.iter().position(|(flag, _)| flag == next);
                        let cycle = path.iter().skip(from.unwrap_or(0)).map(|(flag, _)| *flag);
                        let cycle = cycle.chain([&**next]).map(str::to_owned).collect();
                        return Err(Violation::Cycle(cycle));
                    }
                    if !costs.contains_key(&**next) {
                        on_path.insert(next);
                        path.push((next, 0));
                    }
                    continue;
                }
                let mut cost = Cost { depth: 0, flags: 1 };
                for prerequisite in self.of(flag) {
                    if let Some(below) = costs.get(&**prerequisite) {
                        cost.depth = cost.depth.max(below.depth + 1);
                        cost.flags = cost.flags.saturating_add(below.flags);
                    }
                }
                if cost.depth > MAX_PREREQUISITE_DEPTH {
                    return Err(Violation::Depth { flag: flag.to_owned() });
                }
                if cost.flags > MAX_FLAGS_PER_ANSWER {
                    return Err(Violation::Flags { flag: flag.to_owned() });
                }
                costs.insert(flag, cost);
                order.push(flag);
                on_path.remove(flag);
                path.pop();
            }
        }
        Ok(order.into_iter().map(str::to_owned).collect())
    }

    fn leads_back<'a>(
        &'a self,
        to: &str,
        from: &'a str,
        seen: &mut HashSet<&'a str>,
        path: &mut Vec<String>,
    ) -> bool {
        for next in self.of(from) {
            path.push(next.clone());
            if next == to || (seen.insert(next) && self.leads_back(to, next, seen, path)) {
                return true;
            }
            path.pop();
        }
        false
    }

    /// The flag and all that ask it, directly or not.
    fn with_dependents(&self, flag: &str) -> Vec<String> {
        let mut asking: HashMap<&str, Vec<&str>> = HashMap::new();
        for (flag, prerequisites) in &self.asked_by {
            for prerequisite in prerequisites {
                asking.entry(prerequisite).or_default().push(flag);
            }
        }
        let mut seen = HashSet::from([flag]);
        let mut found = vec![flag];
        let mut next = 0;
        while let Some(flag) = found.get(next).copied() {
            next += 1;
            for asking in asking.get(flag).into_iter().flatten() {
                if seen.insert(asking) {
                    found.push(asking);
                }
            }
        }
        found.into_iter().map(str::to_owned).collect()
    }

    fn cost<'a>(&'a self, flag: &'a str, known: &mut HashMap<String, Cost>) -> Cost {
        if let Some(cost) = known.get(flag) {
            return *cost;
        }
        let mut cost = Cost { depth: 0, flags: 1 };
        for prerequisite in self.of(flag) {
            let below = self.cost(prerequisite, known);
            cost.depth = cost.depth.max(below.depth + 1);
            cost.flags = cost.flags.saturating_add(below.flags);
        }
        known.insert(flag.to_owned(), cost);
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Prerequisites {
        Prerequisites::new(edges.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect())
    }

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn a_cycle_is_found_with_its_path() {
        let mut graph = graph(&[("b", "x"), ("b", "c"), ("c", "a"), ("a", "old")]);
        assert_eq!(
            graph.replace("a", keys(&["x", "b"])),
            Err(Violation::Cycle(keys(&["a", "b", "c", "a"])))
        );
        assert_eq!(graph.replace("a", keys(&["a"])), Err(Violation::Cycle(keys(&["a", "a"]))));
        assert_eq!(graph.replace("a", keys(&["x"])), Ok(()));
    }

    #[test]
    fn all_are_ordered_or_one_violation_is_told() {
        let edges = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")];
        assert_eq!(graph(&edges).order(), Ok(keys(&["d", "b", "c", "a"])));
        let mut cycle = graph(&[("a", "b"), ("b", "c"), ("x", "a")]);
        cycle.set("c", keys(&["b"]));
        assert_eq!(cycle.order(), Err(Violation::Cycle(keys(&["b", "c", "b"]))));
        cycle.set("c", Vec::new());
        assert_eq!(cycle.order(), Ok(keys(&["c", "b", "a", "x"])));
        // A chain as long as there are flags is no reason to run out of stack.
        let name = |i: u32| format!("f{i:06}");
        let long = Prerequisites::new((0..100_000).map(|i| (name(i), name(i + 1))).collect());
        let Err(Violation::Depth { flag }) = long.order() else { panic!() };
        assert_eq!(flag, name(100_000 - MAX_PREREQUISITE_DEPTH as u32 - 1));
        let mut round = long;
        round.set(&name(100_000), vec![name(0)]);
        assert!(matches!(round.order(), Err(Violation::Cycle(path)) if path.len() == 100_002));
        let double: Vec<_> = (0..9)
            .flat_map(|i| ["a", "b"].map(|c| (name(i), format!("{c}{i}"), name(i + 1))))
            .collect();
        let edges =
            double.into_iter().flat_map(|(top, side, next)| [(top, side.clone()), (side, next)]);
        assert!(matches!(
            Prerequisites::new(edges.collect()).order(),
            Err(Violation::Flags { .. } | Violation::Depth { .. })
        ));
    }

    #[test]
    fn depth_counts_from_the_topmost_flag() {
        let name = |i: usize| format!("f{i}");
        let edges = (1..MAX_PREREQUISITE_DEPTH).map(|i| (name(i), name(i + 1))).collect();
        let mut chain = Prerequisites::new(edges);
        // f1 → … → f16 has 15 below f1: one more at the end fits, a further one does not.
        assert_eq!(chain.replace(&name(16), keys(&["end"])), Ok(()));
        assert_eq!(
            chain.replace("end", keys(&["further"])),
            Err(Violation::Depth { flag: "f1".into() })
        );
    }

    #[test]
    fn flags_are_counted_each_time_they_are_asked() {
        // Each level asks the next one twice as often: 1 + 2 + 4 … + 128 = 255 flags fit.
        let mut edges = Vec::new();
        for level in 0..7 {
            for from in ["l", "r"] {
                for to in ["l", "r"] {
                    edges.push((format!("{from}{level}"), format!("{to}{}", level + 1)));
                }
            }
        }
        let mut graph = Prerequisites::new(edges);
        assert_eq!(graph.replace("one", keys(&["l0"])), Ok(()));
        assert_eq!(
            graph.replace("two", keys(&["one"])),
            Err(Violation::Flags { flag: "two".into() })
        );
    }
}
