//! Routes and who may use them, declared together: the router and the check of access are made of
//! the same declarations, so that neither can have what the other has not.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};

use crate::service::Service;
use crate::store::Role;

/// What a request needs to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// No token.
    Nothing,
    /// An SDK token; its environment is the one that is meant.
    Sdk,
    /// A personal or service token with a role, or a higher one, within its reach.
    Role(Role, Within),
}

/// What has to lie within the reach of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Everything there is.
    Everything,
    /// Whatever: the route itself shows and takes only what lies within the reach.
    Anything,
    /// All of the project `{p}`.
    Project,
    /// The project `{p}`, or a part of it.
    PartOfProject,
    /// The environment `{e}` of the project `{p}`.
    Environment,
}

impl Needs {
    pub(super) const fn viewer(within: Within) -> Self {
        Self::Role(Role::Viewer, within)
    }

    pub(super) const fn editor(within: Within) -> Self {
        Self::Role(Role::Editor, within)
    }

    pub(super) const fn admin(within: Within) -> Self {
        Self::Role(Role::Admin, within)
    }

    /// What a method needs that the route does not have: to be told so, one must see the route.
    fn to_see(self) -> Self {
        match self {
            Self::Role(_, within) => Self::viewer(within),
            other => other,
        }
    }
}

/// A method of a route.
pub(super) struct Allowed {
    method: Method,
    needs: Needs,
    router: MethodRouter<Arc<Service>>,
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => {$(
        pub(super) fn $name<H, T>(needs: Needs, handler: H) -> Allowed
        where
            H: Handler<T, Arc<Service>>,
            T: 'static,
        {
            Allowed { method: Method::$method, needs, router: routing::$name(handler) }
        }
    )*};
}

methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE);

/// Routes on their way to becoming a router.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) router: Router<Arc<Service>>,
    pub(super) declared: Declared,
}

/// What each route needs, by its path and method.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    by_path: HashMap<String, Vec<(Method, Needs)>>,
}

impl Routes {
    /// With more of them.
    pub(super) fn and(self, more: impl FnOnce(Self) -> Self) -> Self {
        more(self)
    }

    pub(super) fn route<const N: usize>(mut self, path: &str, methods: [Allowed; N]) -> Self {
        let mut router = MethodRouter::new();
        let declared = self.declared.by_path.entry(path.to_owned()).or_default();
        for allowed in methods {
            declared.push((allowed.method, allowed.needs));
            router = router.merge(allowed.router);
        }
        self.router = self.router.route(path, router);
        self
    }
}

impl Declared {
    /// What a request needs to a path as it was declared; `None` where nothing was.
    pub(super) fn needs(&self, path: &str, method: &Method) -> Option<Needs> {
        let methods = self.by_path.get(path)?;
        // A `GET` answers `HEAD`, too.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let declared = methods.iter().find(|(declared, _)| declared == method);
        let needs = declared.map(|(_, needs)| *needs);
        needs.or_else(|| methods.first().map(|(_, needs)| needs.to_see()))
    }

    /// Everything that was declared.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(&str, &Method, Needs)> {
        let mut all = Vec::new();
        for (path, methods) in &self.by_path {
            all.extend(methods.iter().map(|(method, needs)| (&**path, method, *needs)));
        }
        all
    }
}
