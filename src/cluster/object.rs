// SPDX-License-Identifier: Apache-2.0
//! Objects of any kind: applied, created, looked up, deleted. What kinds there are and where, the server says.

use std::fmt;
use std::sync::{Arc, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Client;
use super::error::{ApiError, ApiErrorKind as Kind};
use super::request::{Patch, Request};

/// The owner of the fields that kiln applies.
pub const FIELD_MANAGER: &str = "kiln";

/// An object of any kind, as JSON. It may be a Secret, so it shows no more than its name.
#[derive(Clone, PartialEq)]
pub struct Object(pub Value);

impl Object {
    /// Returns where the object is.
    pub fn place(&self) -> ObjectRef {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let meta = &self.0["metadata"];
        ObjectRef {
            api_version: text(&self.0["apiVersion"]),
            kind: text(&self.0["kind"]),
            namespace: meta["namespace"].as_str().map(str::to_owned),
            name: text(&meta["name"]),
        }
    }
}

impl From<Value> for Object {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Object").field(&self.place().to_string()).finish()
    }
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// "v1", "rbac.authorization.k8s.io/v1".
    pub api_version: String,
    /// "ConfigMap".
    pub kind: String,
    /// None for what has none.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api_version: _, kind, namespace, name } = self;
        match namespace {
            Some(namespace) => write!(f, "{kind} {namespace}/{name}"),
            None => write!(f, "{kind} {name}"),
        }
    }
}

/// A kind that the server has.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Served {
    /// The plural; "pods/log" is part of another.
    name: String,
    kind: String,
    namespaced: bool,
}

#[derive(Debug, Deserialize)]
struct ServedList {
    resources: Vec<Served>,
}

impl From<ServedList> for Vec<Served> {
    fn from(ServedList { resources }: ServedList) -> Self {
        resources
    }
}

impl Client {
    /// Makes the object have the given fields, by server-side apply without force: other fields stay as they are.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where another manager owns one of the fields; its causes name them. [`Kind::Invalid`] also where
    /// the object is immutable, ours, and differs.
    pub async fn apply(&self, object: &Object) -> Result<Object, ApiError> {
        let place = object.place();
        let path = self.collection(&place).await?;
        let request = Request::patch(&parts(&path), Patch::Apply, &object.0).at(&place.name);
        self.read::<Value, _>(request.query("fieldManager", FIELD_MANAGER).query("force", "false")).await
    }

    /// Creates an object.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] where the name is taken.
    pub async fn create(&self, object: &Object) -> Result<Object, ApiError> {
        let path = self.collection(&object.place()).await?;
        self.read::<Value, _>(Request::post(&parts(&path), &object.0).query("fieldManager", FIELD_MANAGER))
            .await
    }

    /// Looks an object up.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is none.
    pub async fn get(&self, place: &ObjectRef) -> Result<Object, ApiError> {
        let path = self.collection(place).await?;
        self.read::<Value, _>(Request::get(&parts(&path)).at(&place.name)).await
    }

    /// Deletes an object; with a UID, only if it is still the one.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is none, [`Kind::Conflict`] where it is another one.
    pub async fn delete(&self, place: &ObjectRef, uid: Option<&str>) -> Result<(), ApiError> {
        let path = self.collection(place).await?;
        let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
        if let Some(uid) = uid {
            options["preconditions"] = json!({ "uid": uid });
        }
        self.read::<Value, Object>(Request::delete(&parts(&path), &options).at(&place.name)).await.map(drop)
    }

    /// Returns the path of an object's collection.
    async fn collection(&self, place: &ObjectRef) -> Result<Vec<String>, ApiError> {
        let ObjectRef { api_version, kind, namespace, name: _ } = place;
        let mut path = match api_version.split_once('/') {
            Some((group, version)) => vec!["apis".to_owned(), group.to_owned(), version.to_owned()],
            None => vec!["api".to_owned(), api_version.clone()],
        };
        let served = self.served(api_version, &path).await?;
        let wrong = |what: String| ApiError {
            kind: Kind::Unsendable(what),
            request: self.line(&Request::get(&parts(&path))),
        };
        let found = served.iter().find(|served| served.kind == *kind && !served.name.contains('/'));
        let found =
            found.ok_or_else(|| wrong(format!("{api_version} has no kind {kind:?} on this server")))?;
        match (found.namespaced, namespace) {
            (true, Some(namespace)) => path.extend(["namespaces".to_owned(), namespace.clone()]),
            (true, None) => return Err(wrong(format!("{place} needs a namespace"))),
            (false, Some(_)) => return Err(wrong(format!("{place}: a {kind} has no namespace"))),
            (false, None) => {}
        }
        path.push(found.name.clone());
        Ok(path)
    }

    /// Returns the kinds of a group version, asking once. A CustomResourceDefinition that was made since may be missing, so
    /// a caller who makes one takes a new client.
    async fn served(&self, group_version: &str, path: &[String]) -> Result<Arc<Vec<Served>>, ApiError> {
        let known = || self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(served) = known().get(group_version) {
            return Ok(served.clone());
        }
        let asked = self.honestly().read::<ServedList, Vec<Served>>(Request::get(&parts(path))).await?;
        let served = Arc::new(asked);
        known().insert(group_version.to_owned(), served.clone());
        Ok(served)
    }
}

fn parts(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}
