//! Extractors of the API: query parameters, the session, the action of the path, the body. Their
//! rejections are API errors.

mod action;
mod body;
mod plugin;
mod query;
mod session;

pub(super) use self::{
    action::{Action, Actions},
    body::{Body, JsonBody, Object, is_json},
    plugin::PluginName,
    query::{NoParams, Params, time},
    session::{Client, ClientQuery, Session},
};
