//! The servers under load, each in its own process: the gateway, and the same API with a plain
//! insert or without storage.

use std::{net::SocketAddr, path::Path, str::FromStr, sync::Arc};

use anyhow::{Context, Result, bail};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{io::AsyncReadExt, net::TcpListener};
use wharf::{
    api,
    config::{self, Config, Sources},
    gateway::Gateway,
    plugins::PluginHost,
    services::HelperAddress,
    store::Store,
    telemetry,
};

use crate::{
    baseline::{Baseline, Memory},
    empty_services,
};

/// The kind of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The gateway.
    Gateway,
    /// The same API and plugins with one transaction for each request.
    Plain,
    /// The same API and plugins without storage.
    Nothing,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Plain => "plain",
            Self::Nothing => "nothing",
        }
    }
}

impl FromStr for Kind {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = [Self::Gateway, Self::Plain, Self::Nothing];
        all.into_iter()
            .find(|kind| kind.name() == name)
            .with_context(|| format!("no server is called {name:?}"))
    }
}

/// Serves until standard input ends; prints its port on standard output.
pub(crate) async fn serve(kind: Kind, folder: &Path) -> Result<()> {
    let sources = Sources {
        file: Some(folder.join("gateway.toml")),
        ..Sources::default()
    };
    let config = config::load(&sources)?;
    let metrics = telemetry::start_metrics();
    match kind {
        Kind::Gateway => {
            let gateway = Gateway::start(config, Arc::new(sources), metrics).await?;
            parent_gone(gateway.address()).await?;
            gateway.stop().await;
        }
        Kind::Plain | Kind::Nothing => {
            let pool = match kind {
                Kind::Plain => Some(plain(&config).await?),
                _ => None,
            };
            let cache = config
                .plugins
                .cache
                .clone()
                .context("the bench's file names a cache")?;
            let plugins = PluginHost::load(
                &config.plugins,
                &config.plugin,
                &cache,
                Arc::new(Memory::default()),
                Arc::new(|_: &str| None),
            )
            .await?;
            let services = empty_services::services(Baseline::new(plugins, pool));
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let address = listener.local_addr()?;
            let helper = HelperAddress {
                base: String::new(),
                local_only: true,
            };
            let router = api::router(services, &config, helper);
            let server = tokio::spawn(async move {
                api::serve(listener, router, &config.server, std::future::pending()).await
            });
            parent_gone(address).await?;
            server.abort();
        }
    }
    Ok(())
}

async fn parent_gone(address: SocketAddr) -> Result<()> {
    println!("{}", address.port());
    let mut nothing = [0; 1];
    while tokio::io::stdin().read(&mut nothing).await? > 0 {}
    Ok(())
}

/// Opens one connection to the same tables, which is flushed at every commit as the gateway's is.
async fn plain(config: &Config) -> Result<SqlitePool> {
    let Some(path) = &config.storage.database else {
        bail!("the bench's file names a database")
    };
    Store::open(path).await?.close().await;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    Ok(SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?)
}
