//! What is kept of tokens.

use flags_core::Timestamp;

use super::{EnvironmentId, Page, StoreResult};

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// The SDK protocol, for one environment.
    Sdk(EnvironmentId, Tenants),
    /// The admin API, for a person.
    Personal(Grant),
    /// The admin API, for a program.
    Service(Grant),
}

impl TokenKind {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sdk(..) => "sdk",
            Self::Personal(_) => "personal",
            Self::Service(_) => "service",
        }
    }

    /// What it may do in the admin API.
    pub(crate) const fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Sdk(..) => None,
            Self::Personal(grant) | Self::Service(grant) => Some(grant),
        }
    }
}

/// Whether an SDK gets the stored tenants with the definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tenants {
    #[default]
    All,
    None,
}

impl Tenants {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::None => "none",
        }
    }

    /// Whether objects of a kind are for such an SDK: the one place that says so.
    pub(crate) fn shows(self, kind: &str) -> bool {
        self == Self::All || kind != flags_core::TENANT_KIND
    }
}

/// What a token may do in the admin API, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) role: Role,
    pub(crate) reach: Reach,
}

impl Grant {
    /// Whether it is for everything, there being nobody above it.
    pub(crate) fn is_unlimited_admin(&self) -> bool {
        self.role == Role::Admin && self.reach == Reach::Everything
    }
}

/// What somebody may do; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Reads.
    Viewer,
    /// Changes flags, segments and all of an environment.
    Editor,
    /// Manages projects, environments and tokens.
    Admin,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Which projects and environments a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    Everything,
    Only(Vec<Place>),
}

/// A project, or one environment of it, by their keys, which stay what they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) project: String,
    pub(crate) environment: Option<String>,
}

impl Reach {
    /// Whether a place lies within it, as a whole.
    pub(crate) fn covers(&self, project: &str, environment: Option<&str>) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(places) => places.iter().any(|place| {
                let of = place.environment.as_deref();
                place.project == project && (of.is_none() || of == environment)
            }),
        }
    }

    /// Whether a project or a part of it lies within it.
    pub(crate) fn touches(&self, project: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(places) => places.iter().any(|place| place.project == project),
        }
    }

    /// Whether another reach lies within it. One of nothing belongs to those who reach everything.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::Only(_), Self::Everything) => false,
            (Self::Only(_), Self::Only(places)) => {
                let covered =
                    |place: &Place| self.covers(&place.project, place.environment.as_deref());
                !places.is_empty() && places.iter().all(covered)
            }
        }
    }
}

/// A token without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredToken {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: TokenKind,
    /// The current one, and those that it replaced and that work a while longer; the last to end
    /// first.
    pub(crate) secrets: Vec<StoredSecret>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
    /// At most a minute old while the server runs.
    pub(crate) last_used_at: Option<Timestamp>,
}

impl StoredToken {
    /// Whether it opens anything.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// What is known of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredSecret {
    /// SHA-256.
    pub(crate) hash: [u8; 32],
    /// When it ends before its token, because another one took its place.
    pub(crate) ends_at: Option<Timestamp>,
}

/// Tokens, revoked ones included.
pub(crate) trait TokenRegister {
    /// Tokens sorted by id, revoked ones included.
    fn tokens(&self, page: &Page) -> StoreResult<Vec<StoredToken>>;

    fn token(&self, id: &str) -> StoreResult<Option<StoredToken>>;

    /// How many tokens [are live](StoredToken::is_live).
    fn live_tokens(&self, now: Timestamp) -> StoreResult<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(places: &[(&str, Option<&str>)]) -> Reach {
        let place = |(project, environment): &(&str, Option<&str>)| Place {
            project: (*project).into(),
            environment: environment.map(str::to_owned),
        };
        Reach::Only(places.iter().map(place).collect())
    }

    #[test]
    fn a_project_has_its_environments_and_an_environment_not_its_project() {
        let project = only(&[("p", None)]);
        let environment = only(&[("p", Some("e")), ("q", Some("e"))]);
        assert!(project.covers("p", None) && project.covers("p", Some("x")));
        assert!(!project.covers("q", None) && !project.touches("q"));
        assert!(environment.covers("p", Some("e")) && environment.touches("q"));
        assert!(!environment.covers("p", None) && !environment.covers("p", Some("x")));
        assert!(!only(&[]).touches("p") && !only(&[]).covers("p", None));
        assert!(Reach::Everything.covers("p", None) && Reach::Everything.touches("p"));
    }

    #[test]
    fn a_reach_contains_what_is_not_more_than_it() {
        let (project, environment) = (only(&[("p", None)]), only(&[("p", Some("e"))]));
        assert!(project.contains(&environment) && !environment.contains(&project));
        assert!(project.contains(&project) && environment.contains(&environment));
        assert!(!project.contains(&only(&[("p", None), ("q", Some("e"))])));
        assert!(!project.contains(&only(&[])) && Reach::Everything.contains(&only(&[])));
        assert!(Reach::Everything.contains(&Reach::Everything));
        assert!(Reach::Everything.contains(&project) && !project.contains(&Reach::Everything));
    }

    #[test]
    fn roles_include_those_before_them() {
        assert!(Role::Viewer < Role::Editor && Role::Editor < Role::Admin);
        assert!(Role::ALL.iter().all(|role| Role::named(role.name()) == Some(*role)));
        assert_eq!(Role::named("root"), None);
    }
}
