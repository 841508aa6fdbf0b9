// SPDX-License-Identifier: Apache-2.0
//! Names that more than one part of kiln uses in a cluster: who writes them and who reads them must agree.

/// What kiln's own annotations and labels begin with; the policies' YAML spells it out.
pub const PREFIX: &str = "kiln.dev/";

/// Annotation of a Node, of the pool or of its namespace: its deletion is meant although blocks are in use.
pub const ALLOW_DELETE: &str = "kiln.dev/allow-delete";

/// Annotation of a Node: the instance id of the machine that made it.
pub const INSTANCE: &str = "kiln.dev/instance";

/// Annotation of a Node: the report of its birth.
pub const REPORT: &str = "kiln.dev/first-boot";

/// Label of a Node that mirrors its IPv4 block, '/' as '_'. It is for people; kiln never acts on it.
pub const MIRROR: &str = "ipblock";

/// The group of every node's own certificate.
pub const NODES: &str = "system:nodes";

/// What a node's user name begins with; the Node's name follows.
pub const NODE_USER: &str = "system:node:";

/// The group of the cluster's administrators, as kubeadm 1.29 and later name it.
pub const ADMINS: &str = "kubeadm:cluster-admins";

/// Below a cluster's path of parameters: its CA certificates.
pub const SHARED_CA: &str = "ca";

/// Below a cluster's path of parameters: its operator's certificate.
pub const SHARED_OPERATOR: &str = "operator";

/// Below a cluster's path of parameters: the token that machines of its groups join with.
pub const SHARED_TOKEN: &str = "token";

/// The group of the bootstrap tokens that workers join with.
pub const BOOTSTRAPPERS: &str = "system:bootstrappers:kiln:worker";
