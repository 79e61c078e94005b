//! The backend of [`crate::host`] in a component: the functions that the host offers.

use super::core::wharf::plugin::{kv, log as host_log, secrets};
use crate::{
    kv::{Entry, Error},
    log::Level,
};

pub(crate) fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    let level = match level {
        Level::Trace => host_log::Level::Trace,
        Level::Debug => host_log::Level::Debug,
        Level::Info => host_log::Level::Info,
        Level::Warn => host_log::Level::Warn,
        Level::Error => host_log::Level::Error,
    };
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    host_log::log(level, message, &fields);
}

pub(crate) fn secret(name: &str) -> Option<String> {
    secrets::get(name)
}

pub(crate) fn kv_get(key: &str) -> Result<Option<Entry>, Error> {
    Ok(kv::get(key)?.map(|entry| Entry {
        value: entry.value,
        version: entry.version,
    }))
}

pub(crate) fn kv_set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), Error> {
    Ok(kv::set(key, value, ttl_ms)?)
}

pub(crate) fn kv_compare_and_set(
    key: &str,
    expected: Option<u64>,
    value: &[u8],
    ttl_ms: Option<u64>,
) -> Result<bool, Error> {
    Ok(kv::compare_and_set(key, expected, value, ttl_ms)?)
}

pub(crate) fn kv_delete(key: &str) -> Result<(), Error> {
    Ok(kv::delete(key)?)
}

pub(crate) fn kv_list(
    prefix: &str,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, Error> {
    Ok(kv::list_keys(prefix, cursor, limit)?)
}

impl From<kv::Error> for Error {
    fn from(error: kv::Error) -> Self {
        match error {
            kv::Error::NotGranted => Self::NotGranted,
            kv::Error::QuotaExceeded => Self::QuotaExceeded,
            kv::Error::TooLarge => Self::TooLarge,
            kv::Error::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
