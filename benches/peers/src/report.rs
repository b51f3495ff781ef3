//! The tables and the verdicts.

use crate::measure::Cost;
use crate::versions::version;
use crate::workload::Row;

/// A row has to be this many times faster than the fastest whole SDK,
const FASTER: f64 = 10.0;
/// or take at most this many times its floor.
const FLOORS: f64 = 1.5;
/// Two threads have to scale this well, compared with a bare SipHash loop.
const SCALING: f64 = 0.95;
/// Where two bare loops scale worse than this, the machine was busy and the row says nothing.
const BUSY: f64 = 1.7;

/// The figures of one row for one way of asking.
pub(crate) struct Line {
    /// The workload.
    pub(crate) row: Row,
    /// How flags was asked: "typed" or "text", or nothing.
    pub(crate) keys: &'static str,
    /// What it costs at least.
    pub(crate) floor: Cost,
    /// What it costs flags.
    pub(crate) ours: Cost,
    /// What it costs the others, in the order of the headings.
    pub(crate) peers: Vec<Option<Cost>>,
}

/// Prints the table of all rows, and names those that fall short.
pub(crate) fn rows(peers: &[&str], lines: &[Line]) {
    println!("ns per question (allocations)\n");
    println!(
        "| row | key | floor | flags | {} | fastest whole SDK | × faster | × floor | verdict |",
        peers.join(" | ")
    );
    println!("|---|---|---|---|{}---|---|---|---|", "---|".repeat(peers.len()));
    let mut short = Vec::new();
    for line in lines {
        let fastest = line
            .peers
            .iter()
            .zip(peers)
            .filter_map(|(cost, name)| Some(((*cost)?.nanoseconds, *name)))
            .min_by(|(a, _), (b, _)| a.total_cmp(b));
        let Some((fastest, name)) = fastest else { continue };
        let ours = line.ours.nanoseconds;
        let (faster, floors) = (fastest / ours, ours / line.floor.nanoseconds);
        let allowed = (fastest / FASTER).max(FLOORS * line.floor.nanoseconds);
        let verdict = if faster >= FASTER {
            "10 × met".to_owned()
        } else if floors <= FLOORS {
            "1.5 × floor met".to_owned()
        } else {
            short.push(format!(
                "{} ({}): {} ns, at most {} allowed",
                line.row,
                line.keys,
                figure(ours),
                figure(allowed)
            ));
            format!("falls short by {:.0} %", (ours / allowed - 1.0) * 100.0)
        };
        let others: Vec<String> =
            line.peers.iter().map(|cost| cost.map_or("n/a".to_owned(), cell)).collect();
        println!(
            "| {} | {} | {} | {} | {} | {name} {} | {faster:.1} | {floors:.2} | {verdict} |",
            line.row,
            line.keys,
            figure(line.floor.nanoseconds),
            cell(line.ours),
            others.join(" | "),
            figure(fastest),
        );
    }
    println!();
    if short.is_empty() {
        println!("No row falls short.");
    } else {
        println!("Rows that fall short ({} of {}):\n", short.len(), lines.len());
        for short in short {
            println!("- {short}");
        }
    }
}

/// Prints how two threads scale; the first name is the bare loop.
pub(crate) fn scaling(names: &[&str], factors: &[f64]) {
    let bare = factors.first().copied().unwrap_or(f64::NAN);
    println!("\nTwo threads against one, W2, at least {SCALING} × the bare loop for flags\n");
    println!("| who | × one thread | × the bare loop | verdict |\n|---|---|---|---|");
    for (name, factor) in names.iter().zip(factors) {
        let relative = factor / bare;
        let verdict = match name.starts_with("flags") {
            false => "",
            true if bare < BUSY || bare.is_nan() || factor.is_nan() => {
                "the machine is busy: measure again"
            }
            true if relative >= SCALING => "met",
            true => "falls short",
        };
        let [factor, relative] = [*factor, relative].map(|value| match value.is_nan() {
            true => "?".to_owned(),
            false => format!("{value:.2}"),
        });
        println!("| {name} | {factor} | {relative} | {verdict} |");
    }
}

/// Prints who took part.
pub(crate) fn versions() {
    let packages = [
        "eppo",
        "eppo_core",
        "unleash-api-client",
        "unleash-yggdrasil",
        "optimizely",
        "feature-probe-server-sdk",
        "launchdarkly-server-sdk",
        "launchdarkly-server-sdk-evaluation",
    ];
    let versions: Vec<String> =
        packages.iter().map(|package| format!("{package} {}", version(package))).collect();
    println!("\nVersions: {}.", versions.join(", "));
}

fn cell(cost: Cost) -> String {
    let allocations = match cost.allocations {
        0.0 => "0".to_owned(),
        count if count < 9.95 && count.fract() != 0.0 => format!("{count:.1}"),
        count => grouped(count),
    };
    format!("{} ({allocations})", figure(cost.nanoseconds))
}

fn figure(value: f64) -> String {
    if value < 99.95 { format!("{value:.1}") } else { grouped(value) }
}

/// A whole number with commas.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
