//! The host functions of the line 0.1, each of which is the one of the present line.

use wasmtime::component::{HasSelf, Linker};

use super::bindings::wharf::plugin::{calls, kv, log, messages, secrets};
use crate::plugins::{
    bindings::wharf::plugin::{kv as now_kv, log as now_log, secrets as now_secrets},
    host_state::HostState,
};

/// Offers the host functions under the names of this line.
pub(in crate::plugins) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    calls::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    messages::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    kv::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    secrets::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl calls::Host for HostState {}
impl messages::Host for HostState {}

impl log::Host for HostState {
    async fn log(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => now_log::Level::Trace,
            log::Level::Debug => now_log::Level::Debug,
            log::Level::Info => now_log::Level::Info,
            log::Level::Warn => now_log::Level::Warn,
            log::Level::Error => now_log::Level::Error,
        };
        now_log::Host::log(self, level, message, fields).await
    }
}

impl From<now_kv::Error> for kv::Error {
    fn from(error: now_kv::Error) -> Self {
        match error {
            now_kv::Error::NotGranted => Self::NotGranted,
            now_kv::Error::QuotaExceeded => Self::QuotaExceeded,
            now_kv::Error::TooLarge => Self::TooLarge,
            now_kv::Error::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

type Kv<T> = wasmtime::Result<Result<T, kv::Error>>;

impl kv::Host for HostState {
    async fn get(&mut self, key: String) -> Kv<Option<kv::Entry>> {
        let entry = |now_kv::Entry { value, version }| kv::Entry { value, version };
        let found = now_kv::Host::get(self, key).await?;
        Ok(found.map(|found| found.map(entry)).map_err(Into::into))
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl: Option<u64>) -> Kv<()> {
        let answer = now_kv::Host::set(self, key, value, ttl).await?;
        Ok(answer.map_err(Into::into))
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<u64>,
    ) -> Kv<bool> {
        let answer = now_kv::Host::compare_and_set(self, key, expected, value, ttl).await?;
        Ok(answer.map_err(Into::into))
    }

    async fn delete(&mut self, key: String) -> Kv<()> {
        let answer = now_kv::Host::delete(self, key).await?;
        Ok(answer.map_err(Into::into))
    }

    async fn list_keys(
        &mut self,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Kv<Vec<String>> {
        let answer = now_kv::Host::list_keys(self, prefix, cursor, limit).await?;
        Ok(answer.map_err(Into::into))
    }
}

impl secrets::Host for HostState {
    async fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        now_secrets::Host::get(self, name).await
    }
}
