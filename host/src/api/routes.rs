//! The table of all calls, merged from the modules' parts.
//!
//! `docs/api.md` shows the same table with the permission that each call requires; a test compares
//! them.

use super::{helper, probes, reference, route::Routes, seed, v1};

/// Every call of the API.
pub(super) fn all() -> Routes {
    Routes::new()
        .merge(seed::routes())
        .merge(v1::routes())
        .merge(helper::routes())
        .merge(probes::routes())
        .merge(reference::routes())
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::{
        super::route::Need::{self, *},
        *,
    };
    use crate::config::Scope::{Admin, Control, Read};

    #[test]
    fn the_documentation_shows_every_call_with_what_it_needs() {
        let words = |need: Need| match need {
            Token => "the token".to_owned(),
            _ => match need.scope() {
                None => "none".to_owned(),
                Some((scope, false)) => format!("`{}`", scope.as_str()),
                Some((scope, true)) => format!("`{}`, all sessions", scope.as_str()),
            },
        };
        let (_, calls) = all().split();
        let mut calls: Vec<String> = calls
            .iter()
            .map(|call| format!("| `{} {}` | {} |", call.method, call.path, words(call.need)))
            .collect();
        calls.sort_by_key(|line| line.replace(['{', '}'], "~"));
        let page = include_str!("../../../docs/api.md");
        let shown: Vec<&str> = page
            .lines()
            .filter(|line| {
                ["| `GET /", "| `POST /", "| `PUT /", "| `DELETE /"]
                    .iter()
                    .any(|sign| line.starts_with(sign))
            })
            .collect();
        let missing: Vec<&String> = calls
            .iter()
            .filter(|call| !shown.contains(&call.as_str()))
            .collect();
        let gone: Vec<&&str> = shown
            .iter()
            .filter(|line| !calls.iter().any(|call| call == **line))
            .collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "docs/api.md, \"What a key may do\", lacks\n{missing:#?}\nand has what is not so:\n{gone:#?}"
        );
    }

    #[test]
    fn what_links_needs_control_and_what_destroys_needs_admin() {
        let (_, calls) = all().split();
        for call in calls.iter() {
            let (method, path, need) = (&call.method, call.path, call.need);
            let links = ["qr", "pairing-code", "passkey"]
                .iter()
                .any(|word| path.contains(word))
                && need != Token;
            assert!(!links || need == Of(Control), "{method} {path}");
            let destroys = *method == Method::DELETE && !links;
            assert!(
                !destroys || matches!(need, Of(Admin) | All(Admin)),
                "{method} {path}"
            );
            assert!(
                *method == Method::GET
                    || !matches!(need, Probe | Reference | Metrics | Of(Read) | All(Read)),
                "{method} {path} changes something"
            );
        }
        assert_eq!(
            calls
                .find("/v1/messages", &Method::HEAD)
                .map(|call| call.need),
            Some(Of(Read))
        );
        assert!(calls.find("/v1/messages", &Method::PUT).is_none());
    }

    #[test]
    fn a_path_with_actions_names_them_and_no_other_does() {
        let (_, calls) = all().split();
        for call in calls.iter() {
            assert_eq!(
                call.path.ends_with("/{verb}"),
                !call.verbs.is_empty(),
                "{}",
                call.path
            );
        }
    }
}
