//! What handlers take out of a request, each kind in one place: parameters of the query, the
//! session, the action of the path, the body. What cannot be taken is refused in the API's words.

mod action;
mod body;
mod query;
mod session;

pub(super) use self::{
    action::{Action, Actions},
    body::{Body, JsonBody, Object, is_json},
    query::{NoParams, Params, time},
    session::{Client, ClientQuery, Session},
};
