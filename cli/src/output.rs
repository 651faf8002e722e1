//! A file that appears whole or not at all.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::{Mutex, Once, PoisonError},
};

use tempfile::NamedTempFile;

use crate::error::Error;

/// Written beside its place and moved there by [`finish`](Self::finish). Dropped before that, nothing is left.
pub struct WholeFile {
    file: NamedTempFile,
    /// Where it goes: behind a symbolic link, so that the link stays one.
    place: PathBuf,
    /// As the user wrote it.
    path: PathBuf,
}

impl WholeFile {
    /// Finds out now, before any work, whether `path` can be written.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let failed = |what: &str, error: io::Error| {
            Error::output(path, format!("{what}: {error}: change its permissions, or give another path"))
        };
        // Moving a file over /dev/null or a pipe would destroy it.
        let not_a_file =
            || Error::output(path, "it is not a regular file: give the path of a file to create or replace");
        let existing = match fs::metadata(path) {
            Ok(existing) if !existing.is_file() => return Err(not_a_file()),
            Ok(existing) => Some(existing.permissions()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("it cannot be written", error)),
        };
        let place = match &existing {
            Some(_) => {
                OpenOptions::new().write(true).open(path).map_err(|error| failed("it cannot be replaced", error))?;
                fs::canonicalize(path).map_err(|error| failed("it cannot be replaced", error))?
            }
            None if path.file_name().is_none() || path.to_string_lossy().ends_with(std::path::is_separator) => {
                return Err(not_a_file());
            }
            None => path.to_owned(),
        };
        let directory = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".wgpu-dropout-").suffix(".tmp");
        if let Some(permissions) = permissions_of_a_new_file() {
            builder.permissions(permissions);
        }
        remove_when_interrupted();
        let file = builder.tempfile_in(directory).map_err(|error| {
            // The kind alone: the whole error names the temporary file.
            let reason = error.kind();
            let remedy = "create the directory, or choose one that you may write to";
            Error::output(path, format!("no file can be created in '{}': {reason}: {remedy}", directory.display()))
        })?;
        temporary_files().push(file.path().to_owned());
        if let Some(permissions) = existing {
            file.as_file().set_permissions(permissions).map_err(|error| failed("it cannot be replaced", error))?;
        }
        Ok(Self { file, place, path: path.to_owned() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| Error::output(&self.path, format!("it cannot be written: {error}")))
    }

    /// Lets the file appear.
    pub fn finish(self) -> Result<(), Error> {
        match self.file.persist(&self.place) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::output(&self.path, format!("it cannot be replaced: {}", error.error))),
        }
    }
}

/// The temporary files of this process, finished ones included.
static TEMPORARY_FILES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn temporary_files() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    TEMPORARY_FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ctrl-C, and being asked to end, leave no temporary file: a process that is killed runs no destructors.
fn remove_when_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Where no handler can be installed, a file may stay behind; that is no reason not to work.
        let _ = ctrlc::set_handler(|| {
            for path in temporary_files().iter() {
                let _ = fs::remove_file(path);
            }
            // As a shell says it of a program that was interrupted.
            process::exit(130);
        });
    });
}

/// What the process's umask leaves of rw-rw-rw-, as for any new file; temporary files are private by default.
#[cfg(unix)]
fn permissions_of_a_new_file() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn permissions_of_a_new_file() -> Option<Permissions> {
    None
}
