//! Which versions take part, from the lock file that they were built by.

/// The version of a package in `Cargo.lock`.
pub(crate) fn version(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"\nversion = \"");
    let found = lock.split_once(&name).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or("?", |(version, _)| version)
}
