// SPDX-License-Identifier: Apache-2.0
//! What came of the smoke test: from each node to each node, to the Service by its address and by its name.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The pod on this node, by its address.
    Node(String),
    /// The Service, by its address.
    Service,
    /// The Service, by its name.
    Name,
}

/// One question and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The node whose pod asked.
    pub from: String,
    /// Whom it asked.
    pub to: Target,
    /// Why it is not as it should be; none: it is.
    pub trouble: Option<String>,
}

/// All of them, by the node that asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Matrix(pub Vec<Cell>);

impl Matrix {
    /// Returns whether everything is as it should be.
    pub fn is_green(&self) -> bool {
        self.0.iter().all(|cell| cell.trouble.is_none())
    }
}

/// Judges what a pod told of its fetch: that it was answered, by whom it should be, and that the answering end saw the
/// asking pod's own address, since nothing may masquerade what pods send one another.
pub fn judge(told: &Value, asker_ip: &str, to: &Target) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if told["status"] != 200 {
        let why = text(&told["error"]);
        return Some(if why.is_empty() { format!("status {}", told["status"]) } else { why });
    }
    let answer: Value = serde_json::from_str(&text(&told["body"])).unwrap_or_default();
    let (node, client) = (text(&answer["node"]), text(&answer["client"]));
    match to {
        Target::Node(wanted) if node != *wanted => Some(format!("{node:?} answered")),
        Target::Node(_) if client != asker_ip => Some(format!("it was seen as {client}, not {asker_ip}")),
        _ if node.is_empty() => Some("the answer is not the smoke server's".to_owned()),
        _ => None,
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node(name) => name,
            Self::Service => "SERVICE",
            Self::Name => "BY NAME",
        })
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = "";
        for cell in self.0.iter().take_while(|cell| cell.from == self.0[0].from) {
            write!(f, "{}{:<12}", if line.is_empty() { "FROM \\ TO    " } else { "" }, cell.to.to_string())?;
            line = &cell.from;
        }
        line = "";
        for Cell { from, to: _, trouble } in &self.0 {
            if line != from {
                write!(f, "\n{from:<13}")?;
                line = from;
            }
            write!(f, "{:<12}", if trouble.is_none() { "ok" } else { "FAILED" })?;
        }
        for Cell { from, to, trouble } in &self.0 {
            if let Some(trouble) = trouble {
                write!(f, "\n{from} to {to}: {trouble}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(node: &str, client: &str) -> Value {
        json!({ "status": 200, "body": json!({ "node": node, "client": client }).to_string() })
    }

    #[test]
    fn an_answer_counts_if_the_right_one_gave_it_to_the_right_one() {
        let to = Target::Node("worker-1".into());
        assert_eq!(judge(&told("worker-1", "10.1.0.2"), "10.1.0.2", &to), None);
        let trouble = |told: &Value, to: &Target| judge(told, "10.1.0.2", to).unwrap();
        assert_eq!(trouble(&told("worker-2", "10.1.0.2"), &to), "\"worker-2\" answered");
        assert_eq!(trouble(&told("worker-1", "10.0.2.11"), &to), "it was seen as 10.0.2.11, not 10.1.0.2");
        assert_eq!(judge(&told("worker-2", "10.0.2.11"), "10.1.0.2", &Target::Service), None);
        assert_eq!(trouble(&json!({ "status": 0, "error": "no route" }), &to), "no route");
        assert_eq!(
            trouble(&json!({ "status": 200, "body": "hello" }), &Target::Name),
            "the answer is not the smoke server's"
        );
    }

    #[test]
    fn a_matrix_has_a_line_for_each_node_and_one_for_each_trouble() {
        let cell = |from: &str, to, trouble: Option<&str>| Cell {
            from: from.into(),
            to,
            trouble: trouble.map(str::to_owned),
        };
        let matrix = Matrix(vec![
            cell("a", Target::Node("a".into()), None),
            cell("a", Target::Name, None),
            cell("b", Target::Node("a".into()), Some("no route")),
            cell("b", Target::Name, None),
        ]);
        let text = "FROM \\ TO    a           BY NAME     \na            ok          ok          \n\
            b            FAILED      ok          \nb to a: no route";
        assert_eq!((matrix.to_string().as_str(), matrix.is_green()), (text, false));
    }
}
