//! Routes, who may use them and what they answer, declared together: the router, the check of access
//! and the document of the API are made of the same declarations, so that none can have what another
//! has not.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};

use super::openapi::{Answer, Arguments, Operation};
use super::problem::Problem;
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

/// A method of a route, of which is still to be said what it answers.
#[must_use]
pub(super) struct Handled {
    pub(super) method: Method,
    pub(super) needs: Needs,
    /// Says what the handler takes.
    pub(super) takes: fn(&mut Operation<'_>),
    router: MethodRouter<Arc<Service>>,
}

/// A method of a route.
pub(super) struct Allowed {
    pub(super) handled: Handled,
    pub(super) answer: Answer,
}

impl Handled {
    pub(super) fn answers(self, answer: Answer) -> Allowed {
        Allowed { handled: self, answer }
    }
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => {$(
        pub(super) fn $name<H, T>(needs: Needs, handler: H) -> Handled
        where
            H: Handler<T, Arc<Service>>,
            T: Arguments + 'static,
        {
            let router = routing::$name(handler);
            Handled { method: Method::$method, needs, takes: T::describe, router }
        }
    )*};
}

methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE);

/// Routes on their way to becoming a router.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) router: Router<Arc<Service>>,
    pub(super) declared: Declared,
    /// In the order of their declaration.
    pub(super) list: Vec<Route>,
    /// What they are about, in one word and in more.
    pub(super) tags: Vec<(&'static str, &'static str)>,
}

/// One method of a route, for the document.
pub(super) struct Route {
    pub(super) path: String,
    pub(super) tag: &'static str,
    pub(super) method: Method,
    pub(super) needs: Needs,
    pub(super) takes: fn(&mut Operation<'_>),
    pub(super) answer: Answer,
}

/// What each route needs, by its path and method.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    by_path: HashMap<String, Vec<(Method, Needs)>>,
}

impl Routes {
    /// With more of them, which are about one thing.
    pub(super) fn about(
        mut self,
        tag: &'static str,
        description: &'static str,
        more: impl FnOnce(Self) -> Self,
    ) -> Self {
        self.tags.push((tag, description));
        more(self)
    }

    pub(super) fn route<const N: usize>(mut self, path: &str, methods: [Allowed; N]) -> Self {
        let mut router = MethodRouter::new();
        let declared = self.declared.by_path.entry(path.to_owned()).or_default();
        let tag = self.tags.last().map_or("", |(tag, _)| tag);
        for Allowed { handled, answer } in methods {
            let Handled { method, needs, takes, router: of_method } = handled;
            declared.push((method.clone(), needs));
            router = router.merge(of_method);
            self.list.push(Route { path: path.to_owned(), tag, method, needs, takes, answer });
        }
        let allowed = allowed(declared.iter().map(|(method, _)| method));
        let router = router.fallback(async move || Problem::method_not_allowed(&allowed));
        self.router = self.router.route(path, router);
        self
    }
}

/// The methods of a route, in words; a `GET` answers `HEAD`, too.
fn allowed<'m>(methods: impl Iterator<Item = &'m Method>) -> String {
    let names = methods.flat_map(|method| match *method {
        Method::GET => vec!["GET", "HEAD"],
        _ => vec![method.as_str()],
    });
    names.collect::<Vec<_>>().join(", ")
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
