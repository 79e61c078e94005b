//! A module's part of the table of calls: each path with its method, its required permission and
//! its handler.
//!
//! A call cannot be added without stating the required permission. [`super::routes`] merges the
//! parts.

use std::collections::HashMap;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::Method,
    routing::{self, MethodRouter},
};

use super::{
    app::App,
    extract::Actions,
    method::takes_body,
    openapi::{Described, Operation, of},
};
use crate::config::{MAX_LARGE_BODY, Scope};

/// The most bytes of a request body, unless a call accepts large ones.
pub(super) const MAX_BODY: usize = 1 << 20;

/// The permission that a call requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// None: a probe of a container platform or a load balancer.
    Probe,
    /// None: the API reference. A browser that opens it sends no key, and it contains nothing but
    /// what is in the source code.
    Reference,
    /// The metrics: a key with the scope `admin` for all sessions, or none with `[api]
    /// open_metrics`.
    Metrics,
    /// The token in the path, and no API key.
    Token,
    /// A key with this scope, for the session that the call concerns.
    Of(Scope),
    /// A key with this scope for all sessions.
    All(Scope),
}

impl Need {
    /// The scope that a key must have, and whether it must have it for all sessions; none when no
    /// key is needed.
    pub(super) fn scope(self) -> Option<(Scope, bool)> {
        match self {
            Self::Probe | Self::Reference | Self::Token => None,
            Self::Metrics => Some((Scope::Admin, true)),
            Self::Of(scope) => Some((scope, false)),
            Self::All(scope) => Some((scope, true)),
        }
    }

    /// Whether the call is answered even when every connection is taken.
    pub(super) fn is_of_monitoring(self) -> bool {
        matches!(self, Self::Probe | Self::Metrics)
    }

    /// Whether people open it in a browser, possibly by a link on a page of another site.
    pub(super) fn is_for_people(self) -> bool {
        matches!(self, Self::Reference | Self::Token)
    }
}

/// One call of the API.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The path, with path parameters as `{…}`.
    pub(super) path: &'static str,
    pub(super) need: Need,
    /// The values of `{verb}` in the path; empty when the path does not have it.
    pub(super) verbs: Vec<&'static str>,
    /// The most bytes of its body.
    pub(super) max_body: usize,
    /// Its OpenAPI description: one, or one for each of `verbs`.
    pub(super) operations: Vec<Operation>,
}

impl Call {
    /// Without verbs, and with a small body.
    fn new(method: Method, path: &'static str, need: Need, operations: Vec<Operation>) -> Self {
        Self {
            method,
            path,
            need,
            verbs: vec![],
            max_body: MAX_BODY,
            operations,
        }
    }
}

/// Calls with their handlers.
#[derive(Debug, Default)]
pub(super) struct Routes {
    router: Router<App>,
    calls: Vec<Call>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn get<T: 'static, D>(
        self,
        path: &'static str,
        need: Need,
        handler: impl Handler<T, App> + Described<D>,
        operation: Operation,
    ) -> Self {
        let call = Call::new(Method::GET, path, need, vec![of(&handler, operation)]);
        self.add(call, routing::get(handler))
    }

    pub(super) fn post<T: 'static, D>(
        self,
        path: &'static str,
        need: Need,
        handler: impl Handler<T, App> + Described<D>,
        operation: Operation,
    ) -> Self {
        let call = Call::new(Method::POST, path, need, vec![of(&handler, operation)]);
        self.add(call, routing::post(handler))
    }

    pub(super) fn put<T: 'static, D>(
        self,
        path: &'static str,
        need: Need,
        handler: impl Handler<T, App> + Described<D>,
        operation: Operation,
    ) -> Self {
        let call = Call::new(Method::PUT, path, need, vec![of(&handler, operation)]);
        self.add(call, routing::put(handler))
    }

    /// A call that accepts a large body.
    pub(super) fn post_large<T: 'static, D>(
        self,
        path: &'static str,
        need: Need,
        handler: impl Handler<T, App> + Described<D>,
        operation: Operation,
    ) -> Self {
        let call = Call {
            max_body: MAX_LARGE_BODY,
            ..Call::new(Method::POST, path, need, vec![of(&handler, operation)])
        };
        self.add(call, routing::post(handler))
    }

    /// A path that ends in `{verb}`, one of the actions `A`. `operations` describe the actions in
    /// their order.
    pub(super) fn post_action<A: Actions, T: 'static, D>(
        self,
        path: &'static str,
        need: Need,
        handler: impl Handler<T, App> + Described<D>,
        operations: impl IntoIterator<Item = Operation>,
    ) -> Self {
        let operations = operations
            .into_iter()
            .map(|operation| of(&handler, operation))
            .collect();
        let call = Call {
            verbs: A::names().collect(),
            ..Call::new(Method::POST, path, need, operations)
        };
        self.add(call, routing::post(handler))
    }

    pub(super) fn delete<T: 'static, D>(
        self,
        path: &'static str,
        need: Need,
        handler: impl Handler<T, App> + Described<D>,
        operation: Operation,
    ) -> Self {
        let call = Call::new(Method::DELETE, path, need, vec![of(&handler, operation)]);
        self.add(call, routing::delete(handler))
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.calls.extend(other.calls);
        Self {
            router: self.router.merge(other.router),
            ..self
        }
    }

    fn add(mut self, call: Call, handler: MethodRouter<App>) -> Self {
        // Each layer is one more box to be cloned for every request, so calls without a body have
        // none.
        let handler = if takes_body(&call.method) {
            handler.layer(DefaultBodyLimit::max(call.max_body))
        } else {
            handler
        };
        let router = self.router.route(call.path, handler);
        self.calls.push(call);
        Self { router, ..self }
    }

    /// The router and its table of calls.
    pub(super) fn split(self) -> (Router<App>, Calls) {
        let mut by_path: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (place, call) in self.calls.iter().enumerate() {
            by_path.entry(call.path).or_default().push(place);
        }
        (
            self.router,
            Calls {
                all: self.calls,
                by_path,
            },
        )
    }
}

/// Every call of the API.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    all: Vec<Call>,
    by_path: HashMap<&'static str, Vec<usize>>,
}

impl Calls {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.all.iter()
    }

    /// The call of a method and a route; none when it does not exist. `HEAD` counts as `GET`.
    pub(super) fn find(&self, path: &str, method: &Method) -> Option<&Call> {
        let method = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let places = self.by_path.get(path)?.iter();
        places
            .filter_map(|place| self.all.get(*place))
            .find(|call| call.method == *method)
    }

    /// What a request to a route requires; none when there is no such route. A method that the
    /// route does not have is answered 405 to whoever may make the route's first call.
    pub(super) fn need(&self, path: &str, method: &Method) -> Option<Need> {
        let first = || self.all.get(*self.by_path.get(path)?.first()?);
        self.find(path, method).or_else(first).map(|call| call.need)
    }
}
