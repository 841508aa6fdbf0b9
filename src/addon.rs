// SPDX-License-Identifier: Apache-2.0
//! Addons: objects that a new cluster gets beside its own, as texts that bake carries and the control plane applies.
//!
//! A text is one or more YAML documents. What a cluster's settings decide stands in it as a word, `${KILN_CLUSTER_DNS}`,
//! because settings may still change after the bake. Nothing here opens a file or asks a server.

use serde::Deserialize as _;
use serde_json::Value;

/// Where the texts lie on a node, each as NAME.yaml; they are applied in the order of their names.
pub const FOLDER: &str = "/etc/kiln/addons";
/// What the files' names end with.
pub const SUFFIX: &str = ".yaml";

/// How a word begins; it ends with `}`.
const WORD: &str = "${KILN_";

/// What the words stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// `${KILN_CLUSTER_DNS}`: the address of the cluster's DNS service.
    pub cluster_dns: String,
    /// `${KILN_CLUSTER_DOMAIN}`: the DNS domain of services.
    pub cluster_domain: String,
    /// `${KILN_API_ENDPOINT}`: where nodes reach the API servers, `https://HOST:PORT`.
    pub api_endpoint: String,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddonError {
    /// A word that stands for nothing.
    #[error("line {line}: '{word}' stands for nothing; the words are {}", Values::WORDS.join(", "))]
    Word {
        /// From 1.
        line: usize,
        /// As it stands there.
        word: String,
    },
    /// No YAML.
    #[error("document {document} can't be read: {why}")]
    Yaml {
        /// From 1.
        document: usize,
        /// In the parser's words.
        why: String,
    },
    /// A document that is no object of Kubernetes.
    #[error("document {document} has no {key}")]
    Key {
        /// From 1.
        document: usize,
        /// `kind`, `metadata.name`.
        key: &'static str,
    },
    /// Nothing but comments.
    #[error("holds no object")]
    Empty,
}

impl Values {
    /// The words.
    pub const WORDS: [&'static str; 3] =
        ["${KILN_CLUSTER_DNS}", "${KILN_CLUSTER_DOMAIN}", "${KILN_API_ENDPOINT}"];

    fn of(&self, word: &str) -> Option<&str> {
        let values = [&self.cluster_dns, &self.cluster_domain, &self.api_endpoint];
        Self::WORDS.iter().zip(values).find(|(known, _)| **known == word).map(|(_, value)| value.as_str())
    }
}

/// Returns where the text of an addon lies.
pub fn path(name: &str) -> String {
    format!("{FOLDER}/{name}{SUFFIX}")
}

/// Returns the text with values in the place of words.
///
/// # Errors
/// [`AddonError::Word`] for the first that stands for nothing.
pub fn filled(text: &str, values: &Values) -> Result<String, AddonError> {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(WORD) {
        let end = rest[start..].find(['}', '\n']).map_or(rest.len(), |end| start + end + 1);
        let word = rest[start..end].trim_end();
        let unknown = || {
            let before = text.len() - rest.len() + start;
            AddonError::Word { line: text[..before].matches('\n').count() + 1, word: word.to_owned() }
        };
        filled += &rest[..start];
        filled += values.of(word).ok_or_else(unknown)?;
        rest = &rest[end..];
    }
    Ok(filled + rest)
}

/// Returns the objects of a text whose words are filled in; those of a List one by one.
///
/// # Errors
/// The first document that is none.
pub fn objects(text: &str) -> Result<Vec<Value>, AddonError> {
    let mut objects = Vec::new();
    for (document, yaml) in (1..).zip(serde_yaml::Deserializer::from_str(text)) {
        let value = Value::deserialize(yaml);
        let value = value.map_err(|error| AddonError::Yaml { document, why: error.to_string() })?;
        add(value, document, &mut objects)?;
    }
    if objects.is_empty() { Err(AddonError::Empty) } else { Ok(objects) }
}

fn add(value: Value, document: usize, objects: &mut Vec<Value>) -> Result<(), AddonError> {
    if value.is_null() {
        return Ok(());
    }
    if let ("v1", "List", Some(items)) =
        (text(&value, "/apiVersion"), text(&value, "/kind"), value["items"].as_array())
    {
        return items.iter().try_for_each(|item| add(item.clone(), document, objects));
    }
    for (key, pointer) in
        [("apiVersion", "/apiVersion"), ("kind", "/kind"), ("metadata.name", "/metadata/name")]
    {
        if text(&value, pointer).is_empty() {
            return Err(AddonError::Key { document, key });
        }
    }
    objects.push(value);
    Ok(())
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            cluster_dns: "10.96.0.10".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            api_endpoint: "https://10.0.0.1:6443".to_owned(),
        }
    }

    #[test]
    fn words_are_filled_in_and_others_are_told_with_their_line() {
        let text = "a: \"${KILN_CLUSTER_DNS}\"\nb: ${KILN_CLUSTER_DOMAIN} ${HOME}\nc: ${KILN_API_ENDPOINT}\n";
        let expected = "a: \"10.96.0.10\"\nb: cluster.local ${HOME}\nc: https://10.0.0.1:6443\n";
        assert_eq!(filled(text, &values()).unwrap(), expected);
        for (text, line, word) in [
            ("${KILN_X}", 1, "${KILN_X}"),
            ("a\n\n b ${KILN_DNS} ${KILN_X}", 3, "${KILN_DNS}"),
            ("a\n${KILN_CLUSTER_DNS\nb}", 2, "${KILN_CLUSTER_DNS"),
            ("ü ${KILN_", 1, "${KILN_"),
        ] {
            assert_eq!(
                filled(text, &values()),
                Err(AddonError::Word { line, word: word.to_owned() }),
                "{text}"
            );
        }
    }

    #[test]
    fn documents_are_objects_and_lists_are_their_items() {
        let text = "# a comment\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n---\n\
            apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n";
        let names: Vec<_> = objects(text).unwrap().iter().map(|it| it["metadata"]["name"].clone()).collect();
        assert_eq!(names, ["a", "b"]);
        for (text, words) in [
            ("# nothing\n", "holds no object"),
            ("", "holds no object"),
            ("a: 1\n", "document 1 has no apiVersion"),
            ("- a\n", "document 1 has no apiVersion"),
            (
                "{apiVersion: v1, kind: A, metadata: {name: x}}\n---\napiVersion: v1\n",
                "document 2 has no kind",
            ),
            ("{apiVersion: v1, kind: A, metadata: {generateName: x}}\n", "document 1 has no metadata.name"),
        ] {
            assert_eq!(objects(text).unwrap_err().to_string(), words, "{text}");
        }
        assert!(objects("a: [\n").unwrap_err().to_string().starts_with("document 1 can't be read: "));
    }
}
