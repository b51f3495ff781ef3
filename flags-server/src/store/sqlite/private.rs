//! Who may read the files: secrets' hashes and every key are in them.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// A file that is created so can be read by nobody else.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Gives a private file the owner and the mode of another one. Where this process may not give it
/// away, the file stays private; `false` then.
#[cfg(unix)]
pub(super) fn take_after(path: &Path, model: &Metadata) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt, fchown};

    let file = File::open(path)?;
    let is_owner = |of: &Metadata| (of.uid(), of.gid()) == (model.uid(), model.gid());
    if !is_owner(&file.metadata()?) && fchown(&file, Some(model.uid()), Some(model.gid())).is_err()
    {
        return Ok(false);
    }
    file.set_permissions(model.permissions())?;
    Ok(true)
}

#[cfg(not(unix))]
pub(super) fn take_after(_: &Path, _: &Metadata) -> io::Result<bool> {
    Ok(true)
}

/// What to do where a file belongs to another user than `model`, in one sentence.
#[cfg(unix)]
pub(super) fn advice(path: &Path, model: &Metadata) -> io::Result<Option<String>> {
    use std::os::unix::fs::MetadataExt;

    let (owner, user) = (path.metadata()?.uid(), model.uid());
    let sentence = || {
        let (path, group) = (path.display(), model.gid());
        format!(
            "{path} belongs to the user {owner} and nobody else can read it: unless the server \
             runs as that user, give it away with `chown {user}:{group} {path}`"
        )
    };
    Ok((owner != user).then(sentence))
}

#[cfg(not(unix))]
pub(super) fn advice(_: &Path, _: &Metadata) -> io::Result<Option<String>> {
    Ok(None)
}
