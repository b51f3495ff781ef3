//! What the system says of this process. Where it does not say, nothing is shown.

/// This process, as the system sees it.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(super) resident_bytes: Option<u64>,
    /// Files and sockets that are open, and how many may be.
    pub(super) open_files: Option<u64>,
    pub(super) max_files: Option<u64>,
}

impl Process {
    /// Reads files: not for a thread that answers requests.
    pub(crate) fn read() -> Self {
        Self {
            resident_bytes: resident_bytes(),
            open_files: open_files(),
            max_files: rlimit::Resource::NOFILE.get_soft().ok(),
        }
    }
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> Option<u64> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(target_os = "linux")]
fn open_files() -> Option<u64> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

#[cfg(not(target_os = "linux"))]
fn resident_bytes() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_how_large_this_process_is() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 1024 * 1024);
        assert!((3..process.max_files.unwrap()).contains(&process.open_files.unwrap()));
    }
}
