// SPDX-License-Identifier: Apache-2.0
//! Schema: the JSON schema (draft 2020-12) of a manifest, made from the raw types.
//!
//! It serves editors (`kiln schema`) and the check of shapes alike.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use super::raw;

/// Returns the JSON schema of a manifest.
pub fn schema() -> Value {
    of::<raw::Manifest>()
}

/// Returns the JSON schema of what a person types into a file of another kind.
pub(crate) fn of<T: schemars::JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(without_defaults).transform(&mut schema);
    schema.to_value()
}

/// An optional key may be left out; written without a value it is a mistake, so null is not offered.
fn without_null(schema: &mut schemars::Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

/// serde's defaults are those of the raw types ("", null), not what the manifest then means; descriptions tell those.
fn without_defaults(schema: &mut schemars::Schema) {
    schema.remove("default");
}
