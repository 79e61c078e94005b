//! Describes a component without a gateway: what it exports, imports and says of itself.
//!
//! It is loaded as at a start, with every check, except that a configuration is optional: the
//! author may look at the schema before there is one.

use std::{path::Path, sync::Arc};

use serde::Serialize;
use tokio::sync::mpsc;
use wasmparser::{Parser, Payload};

use super::{
    check, convert,
    guest::Plugin,
    host::PluginHost,
    load::{LoadError, Loader},
    points::message_templating::{self, TemplateDescription},
    ports::{CallFailure, KvStore},
    schema,
};
use crate::{config, files};

/// What is known of a component.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The name that it gives itself.
    pub name: String,
    /// The version that it gives itself.
    pub version: String,
    /// The description that it gives itself.
    pub description: String,
    /// SHA-256 of the file, in hex.
    pub component: String,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The line of the contract that it was built for, e.g. `0.2`.
    pub line: &'static str,
    /// The extension points that it exports.
    pub points: Vec<&'static str>,
    /// Its exports, with their WIT versions.
    pub exports: Vec<String>,
    /// Its imports, with their WIT versions.
    pub imports: Vec<String>,
    /// The number of WebAssembly functions.
    pub functions: u32,
    /// The number of memories that one call needs.
    pub memories: u32,
    /// The number of tables that one call needs.
    pub tables: u32,
    /// The JSON Schema of its configuration; null if it takes none.
    pub config_schema: Option<serde_json::Value>,
    /// Patterns of the events that it wants, as a notifier.
    pub events: Vec<String>,
    /// Its templates, as a templater; null if it is none, or if it refused the configuration.
    pub templates: Option<Vec<TemplateDescription>>,
    /// Why it refused the configuration.
    pub config_issues: Option<String>,
}

impl PluginHost {
    /// Describes the component of `entry`, whose `name` need not be the component's. Grants, pin
    /// and `sessions` have no effect. Without `cache`, nothing is written to the disk.
    ///
    /// # Errors
    /// The component would not be loaded either, whatever its configuration is.
    pub async fn inspect(
        settings: &config::Plugins,
        entry: &config::Plugin,
        cache: Option<&Path>,
        kv: Arc<dyn KvStore>,
    ) -> Result<Inspection, LoadError> {
        // Nobody hears of a quarantine: only the probe runs.
        let (news, _) = mpsc::unbounded_channel();
        let (offers, _) = mpsc::unbounded_channel();
        let loader = Loader::new(settings, cache, 1, kv, Arc::new(|_| None), news, offers)?;
        let entry = config::Plugin {
            grants: config::Grants::default(),
            sha256: None,
            ..entry.clone()
        };
        let path = loader.file(&entry);
        inspected(&loader, &entry, &path)
            .await
            .map_err(|reason| LoadError::Plugin {
                name: entry.name.clone(),
                file: path.display().to_string(),
                reason,
            })
    }
}

async fn inspected(
    loader: &Loader,
    entry: &config::Plugin,
    path: &Path,
) -> Result<Inspection, String> {
    let (plugin, config, _) = loader.assemble(entry).await?;
    let bytes = files::read(path, check::MAX_FILE).map_err(|error| error.to_string())?;
    let failed =
        |what: &'static str| move |failure: CallFailure| format!("{what} failed: {failure}");
    let info = plugin
        .probe(|mut call| async move {
            call.check_types()?;
            call.describe().await
        })
        .await
        .map_err(failed("describe"))?;
    let written = info.config_schema;
    let config_schema = written
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| format!("its config schema is not JSON: {error}"))?;
    let checked = loader.within("checking its config", move || {
        schema::check(written.as_deref(), &config)
    });
    let (templates, config_issues) = match checked.await? {
        Ok(()) => configured(&plugin).await,
        Err(issues) => (None, Some(issues)),
    };
    let engine = &plugin.engine.engine;
    let kind = plugin.pre.component().component_type();
    let needed = plugin
        .pre
        .component()
        .resources_required()
        .ok_or("it imports core modules, which this gateway does not provide")?;
    Ok(Inspection {
        name: info.name,
        version: info.version,
        description: info.description,
        component: plugin.component.clone(),
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        line: plugin.line.as_str(),
        points: plugin
            .points
            .points()
            .map(|point| point.interface)
            .collect(),
        exports: kind
            .exports(engine)
            .map(|(name, _)| name.to_owned())
            .collect(),
        imports: kind
            .imports(engine)
            .map(|(name, _)| name.to_owned())
            .collect(),
        functions: functions(&bytes),
        memories: needed.num_memories,
        tables: needed.num_tables,
        config_schema,
        events: info.events,
        templates,
        config_issues,
    })
}

/// The templates, or why the configuration was refused.
async fn configured(plugin: &Plugin) -> (Option<Vec<TemplateDescription>>, Option<String>) {
    let answer = plugin
        .probe(|mut call| async move {
            Ok(match call.configure().await? {
                Ok(()) => Ok(message_templating::described(&mut call).await?),
                Err(issues) => Err(convert::issues(&issues)),
            })
        })
        .await;
    match answer {
        Ok(Ok(templates)) => (templates, None),
        Ok(Err(issues)) => (None, Some(issues)),
        Err(failure) => (None, Some(failure.to_string())),
    }
}

/// The functions of all core modules of a component.
fn functions(bytes: &[u8]) -> u32 {
    Parser::new(0)
        .parse_all(bytes)
        .filter_map(|part| match part {
            Ok(Payload::FunctionSection(section)) => Some(section.count()),
            _ => None,
        })
        .fold(0, u32::saturating_add)
}
