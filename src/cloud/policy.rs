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
    /// On what: ARNs, where `{partition}` and what else a [`Scope`] has are filled in.
    pub resources: &'static [&'static str],
    /// Only if all of these hold: operator, key and values, which are filled in as ARNs are.
    pub only_if: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// What for.
    pub reason: &'static str,
}

/// AWS's partitions, and what the names of their services end with (the SDK's own `partitions.json`).
pub const PARTITIONS: [(&str, &str); 5] = [
    ("aws", "amazonaws.com"),
    ("aws-us-gov", "amazonaws.com"),
    ("aws-cn", "amazonaws.com.cn"),
    ("aws-iso", "c2s.ic.gov"),
    ("aws-iso-b", "sc2s.sgov.gov"),
];

/// What a policy document depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `aws`, `aws-us-gov`, `aws-cn`.
    pub partition: String,
    /// What names of services end with in that partition: `amazonaws.com`.
    pub suffix: String,
    /// Path of the parameters, with a slash first and none last.
    pub parameters: String,
    /// The cluster's name; `*`: of all.
    pub cluster: String,
    /// The cluster's VPC, `vpc-...`; `*`: in all.
    pub vpc: String,
}

impl Scope {
    /// Returns all clusters and all VPCs of a partition, with the usual path of parameters; nothing where there is no such
    /// partition.
    pub fn of(partition: &str) -> Option<Self> {
        let (_, suffix) = PARTITIONS.into_iter().find(|(name, _)| *name == partition)?;
        let any = || "*".to_owned();
        Some(Self {
            partition: partition.to_owned(),
            suffix: suffix.to_owned(),
            parameters: "/kiln".to_owned(),
            cluster: any(),
            vpc: any(),
        })
    }

    fn filled(&self, text: &str) -> String {
        let Self { partition, suffix, parameters, cluster, vpc } = self;
        let words = [
            ("{partition}", partition),
            ("{suffix}", suffix),
            ("{parameters}", parameters),
            ("{cluster}", cluster),
            ("{vpc}", vpc),
        ];
        words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }
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
    let fill = |texts: &[&str]| texts.iter().map(|text| scope.filled(text)).collect::<Vec<_>>();
    let mut statement = json!({ "Effect": "Allow", "Action": actions, "Resource": fill(right.resources) });
    let mut conditions = BTreeMap::<&str, BTreeMap<&str, Vec<String>>>::new();
    for (operator, key, values) in right.only_if {
        conditions.entry(operator).or_default().insert(key, fill(values));
    }
    if !conditions.is_empty() {
        statement["Condition"] = json!(conditions);
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_says_what_for_and_everybody_has_a_policy_of_known_form() {
        let scope = Scope::of("aws").unwrap();
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
        for word in ["{partition}", "{suffix}", "{parameters}", "{cluster}", "{vpc}"] {
            assert!(!document.contains(word), "{document}");
        }
    }

    /// Every right of a machine's role that has a resource is bound to the cluster or to its VPC.
    #[test]
    fn the_machines_of_one_cluster_have_no_right_on_another_ones() {
        let scope =
            Scope { cluster: "demo".to_owned(), vpc: "vpc-0a1b2c3d".to_owned(), ..Scope::of("aws").unwrap() };
        for who in [Who::Worker, Who::ControlPlane] {
            let document = document(who, &scope);
            for statement in document["Statement"].as_array().unwrap() {
                let is_read = |action: &Value| action.as_str().unwrap().contains(":Describe");
                if statement["Resource"] == json!(["*"]) {
                    assert!(statement["Action"].as_array().unwrap().iter().all(is_read), "{statement}");
                    continue;
                }
                let bounds = statement.to_string();
                assert!(
                    bounds.contains("/demo/")
                        || bounds.contains("-demo-")
                        || bounds.contains("vpc/vpc-0a1b2c3d\"")
                );
            }
        }
        let worker = document(Who::Worker, &scope);
        let statement = |action: &str| {
            let has = |it: &&Value| it["Action"].as_array().unwrap().contains(&action.into());
            worker["Statement"].as_array().unwrap().iter().find(has).unwrap().clone()
        };
        assert_eq!(
            statement("ssm:GetParameters")["Resource"],
            json!(["arn:aws:ssm:*:*:parameter/kiln/clusters/demo/token"])
        );
        let vpc = json!({ "ec2:Vpc": ["arn:aws:ec2:*:*:vpc/vpc-0a1b2c3d"] });
        assert_eq!(statement("ec2:ReplaceRoute")["Condition"], json!({ "ArnLike": vpc }));
        assert_eq!(
            statement("ec2:ModifyNetworkInterfaceAttribute")["Condition"],
            json!({
                "ArnLike": vpc,
                "Null": { "ec2:Attribute/SourceDestCheck": ["false"] },
                "StringLike": { "aws:ResourceTag/kiln:cluster": ["demo"] },
            })
        );
    }

    #[test]
    fn services_have_the_names_of_their_partition() {
        let text = |partition: &str| document(Who::Publisher, &Scope::of(partition).unwrap()).to_string();
        assert!(
            text("aws-cn").contains("\"ec2.*.amazonaws.com.cn\"")
                && text("aws").contains("\"ec2.*.amazonaws.com\"")
        );
        assert_eq!(Scope::of("mars"), None);
    }

    #[test]
    fn actions_with_the_same_resources_and_condition_share_a_statement() {
        let scope = Scope::of("aws-cn").unwrap();
        let document = document(Who::Publisher, &scope);
        let statements = document["Statement"].as_array().unwrap();
        let of = |statement: &Value| (statement["Resource"].to_string(), statement["Condition"].to_string());
        let mut kinds: Vec<_> = statements.iter().map(of).collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), statements.len());
    }
}
