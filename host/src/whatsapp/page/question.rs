//! A question to the bridge and its answer, whatever their subject.
//!
//! The bridge answers in one form, `{"ok": …}` or `{"error": {"kind": …}}`, which only this module
//! reads. The kinds are a closed set, the same as `CallFailure` in `bridge/types.d.ts`; a test
//! keeps the two equal.

use std::{
    fmt::{self, Debug},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::error::PageError;

/// A question to the bridge. The value itself, serialised, is the request.
pub(in crate::whatsapp) trait Question: Serialize + Sync {
    /// The name under which the bridge registers the question.
    const NAME: &'static str;
    /// The type of the answer.
    type Answer: DeserializeOwned;

    /// How long an answer may take.
    fn limit(&self) -> Limit {
        Limit::Usual
    }
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `[whatsapp] call_timeout`.
    Usual,
    /// The usual time and this much more, which the page needs in any case.
    After(Duration),
    /// Exactly this long.
    Exactly(Duration),
}

impl Limit {
    pub(in crate::whatsapp) fn with(self, usual: Duration) -> Duration {
        match self {
            Self::Usual => usual,
            Self::After(time) => usual.saturating_add(time),
            Self::Exactly(time) => time,
        }
    }
}

/// A question that is being asked. Its `Debug` form omits the request, which may contain a message.
pub struct Call {
    /// The name of the question.
    pub name: &'static str,
    /// The request.
    pub request: Value,
    /// How long to wait for the answer.
    pub limit: Limit,
}

impl Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The transport of questions to a page.
#[async_trait]
pub trait PageChannel: Send + Sync + Debug {
    /// Asks a question and returns the answer in the form in which the bridge gave it.
    async fn call(&self, call: Call) -> Result<Value, PageError>;
}

/// Asks a page and reads its answer.
pub(in crate::whatsapp) async fn ask<Q: Question, P: PageChannel + ?Sized>(
    page: &P,
    question: &Q,
) -> Result<Q::Answer, PageError> {
    let what = Q::NAME;
    let request = serde_json::to_value(question).map_err(|error| PageError::Refused {
        what,
        reason: format!("the request: {error}"),
    })?;
    let reply = page
        .call(Call {
            name: what,
            request,
            limit: question.limit(),
        })
        .await?;
    read(what, reply)
}

/// A reply of the bridge.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Ok(Value),
    Error(BridgeError),
}

/// Why the bridge has no answer. After `Failed` something may have been begun; after the other
/// kinds nothing was.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum BridgeError {
    /// The page has no bridge. It may just be loading.
    NoBridge,
    Booting,
    ContractBroken {
        missing: Vec<String>,
    },
    NoSuchChat,
    QuoteNotFound {
        reason: String,
    },
    RateLimited,
    NotAvailable,
    Refused {
        reason: String,
    },
    Failed {
        reason: String,
    },
}

/// The reply that is used for a page without a bridge.
pub(in crate::whatsapp) fn no_bridge() -> Value {
    json!({"error": {"kind": "no_bridge"}})
}

/// Reads a reply. A reply that cannot be read does not tell whether anything was begun.
fn read<T: DeserializeOwned>(what: &'static str, reply: Value) -> Result<T, PageError> {
    let unreadable = |error: serde_json::Error| PageError::Failed {
        what,
        reason: format!("an unreadable answer ({:?})", error.classify()),
    };
    match serde_json::from_value(reply).map_err(unreadable)? {
        Reply::Ok(answer) => serde_json::from_value(answer).map_err(unreadable),
        Reply::Error(error) => Err(match error {
            // An error page, or an operator's script that is broken, has begun nothing; but neither
            // can it be told from a page that is just being loaded.
            BridgeError::NoBridge => PageError::NoBridge { what },
            BridgeError::Booting => PageError::Booting { what },
            BridgeError::ContractBroken { missing } => PageError::ContractBroken { what, missing },
            BridgeError::NoSuchChat => PageError::NoSuchChat,
            BridgeError::QuoteNotFound { reason } => PageError::QuoteNotFound { reason },
            BridgeError::RateLimited => PageError::RateLimited { what },
            BridgeError::NotAvailable => PageError::NotAvailable { what },
            BridgeError::Refused { reason } => PageError::Refused { what, reason },
            BridgeError::Failed { reason } => PageError::Failed { what, reason },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind that the bridge may name exists here, with the fields that it is declared with.
    #[test]
    fn the_bridge_and_the_gateway_know_the_same_kinds_of_errors() {
        let types = include_str!("../bridge/types.d.ts");
        let declared = types
            .split("type CallFailure =")
            .nth(1)
            .and_then(|rest| rest.split("\n\n").next())
            .expect("declared");
        let mut kinds = vec![];
        for line in declared.lines().filter(|line| line.contains("kind:")) {
            let kind = line.split('"').nth(1).expect("a kind");
            let mut error = json!({"kind": kind});
            if line.contains("reason: string") {
                error["reason"] = json!("why");
            }
            if line.contains("missing: string[]") {
                error["missing"] = json!(["A.b"]);
            }
            assert!(
                serde_json::from_value::<BridgeError>(error).is_ok(),
                "{line}"
            );
            kinds.push(kind);
        }
        // No kind exists here alone.
        let error = serde_json::from_value::<BridgeError>(json!({"kind": ""}))
            .err()
            .expect("no kind")
            .to_string();
        let ours = error.matches('`').count() / 2 - 1;
        assert_eq!(
            kinds.len() + 1,
            ours,
            "{kinds:?} and no_bridge, which the page's stand-in says: {error}"
        );
    }

    #[test]
    fn an_answer_is_read_in_one_place() {
        let read = |reply: Value| super::read::<Option<u8>>("test", reply);
        assert_eq!(read(json!({"ok": 7})), Ok(Some(7)));
        assert_eq!(read(json!({"ok": null})), Ok(None));
        let what = "test";
        assert_eq!(
            read(json!({"error": {"kind": "refused", "reason": "no"}})),
            Err(PageError::Refused {
                what,
                reason: "no".into()
            })
        );
        assert_eq!(
            read(json!({"error": {"kind": "booting"}})),
            Err(PageError::Booting { what })
        );
        let missing = vec!["A.b".to_owned()];
        assert_eq!(
            read(json!({"error": {"kind": "contract_broken", "missing": ["A.b"]}})),
            Err(PageError::ContractBroken { what, missing })
        );
        assert_eq!(read(no_bridge()), Err(PageError::NoBridge { what }));
        assert_eq!(
            read(json!({"error": {"kind": "failed", "reason": "TypeError"}})),
            Err(PageError::Failed {
                what,
                reason: "TypeError".into()
            })
        );
        let odd = [
            json!(null),
            json!({}),
            json!({"ok": "x"}),
            json!({"refused": "no"}),
            json!({"error": {"kind": "of 2030"}}),
            json!({"error": {}}),
        ];
        for reply in odd {
            let answer = read(reply.clone());
            assert!(
                matches!(&answer, Err(PageError::Failed { reason, .. }) if reason.contains("unreadable")),
                "{reply}: {answer:?}"
            );
        }
    }

    #[test]
    fn a_limit_is_counted_from_the_usual_one() {
        let seconds = Duration::from_secs;
        assert_eq!(Limit::Usual.with(seconds(5)), seconds(5));
        assert_eq!(Limit::After(seconds(2)).with(seconds(5)), seconds(7));
        assert_eq!(Limit::Exactly(seconds(12)).with(seconds(5)), seconds(12));
    }
}
