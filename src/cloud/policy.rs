// SPDX-License-Identifier: Apache-2.0
//! The rights that kiln's calls need, as a table, and the least policy documents that give them. Nothing is called here.
//!
//! A right that no call of kiln's bears itself (a tag at creation, a key, a role that is handed on) names the call that
//! needs it. Actions, resources and conditions are those of the "Service Authorization Reference".

mod table;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use table::TABLE;

/// Who needs a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// `kiln publish`, `kiln unpublish`.
    Publisher,
    /// `kiln launch`.
    Launcher,
    /// The role of a control plane's machine.
    ControlPlane,
    /// The role of a worker's machine.
    Worker,
    /// `kiln verify ami-...`, `kiln nodes`, `kiln routes`: reads alone.
    Auditor,
    /// `kiln routes --prune`.
    Janitor,
}

impl Who {
    /// Everybody, by the words of `kiln policy`.
    pub const ALL: [(&str, Self); 6] = [
        ("publisher", Self::Publisher),
        ("launcher", Self::Launcher),
        ("control-plane", Self::ControlPlane),
        ("worker", Self::Worker),
        ("auditor", Self::Auditor),
        ("janitor", Self::Janitor),
    ];
}

/// One right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// The call that needs it: `ec2:RegisterImage`.
    pub call: &'static str,
    /// The action that has to be allowed; most often the call itself.
    pub action: &'static str,
    /// On what: ARNs, where `{partition}` and `{parameters}` (a path, `/kiln`) are filled in.
    pub resources: &'static [&'static str],
    /// Only if: operator, key and values.
    pub only_if: Option<(&'static str, &'static str, &'static [&'static str])>,
    /// What for.
    pub reason: &'static str,
}

/// What a policy document depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `aws`, `aws-us-gov`, `aws-cn`.
    pub partition: String,
    /// Path of the parameters, with a slash first and none last.
    pub parameters: String,
}

/// Returns the rights of `who`, in the order of the table.
pub fn rights(who: Who) -> impl Iterator<Item = &'static Right> {
    TABLE.iter().filter(move |(readers, _)| readers.contains(&who)).flat_map(|(_, rights)| rights.iter())
}

/// Returns the least policy document (version 2012-10-17) for `who`: one statement for each set of resources and condition.
pub fn document(who: Who, scope: &Scope) -> Value {
    let mut statements: Vec<(&Right, Vec<&str>)> = Vec::new();
    for right in rights(who) {
        let is_same = |it: &&Right| it.resources == right.resources && it.only_if == right.only_if;
        match statements.iter_mut().find(|(first, _)| is_same(first)) {
            Some((_, actions)) if actions.contains(&right.action) => {}
            Some((_, actions)) => actions.push(right.action),
            None => statements.push((right, vec![right.action])),
        }
    }
    let statements: Vec<Value> =
        statements.iter().map(|(right, actions)| statement(right, actions, scope)).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn statement(right: &Right, actions: &[&str], scope: &Scope) -> Value {
    let fill =
        |arn: &&str| arn.replace("{partition}", &scope.partition).replace("{parameters}", &scope.parameters);
    let resources: Vec<String> = right.resources.iter().map(fill).collect();
    let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
    if let Some((operator, key, values)) = right.only_if {
        statement["Condition"] = json!({ operator: BTreeMap::from([(key, values)]) });
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_says_what_for_and_everybody_has_a_policy_of_known_form() {
        let scope = Scope { partition: "aws".to_owned(), parameters: "/kiln".to_owned() };
        for (name, who) in Who::ALL {
            // IAM takes no policy without a statement.
            assert!(rights(who).next().is_some(), "{name}");
            for right in rights(who) {
                assert!(right.call.contains(':') && right.action.contains(':') && !right.reason.is_empty());
                assert!(!right.resources.is_empty(), "{right:?}");
            }
        }
        let document = document(Who::Publisher, &scope).to_string();
        assert!(document.contains("arn:aws:ssm:*:*:parameter/kiln/*"), "{document}");
        assert!(!document.contains("{partition}") && !document.contains("{parameters}"));
    }

    #[test]
    fn actions_with_the_same_resources_and_condition_share_a_statement() {
        let scope = Scope { partition: "aws-cn".to_owned(), parameters: "/images".to_owned() };
        let document = document(Who::Publisher, &scope);
        let statements = document["Statement"].as_array().unwrap();
        let of = |statement: &Value| (statement["Resource"].to_string(), statement["Condition"].to_string());
        let mut kinds: Vec<_> = statements.iter().map(of).collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), statements.len());
    }
}
