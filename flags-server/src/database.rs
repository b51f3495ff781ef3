use std::path::Path;
use std::sync::Arc;

use crate::access::generate_secret;
use crate::config::Bootstrap;
use crate::error::Error;
use crate::limits::MIN_TOKEN_CHARS;
use crate::service::now;
use crate::service::token::new_token;
use crate::store::sqlite::SqliteStore;
use crate::store::{Damage, Grant, Page, Reach, Role, Store, StoreError, Tenants, TokenKind};

const FIRST_PROJECT: (&str, &str) = ("default", "Default");
const FIRST_ENVIRONMENTS: [(&str, &str); 2] =
    [("production", "Production"), ("development", "Development")];

/// A database that is open, and held by this process alone.
pub struct Database {
    pub(crate) store: Arc<dyn Store>,
}

/// The secrets that were made up for a new database. They are told here and nowhere else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FirstTokens {
    /// Of the admin token; `None` where [`Bootstrap`] named it, or the database existed.
    pub admin_token: Option<String>,
    /// Of the SDK token for `default`/`production`; `None` in the same cases.
    pub sdk_token: Option<String>,
}

impl Database {
    /// Opens a database file and migrates it. One that does not exist is created, with the project
    /// `default`, its environments `production` and `development`, and two tokens.
    ///
    /// # Errors
    /// When another process has it open, when it is not a database or one of a later version, and
    /// when a token of `bootstrap` that is needed is too short.
    pub fn open(path: &Path, bootstrap: &Bootstrap) -> Result<(Self, FirstTokens), Error> {
        if !path.exists() {
            // Before anything is created: a start that is refused leaves nothing behind.
            check(bootstrap)?;
        }
        let store = SqliteStore::open(path, now()).map_err(|error| cannot_open(path, &error))?;
        for Damage { place, message } in damage_after_upgrade(&store)? {
            // It serves all the same: nobody is helped by a server that does not start.
            tracing::error!(place, message, "the database was upgraded, and is not in order");
        }
        let is_new = store.view()?.projects(&Page { limit: 1, ..Page::ALL })?.is_empty();
        let first = if is_new {
            check(bootstrap)?;
            fill(&store, bootstrap)?
        } else {
            FirstTokens::default()
        };
        Ok((Self { store: Arc::new(store) }, first))
    }
}

fn cannot_open(path: &Path, error: &StoreError) -> Error {
    Error::new(format!("cannot open {}: {}", path.display(), error.cause()))
}

/// Opens a database file that is there, and migrates it.
pub(crate) fn open_existing(path: &Path) -> Result<SqliteStore, Error> {
    if !path.exists() {
        return Err(Error::new(format!("cannot open {}: there is no such file", path.display())));
    }
    SqliteStore::open(path, now()).map_err(|error| cannot_open(path, &error))
}

/// What is wrong with a database that was just brought from an earlier version: the queries that
/// verify what migrations filled in. Nothing where it was of this version already, or is new.
pub(crate) fn damage_after_upgrade(store: &SqliteStore) -> Result<Vec<Damage>, Error> {
    let (from, to) = store.versions();
    if from == 0 || from == to { Ok(Vec::new()) } else { Ok(store.view()?.damage()?) }
}

/// Looks at a database file that a server may have open, and writes nothing.
pub(crate) fn attach(path: &Path) -> Result<SqliteStore, Error> {
    SqliteStore::attach(path).map_err(|error| cannot_open(path, &error))
}

fn check(bootstrap: &Bootstrap) -> Result<(), Error> {
    let named = [
        ("FLAGS_BOOTSTRAP_ADMIN_TOKEN", &bootstrap.admin_token),
        ("FLAGS_BOOTSTRAP_SDK_TOKEN", &bootstrap.sdk_token),
    ];
    for (name, token) in named {
        let Some(token) = token else { continue };
        if token.chars().count() < MIN_TOKEN_CHARS {
            return Err(Error::new(format!(
                "{name} is too short: a token has at least {MIN_TOKEN_CHARS} characters"
            )));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(format!(
                "{name} has characters that cannot stand in a header: use visible ASCII"
            )));
        }
    }
    if bootstrap.admin_token.is_some() && bootstrap.admin_token == bootstrap.sdk_token {
        return Err(Error::new(
            "FLAGS_BOOTSTRAP_ADMIN_TOKEN and FLAGS_BOOTSTRAP_SDK_TOKEN are the same",
        ));
    }
    Ok(())
}

/// What a new database begins with, in one transaction.
fn fill(store: &SqliteStore, bootstrap: &Bootstrap) -> Result<FirstTokens, Error> {
    let now = now();
    let mut first = FirstTokens::default();
    // Only for this: the writer thread is given the writer later.
    store.write_first(|tx| {
        let (key, name) = FIRST_PROJECT;
        let project = tx.insert_project(key, name, now)?;
        let mut environments = Vec::new();
        for (key, name) in FIRST_ENVIRONMENTS {
            environments.push(tx.insert_environment(project, key, name, now)?);
        }
        let admin = TokenKind::Service(Grant { role: Role::Admin, reach: Reach::Everything });
        let sdk = environments.first().map(|id| TokenKind::Sdk(*id, Tenants::All));
        let tokens = [
            (Some(admin), &bootstrap.admin_token, &mut first.admin_token),
            (sdk, &bootstrap.sdk_token, &mut first.sdk_token),
        ];
        for (kind, named, made_up) in tokens {
            let Some(kind) = kind else { continue };
            let secret = match named {
                Some(secret) => secret.clone(),
                None => {
                    let secret = generate_secret(&kind).map_err(crate::store::StoreError::new)?;
                    made_up.insert(secret).clone()
                }
            };
            tx.insert_token(&new_token("first", kind, &secret, now))?;
        }
        Ok(())
    })?;
    Ok(first)
}
