// SPDX-License-Identifier: Apache-2.0
//! An API object as it is applied, and by whom.

use std::fmt;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::ipam::{NAMESPACE, POOL, Ranges};
use crate::names;

/// Whose credential a request is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// super-admin.conf, in system:masters: it needs no binding, so it makes the first one and nothing else.
    BreakGlass,
    /// admin.conf.
    Admin,
}

/// An object that is to be as it stands here.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// All of it, as the API server takes it.
    pub value: Value,
}

impl Object {
    /// Returns the objects of one of this room's YAML files.
    pub(super) fn read_all(text: &str) -> Vec<Self> {
        serde_yaml::Deserializer::from_str(text)
            .map(|document| Self { value: Value::deserialize(document).expect("a test reads every file") })
            .collect()
    }

    /// Returns the pool's ConfigMap: immutable, because a claim's index means nothing without it.
    pub(super) fn pool(ranges: &Ranges) -> Self {
        let value = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": POOL, "namespace": NAMESPACE},
            "immutable": true,
            "data": ranges.data(),
        });
        Self { value }
    }

    /// Returns the same object with the pool's data in place of an expression named `pool`, where a policy has one. JSON of
    /// plain strings is a literal of CEL, too.
    pub(super) fn about(mut self, ranges: &Ranges) -> Self {
        let variables = self.value.pointer_mut("/spec/variables").and_then(Value::as_array_mut);
        let variables = variables.into_iter().flatten();
        for variable in variables.filter(|variable| variable["name"] == POOL) {
            variable["expression"] = json!(json!(ranges.data()).to_string());
        }
        self
    }

    /// Returns whether what the server has is as this stands here; what others have added does not count.
    pub fn is_met_by(&self, found: &Value) -> bool {
        has(found, &self.value)
    }

    /// Returns whether this is the pool, which is never changed.
    pub fn is_pool(&self) -> bool {
        let namespace = self.value["metadata"]["namespace"].as_str();
        self.kind() == "ConfigMap" && self.name() == POOL && namespace == Some(NAMESPACE)
    }

    /// Returns the kind, `ConfigMap`.
    pub fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    /// Returns `metadata.name`.
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Returns who applies it. What makes administrators is the only thing that they can't apply themselves.
    pub fn by(&self) -> By {
        if self.kind() == "ClusterRoleBinding" && self.name() == names::ADMINS {
            By::BreakGlass
        } else {
            By::Admin
        }
    }
}

/// As people name it: `ConfigMap kiln-ipam/pool`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind())?;
        if let Some(space) = self.value["metadata"]["namespace"].as_str() {
            write!(f, "{space}/")?;
        }
        f.write_str(self.name())
    }
}

/// A list has the same length on both sides: in those of kiln's objects the order counts.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| has(found, wanted)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| has(found, wanted))
        }
        (found, wanted) => found == wanted,
    }
}
