//! A geographic location.

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Unexpected},
};
use serde_json::{Map, Value, json};

use super::kind::{Asked, ContentCode, InvalidContent, Kind, forms, opaque};
use crate::model::region::Region;

/// Maximum length of the name in bytes.
const MAX_NAME: usize = 1000;

const INVALID_LOCATION: ContentCode = ContentCode::new("invalid_location", "Invalid location");

/// A geographic location.
#[derive(Clone, PartialEq)]
pub struct Location {
    /// Latitude in degrees, −90 to 90.
    pub latitude: f64,
    /// Longitude in degrees, −180 to 180.
    pub longitude: f64,
    /// The name shown beside the pin.
    pub name: Option<String>,
}

impl Kind for Location {
    type Asked = LocationFields;
    type Shown = ShownLocation;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        None
    }

    fn conceal(&mut self) {
        *self = Self {
            latitude: 0.0,
            longitude: 0.0,
            name: None,
        };
    }

    fn shown(&self) -> ShownLocation {
        let Self {
            latitude,
            longitude,
            name,
        } = self.clone();
        ShownLocation {
            latitude,
            longitude,
            name,
        }
    }

    fn tidy(fields: &mut Map<String, Value>) {
        for name in ["latitude", "longitude"] {
            if let Some(degrees) = fields.get(name).and_then(Value::as_f64) {
                fields.insert(name.into(), json!(degrees));
            }
        }
    }
}

opaque!(LocationFields, ShownLocation);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Location")]
struct Stored1 {
    latitude: f64,
    longitude: f64,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Location")]
struct Bridge {
    latitude: f64,
    longitude: f64,
    #[serde(default)]
    name: Option<String>,
}

/// A geographic location.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Location")]
pub struct LocationFields {
    /// Latitude in degrees, −90 to 90.
    #[serde(deserialize_with = "latitude")]
    #[schemars(range(min = -90, max = 90))]
    latitude: f64,
    /// Longitude in degrees, −180 to 180.
    #[serde(deserialize_with = "longitude")]
    #[schemars(range(min = -180, max = 180))]
    longitude: f64,
    /// The name shown beside the pin; at most 1000 bytes.
    #[schemars(length(max = 1000))]
    name: Option<String>,
}

/// A geographic location in responses.
#[derive(Clone, Serialize, JsonSchema)]
pub struct ShownLocation {
    /// Latitude in degrees, −90 to 90.
    pub latitude: f64,
    /// Longitude in degrees, −180 to 180.
    pub longitude: f64,
    /// The name shown beside the pin; null if there is none.
    pub name: Option<String>,
}

fn latitude<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    degrees(deserializer, "a number from -90 to 90")
}

fn longitude<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    degrees(deserializer, "a number from -180 to 180")
}

/// Reads any number; [`Asked::check`] checks the range.
fn degrees<'de, D: Deserializer<'de>>(deserializer: D, expected: &str) -> Result<f64, D::Error> {
    let wrong = || Error::invalid_value(Unexpected::Other("another value"), &expected);
    Value::deserialize(deserializer)?.as_f64().ok_or_else(wrong)
}

impl Asked<Location> for LocationFields {
    const CODES: &'static [ContentCode] = &[INVALID_LOCATION];

    fn check(self, _: Option<Region>) -> Result<Location, InvalidContent> {
        let Self {
            latitude,
            longitude,
            name,
        } = self;
        let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        if !on_earth || name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
            let message = format!(
                "a location has a latitude of -90 to 90, a longitude of -180 to 180, and a name of at most {MAX_NAME} bytes"
            );
            return Err(INVALID_LOCATION.because(message));
        }
        Ok(Location {
            latitude,
            longitude,
            name: name.filter(|name| !name.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_on_earth() {
        let place = |latitude, longitude| {
            LocationFields {
                latitude,
                longitude,
                name: Some(String::new()),
            }
            .check(None)
        };
        assert!(
            place(90.0, -180.0).is_ok_and(|place| place.name.is_none()),
            "an empty name is none"
        );
        assert!(place(90.1, 0.0).is_err() && place(0.0, f64::NAN).is_err());
    }
}
