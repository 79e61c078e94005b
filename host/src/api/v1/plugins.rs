//! `/v1/plugins`: the plugins of the gateway, and reloads while it runs.
//! `/v1/sessions/{id}/plugins`: which of them serve a session.

use std::sync::Arc;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        error::{ApiError, Code},
        extract::{NoParams, Object, PluginName, Session},
        openapi::{Operation, STORE},
        route::{
            Need::{All, Of},
            Routes,
        },
        time::Time,
    },
    config::Scope::{Admin, Read},
    model::ClientId,
    plugins::{Because, PluginState, PluginStatus, Serving, Version},
    services::Plugins,
};

/// Describes the name in a path.
const NAME: (&str, &str) = (
    "name",
    "The name of a plugin, as in its `[[plugin]]` entry.",
);

pub(super) fn routes() -> Routes {
    let of_session = |id, summary| {
        Operation::new(id, summary)
            .part(NAME.0, NAME.1)
            .refuses(&[Code::UnknownClient, Code::UnknownPlugin])
            .refuses(STORE)
    };
    Routes::new()
        .get(
            "/v1/plugins",
            All(Admin),
            list,
            Operation::new("listPlugins", "Every plugin with its state")
                .more("In the order of the `[[plugin]]` entries; then the files of the plugin folder that no entry names."),
        )
        .post(
            "/v1/plugins/{name}/reload",
            All(Admin),
            reload,
            Operation::new("reloadPlugin", "Loads a plugin anew from its file and its entry")
                .more("The configuration file is read again, and the plugin's entry is applied whole; nothing else of the file is. A plugin whose entry is new is added, and one whose entry is gone or disabled is removed. Calls of the plugin that have begun are finished by the version that they began with. If the new version cannot be used, nothing changes. A reload ends a quarantine.")
                .part(NAME.0, NAME.1)
                .refuses(&[Code::UnknownPlugin, Code::PluginRefused, Code::ConfigurationInvalid]),
        )
        .get(
            "/v1/sessions/{id}/plugins",
            Of(Read),
            of_one,
            Operation::new("listSessionPlugins", "Which plugins serve a session, and why")
                .refuses(&[Code::UnknownClient]),
        )
        .put(
            "/v1/sessions/{id}/plugins/{name}",
            Of(Admin),
            switch,
            of_session("switchSessionPlugin", "Switches a plugin on or off for a session")
                .more("This decides in place of `sessions` of the plugin's entry, from the next call on, and stays over restarts and reloads until it is taken back or the session is deleted. Deliveries of events that happened before are still made."),
        )
        .delete(
            "/v1/sessions/{id}/plugins/{name}",
            Of(Admin),
            switch_back,
            of_session("unswitchSessionPlugin", "Lets the entry of a plugin decide again whether it serves a session"),
        )
}

/// A plugin, or a file of the plugin folder.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Plugin {
    /// The name of its entry; of a file without one, the name of the file.
    name: String,
    /// Whether it works.
    state: Condition,
    /// The version that it gives itself; null unless it is loaded.
    version: Option<String>,
    /// The description that it gives itself; null unless it is loaded.
    description: Option<String>,
    /// The path of its file.
    file: String,
    /// SHA-256 of the component that runs, in hex; null unless it is loaded.
    component: Option<String>,
    /// The line of the contract that it was built for, e.g. `0.2`; null unless it is loaded.
    line: Option<&'static str>,
    /// The extension points that it exports.
    points: Vec<&'static str>,
    /// When it was loaded.
    loaded_at: Option<Time>,
    /// Why it could not be loaded, while its state is `failed`.
    reason: Option<String>,
    /// The last reload, if it was refused; what was loaded before still runs.
    failed_reload: Option<FailedReload>,
    /// Until when it is not called, because it has failed too often.
    quarantined_until: Option<Time>,
}

/// Whether a plugin works.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PluginState")]
enum Condition {
    /// It is loaded.
    Loaded,
    /// It could not be loaded, and is not required.
    Failed,
    /// Its entry says `enabled = false`.
    Disabled,
    /// It is a file that no entry names.
    Available,
}

/// A reload that was refused.
#[derive(Debug, Serialize, JsonSchema)]
struct FailedReload {
    /// When it was tried.
    at: Time,
    /// Why the new version cannot be used.
    reason: String,
}

impl From<PluginStatus> for Plugin {
    fn from(status: PluginStatus) -> Self {
        let report = status.report;
        let loaded = report.state == PluginState::Loaded;
        let (state, reason) = match report.state {
            PluginState::Loaded => (Condition::Loaded, None),
            PluginState::Failed(reason) => (Condition::Failed, Some(reason)),
            PluginState::Disabled => (Condition::Disabled, None),
            PluginState::Available => (Condition::Available, None),
        };
        Self {
            name: report.name,
            state,
            version: loaded.then_some(report.version),
            description: loaded.then_some(report.description),
            file: report.file,
            component: report.component,
            line: report.line,
            points: report.points,
            loaded_at: status.loaded_at.map(Time),
            reason,
            failed_reload: status.failed_reload.map(|failed| FailedReload {
                at: Time(failed.at),
                reason: failed.reason,
            }),
            quarantined_until: status.quarantined_until.map(Time),
        }
    }
}

/// Every plugin.
#[derive(Debug, Serialize, JsonSchema)]
struct PluginList {
    /// The plugins.
    plugins: Vec<Plugin>,
}

/// `GET /v1/plugins`: every plugin with its state.
async fn list(State(plugins): State<Arc<dyn Plugins>>, _: NoParams) -> Json<PluginList> {
    Json(PluginList {
        plugins: plugins.all().into_iter().map(Plugin::from).collect(),
    })
}

/// What a reload did.
#[derive(Debug, Serialize, JsonSchema)]
struct ReloadedPlugin {
    /// The name of the plugin.
    plugin: String,
    /// What ran before; null if it was not loaded.
    before: Option<PluginVersion>,
    /// What runs now; null if its entry is gone or disabled, so that it was removed.
    after: Option<PluginVersion>,
}

/// One version of a plugin.
#[derive(Debug, Serialize, JsonSchema)]
struct PluginVersion {
    /// The version that it gives itself.
    version: String,
    /// SHA-256 of its component, in hex.
    component: String,
}

impl From<Version> for PluginVersion {
    fn from(Version { version, component }: Version) -> Self {
        Self { version, component }
    }
}

/// `POST /v1/plugins/{name}/reload`: loads a plugin anew from its file and its entry.
async fn reload(
    State(plugins): State<Arc<dyn Plugins>>,
    _: NoParams,
    PluginName(name): PluginName,
) -> Result<Json<ReloadedPlugin>, ApiError> {
    let done = plugins.reload(&name).await?;
    Ok(Json(ReloadedPlugin {
        plugin: done.plugin,
        before: done.before.map(PluginVersion::from),
        after: done.after.map(PluginVersion::from),
    }))
}

/// Whether a plugin serves a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionPlugin {
    /// The name of the plugin.
    plugin: String,
    /// Whether it is asked about the session.
    serves: bool,
    /// What decides.
    because: Decides,
    /// Why it is so, for people.
    reason: String,
    /// Whether the plugin was switched on or off for this session; null if it was not, so that its
    /// entry decides.
    enabled: Option<bool>,
}

/// What decides whether a plugin serves a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SessionPluginCause")]
enum Decides {
    /// The plugin is not loaded.
    NotLoaded,
    /// It was switched on or off for this session.
    Switch,
    /// `sessions` of its entry.
    Sessions,
}

impl From<Serving> for SessionPlugin {
    fn from(serving: Serving) -> Self {
        Self {
            plugin: serving.plugin,
            serves: serving.serves,
            because: match serving.because {
                Because::NotLoaded => Decides::NotLoaded,
                Because::Switch => Decides::Switch,
                Because::Sessions => Decides::Sessions,
            },
            reason: serving.reason,
            enabled: serving.switch,
        }
    }
}

/// Which plugins serve a session.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionPluginList {
    /// The session.
    session: ClientId,
    /// Every plugin that has an entry, in the order of the entries; then those without one that
    /// were switched on or off for the session.
    plugins: Vec<SessionPlugin>,
}

/// `GET /v1/sessions/{id}/plugins`: which plugins serve a session, and why.
async fn of_one(
    State(plugins): State<Arc<dyn Plugins>>,
    _: NoParams,
    Session(client): Session,
) -> Result<Json<SessionPluginList>, ApiError> {
    let all = plugins.of_session(&client)?;
    Ok(Json(SessionPluginList {
        session: client,
        plugins: all.into_iter().map(SessionPlugin::from).collect(),
    }))
}

/// Whether a plugin shall serve a session.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SwitchTo {
    /// True: it serves the session; false: it does not.
    enabled: bool,
}

/// `PUT /v1/sessions/{id}/plugins/{name}`: switches a plugin on or off for a session.
async fn switch(
    State(plugins): State<Arc<dyn Plugins>>,
    _: NoParams,
    Session(client): Session,
    PluginName(name): PluginName,
    Object(to): Object<SwitchTo>,
) -> Result<Json<SessionPlugin>, ApiError> {
    let now = plugins.switch(&client, &name, Some(to.enabled)).await?;
    Ok(Json(now.into()))
}

/// `DELETE /v1/sessions/{id}/plugins/{name}`: lets the entry of a plugin decide again.
async fn switch_back(
    State(plugins): State<Arc<dyn Plugins>>,
    _: NoParams,
    Session(client): Session,
    PluginName(name): PluginName,
) -> Result<Json<SessionPlugin>, ApiError> {
    let now = plugins.switch(&client, &name, None).await?;
    Ok(Json(now.into()))
}
