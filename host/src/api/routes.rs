//! Every path with what a key must be allowed to call it: one table, from which the router is made.
//!
//! A path cannot be added without saying who may call it. `docs/api.md` shows the same table; a test compares them.

use std::collections::HashMap;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::Method,
    routing::{self, MethodRouter},
};

use super::{
    App, helper,
    paths::Paths,
    probes, seed,
    v1::{bulk, deliveries, held, linking, messages, passkey, send, sending, sessions},
};
use crate::config::{MAX_LARGE_BODY, Scope};

/// What a caller needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: probes of a platform.
    Nothing,
    /// The token in the path.
    Token,
    /// A key of that scope, and of the session it is about.
    Of(Scope),
    /// A key of that scope, and of all sessions.
    All(Scope),
}

use self::Need::{All, Nothing, Of, Token};
use crate::config::Scope::{Admin, Control, Read, Send};

/// What each path needs, by its methods.
pub(super) type Needs = HashMap<&'static str, Vec<(Method, Need)>>;

/// What is needed for a method of a path; none: there is no such call. `HEAD` is `GET` without the body.
pub(super) fn need(needs: &Needs, path: &str, method: &Method) -> Option<Need> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    needs.get(path)?.iter().find(|(of, _)| of == method).map(|(_, need)| *need)
}

/// Bytes that the body of a call may have.
pub(super) fn most(path: &str) -> usize {
    if path == BULK { MAX_LARGE_BODY } else { super::MAX_BODY }
}

const BULK: &str = "/v1/bulk";

/// The router while it is made.
struct Table {
    router: Router<App>,
    needs: Needs,
    paths: Paths,
}

impl Table {
    fn add(mut self, method: Method, path: &'static str, need: Need, handler: MethodRouter<App>) -> Self {
        self.needs.entry(path).or_default().push((method, need));
        self.paths.add(path);
        Self { router: self.router.route(path, handler), ..self }
    }

    /// A path whose last part, `{verb}`, is one of `verbs`; the handler refuses others.
    fn verbs<T: 'static>(self, path: &'static str, need: Need, verbs: &[&str], handler: impl Handler<T, App>) -> Self {
        let mut table = self.post(path, need, handler);
        table.paths.verbs(path, verbs);
        table
    }

    fn get<T: 'static>(self, path: &'static str, need: Need, handler: impl Handler<T, App>) -> Self {
        self.add(Method::GET, path, need, routing::get(handler))
    }

    fn post<T: 'static>(self, path: &'static str, need: Need, handler: impl Handler<T, App>) -> Self {
        let limit = DefaultBodyLimit::max(most(path));
        self.add(Method::POST, path, need, routing::post(handler).layer(limit))
    }

    fn delete<T: 'static>(self, path: &'static str, need: Need, handler: impl Handler<T, App>) -> Self {
        self.add(Method::DELETE, path, need, routing::delete(handler))
    }
}

/// All routes, what each needs, and their paths.
pub(super) fn all() -> (Router<App>, Needs, Paths) {
    let seed = Table { router: Router::new(), needs: Needs::new(), paths: Paths::default() }
        .get("/health", Nothing, seed::status::server_health)
        .get("/api/whatsapp/status", Of(Read), seed::status::status)
        .get("/api/whatsapp/qr", Of(Control), seed::qr::qr)
        .post("/api/whatsapp/send", Of(Send), seed::send::send)
        .get("/api/whatsapp/health", Of(Read), seed::status::health)
        .get("/api/whatsapp/session-info", Of(Read), seed::status::session_info)
        .post("/api/whatsapp/pairing-code", Of(Control), seed::linking::code)
        .delete("/api/whatsapp/pairing-code", Of(Control), seed::linking::cancel)
        .post("/api/whatsapp/reconnect", Of(Control), seed::maintenance::reconnect)
        .post("/api/whatsapp/cleanup-sessions", All(Admin), seed::maintenance::cleanup);
    let sessions = seed
        .get("/v1/sessions", Of(Read), sessions::list)
        .post("/v1/sessions", Of(Control), sessions::create)
        .get("/v1/sessions/{id}", Of(Read), sessions::get)
        .delete("/v1/sessions/{id}", Of(Admin), sessions::delete)
        .get("/v1/sessions/{id}/qr", Of(Control), sessions::qr)
        .post("/v1/sessions/{id}/pairing-code", Of(Control), linking::code)
        .delete("/v1/sessions/{id}/pairing-code", Of(Control), linking::cancel)
        .get("/v1/sessions/{id}/passkey", Of(Control), passkey::get)
        .post("/v1/sessions/{id}/passkey", Of(Control), passkey::answer)
        .delete("/v1/sessions/{id}/passkey", Of(Control), passkey::cancel)
        .post("/v1/sessions/{id}/passkey/confirm", Of(Control), passkey::confirm)
        .verbs("/v1/sessions/{id}/{verb}", Of(Control), &sessions::VERBS, sessions::control)
        .post("/v1/sessions/{id}/messages", Of(Send), send::send)
        .get("/v1/sessions/{id}/sending", Of(Read), sending::sending)
        .verbs("/v1/sessions/{id}/sending/{verb}", Of(Control), &sending::VERBS, sending::pause)
        .get("/v1/sessions/{id}/held", Of(Read), held::get)
        .verbs("/v1/sessions/{id}/held/{verb}", Of(Control), &held::VERBS, held::change);
    let messages = sessions
        .post(BULK, Of(Send), bulk::create)
        .get("/v1/bulk/{id}", Of(Read), bulk::get)
        .get("/v1/bulk/{id}/recipients", Of(Read), bulk::recipients)
        .post("/v1/bulk/{id}/cancel", Of(Send), bulk::cancel)
        .get("/v1/messages", Of(Read), messages::list)
        .delete("/v1/messages", Of(Admin), messages::purge)
        .get("/v1/messages/{id}", Of(Read), messages::get)
        .post("/v1/messages/{id}/cancel", Of(Send), messages::cancel)
        .post("/v1/messages/{id}/retry", Of(Send), messages::retry);
    let Table { router, needs, paths } = messages
        .get("/v1/deliveries", Of(Read), deliveries::list)
        .delete("/v1/deliveries", All(Admin), deliveries::purge_all)
        .get("/v1/deliveries/receivers", All(Read), deliveries::receivers)
        .post("/v1/deliveries/retry", All(Control), deliveries::retry_all)
        .get("/v1/deliveries/{id}", Of(Read), deliveries::get)
        .delete("/v1/deliveries/{id}", Of(Admin), deliveries::purge)
        .post("/v1/deliveries/{id}/retry", Of(Control), deliveries::retry)
        .get("/passkey/{token}", Token, helper::page)
        .post("/passkey/{token}", Token, helper::answer)
        .post("/passkey/{token}/confirm", Token, helper::confirm)
        .get("/livez", Nothing, probes::live)
        .get("/readyz", Nothing, probes::ready)
        .get("/metrics", All(Admin), probes::metrics);
    (router, needs, paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_every_call_with_what_it_needs() {
        let words = |need: Need| match need {
            Nothing => "none".to_owned(),
            Token => "the token".to_owned(),
            Of(scope) => format!("`{}`", scope.as_str()),
            All(scope) => format!("`{}`, all sessions", scope.as_str()),
        };
        let (_, needs, _) = all();
        let mut calls: Vec<String> = needs
            .iter()
            .flat_map(|(path, methods)| methods.iter().map(move |(method, need)| format!("| `{method} {path}` | {} |", words(*need))))
            .collect();
        calls.sort_by_key(|line| line.replace(['{', '}'], "~"));
        let page = include_str!("../../../docs/api.md");
        let shown: Vec<&str> =
            page.lines().filter(|line| ["| `GET /", "| `POST /", "| `DELETE /"].iter().any(|sign| line.starts_with(sign))).collect();
        let missing: Vec<&String> = calls.iter().filter(|call| !shown.contains(&call.as_str())).collect();
        let gone: Vec<&&str> = shown.iter().filter(|line| !calls.iter().any(|call| call == **line)).collect();
        assert!(missing.is_empty() && gone.is_empty(), "docs/api.md, \"What a key may do\", lacks\n{missing:#?}\nand has what is not so:\n{gone:#?}");
    }

    #[test]
    fn what_links_needs_control_and_what_destroys_needs_admin() {
        let (_, needs, _) = all();
        for (path, methods) in &needs {
            for (method, need) in methods {
                let links = ["qr", "pairing-code", "passkey"].iter().any(|word| path.contains(word)) && *need != Token;
                assert!(!links || *need == Of(Control), "{method} {path}");
                let destroys = *method == Method::DELETE && !links;
                assert!(!destroys || matches!(need, Of(Admin) | All(Admin)), "{method} {path}");
                assert!(*method == Method::GET || !matches!(need, Nothing | Of(Read) | All(Read)), "{method} {path} changes something");
            }
        }
        assert_eq!(need(&needs, "/v1/messages", &Method::HEAD), Some(Of(Read)));
        assert_eq!(need(&needs, "/v1/messages", &Method::PUT), None);
    }
}
