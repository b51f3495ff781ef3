use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// A file that is there under its name only when it is whole, and that nobody else can read.
pub(super) struct NewFile {
    target: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    is_whole: bool,
}

impl NewFile {
    /// # Errors
    /// When there is such a file, or there can be none.
    pub(super) fn create(target: &Path) -> Result<Self, Error> {
        if target.exists() {
            return Err(Error::new(format!("{} is there already", target.display())));
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = target.with_file_name(name);
        let mut options = File::options();
        // What an interrupted one left there goes.
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&part)
            .map_err(|error| Error::new(format!("cannot write {}: {error}", part.display())))?;
        let file = BufWriter::new(file);
        Ok(Self { target: target.to_owned(), part, file, is_whole: false })
    }

    /// Gives it its name, and how many bytes it has.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.file.flush()?;
        let file = self.file.get_ref();
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        std::fs::rename(&self.part, &self.target)?;
        self.is_whole = true;
        Ok(bytes)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}
