// SPDX-License-Identifier: Apache-2.0
//! Values whose form a person may choose: texts that look like numbers, settings, values for templates.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::settings::keys;

/// A text, number or truth value, kept as the text a person typed.
#[derive(Debug, Deserialize)]
#[serde(from = "Scalar")]
pub struct Plain(pub String);

/// A layer of settings, in the words that first boot reads.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub serde_yaml::Mapping);

/// A value for templates: a text, whole number, truth value, or a list of those.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Variable(pub serde_json::Value);

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Whole(i64),
    Truth(bool),
    Text(String),
}

impl From<Scalar> for Plain {
    fn from(scalar: Scalar) -> Self {
        Self(match scalar {
            Scalar::Whole(number) => number.to_string(),
            Scalar::Truth(is_true) => u8::from(is_true).to_string(),
            Scalar::Text(text) => text,
        })
    }
}

impl JsonSchema for Plain {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Plain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

impl JsonSchema for Settings {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::try_from(keys::schema(keys::Scope::Manifest)).expect("a schema is an object")
    }
}

impl JsonSchema for Variable {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Variable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer", "boolean", "array"],
            "items": { "type": ["string", "integer", "boolean"] },
        })
    }
}
