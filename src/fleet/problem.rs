// SPDX-License-Identifier: Apache-2.0
//! What can disagree, in words: what was found, and what to do.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};
use serde_json::json;

/// Something that disagrees. Names that a stranger may have chosen are one clean line here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Problem {
    /// An instance that should have become a Node by now.
    InstanceWithoutNode {
        /// The instance.
        instance: String,
    },
    /// A Node whose instance is not there.
    NodeWithoutInstance {
        /// The Node's name.
        node: String,
        /// The instance that it names, or what else it has for a providerID.
        instance: String,
    },
    /// A Node whose instance does not run.
    NodeOfEnded {
        /// The Node's name.
        node: String,
        /// The instance.
        instance: String,
        /// How far that one is.
        state: String,
    },
    /// More than one Node says that it is the same instance.
    TwoNodes {
        /// The instance.
        instance: String,
        /// The Nodes' names.
        nodes: Vec<String>,
    },
    /// A Node's addresses are none of its instance's.
    OtherAddress {
        /// The Node's name.
        node: String,
        /// What it says.
        said: Vec<IpAddr>,
        /// What its instance has.
        right: Vec<IpAddr>,
    },
    /// A Node that should have a block by now.
    NodeWithoutBlock {
        /// The Node's name.
        node: String,
    },
    /// A table does not lead the block anywhere.
    RouteMissing {
        /// The Node's name.
        node: String,
        /// Its block.
        block: IpNet,
        /// The table.
        table: String,
    },
    /// A table leads the block to something else.
    RouteElsewhere {
        /// The Node's name.
        node: String,
        /// Its block.
        block: IpNet,
        /// The table.
        table: String,
        /// Where the route leads.
        target: String,
        /// Where it should lead.
        right: String,
    },
    /// A table leads the block to something that is not there.
    BlackHole {
        /// The Node's name.
        node: String,
        /// Its block.
        block: IpNet,
        /// The table.
        table: String,
        /// Where the route leads.
        target: String,
    },
    /// A more specific route takes packets away from a block.
    RouteInside {
        /// The Node's name.
        node: String,
        /// Its block.
        block: IpNet,
        /// The table.
        table: String,
        /// The range of that route.
        destination: IpNet,
        /// Where it leads.
        target: String,
    },
    /// A subnet has no route table.
    NoTable {
        /// The subnet.
        subnet: String,
    },
    /// An instance drops its pods' packets.
    SourceCheck {
        /// The instance.
        instance: String,
    },
    /// An instance of another image.
    OtherImage {
        /// The instance.
        instance: String,
        /// Its image.
        image: String,
        /// The image that it should be of.
        right: String,
    },
    /// The parameter that names the image is not there.
    NoImage {
        /// Its name.
        parameter: String,
    },
}

/// For programs, each with its sentence.
pub(super) fn described<S: Serializer>(problems: &[Problem], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(problems.iter().map(|problem| {
        let mut value = json!(problem);
        value["text"] = problem.to_string().into();
        value
    }))
}

fn listed<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstanceWithoutNode { instance } => write!(
                f,
                "instance {instance} has run for ten minutes and is no Node: see its console, or kiln-firstboot explain on it"
            ),
            Self::NodeWithoutInstance { node, instance } if instance.starts_with("i-") => write!(
                f,
                "Node {node}: the cluster has no instance {instance}; delete the Node, and its block is free"
            ),
            Self::NodeWithoutInstance { node, instance } => {
                write!(f, "Node {node} is no instance of the cluster: its providerID is {instance:?}")
            }
            Self::NodeOfEnded { node, instance, state } => write!(
                f,
                "Node {node}: its instance {instance} is {state}; if it does not come back, delete the Node, and its block is \
                 free"
            ),
            Self::TwoNodes { instance, nodes } => {
                write!(
                    f,
                    "instance {instance} is more than one Node: {}; delete those that are not Ready",
                    listed(nodes)
                )
            }
            Self::OtherAddress { node, said, right } => {
                write!(
                    f,
                    "Node {node} says that its address is {}; its instance has {}",
                    listed(said),
                    listed(right)
                )
            }
            Self::NodeWithoutBlock { node } => {
                write!(
                    f,
                    "Node {node} holds no block, long after it was made: see kiln-firstboot explain on it"
                )
            }
            Self::RouteMissing { node, block, table } => {
                write!(
                    f,
                    "{table} has no route to {block} of Node {node}: kiln-firstboot run on it makes one"
                )
            }
            Self::RouteElsewhere { node, block, table, target, right } => write!(
                f,
                "{table} leads {block} of Node {node} to {target} instead of {right}: kiln-firstboot run on it leads it there"
            ),
            Self::BlackHole { node, block, table, target } => {
                write!(f, "{table} leads {block} of Node {node} into a black hole: {target} is not there")
            }
            Self::RouteInside { node, block, table, destination, target } => write!(
                f,
                "{table} leads {destination} to {target}, out of the block {block} of Node {node}: remove that route"
            ),
            Self::NoTable { subnet } => {
                write!(
                    f,
                    "subnet {subnet} has no route table, and its VPC shows no main one: is it of this VPC?"
                )
            }
            Self::SourceCheck { instance } => write!(
                f,
                "instance {instance} drops its pods' packets: its source/destination check is on; kiln-firstboot run on it \
                 switches it off"
            ),
            Self::OtherImage { instance, image, right } => {
                write!(f, "instance {instance} is of {image} instead of {right}: replace it")
            }
            Self::NoImage { parameter } => {
                write!(
                    f,
                    "the parameter {parameter} is not there, so nobody knows of which image instances should be"
                )
            }
        }
    }
}
