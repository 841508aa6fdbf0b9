// SPDX-License-Identifier: Apache-2.0
//! Why a node is not finished: each reason names the unmet condition and the fix in one line, and has its exit code.
//!
//! No secret goes into a reason: it ends on the console.

use std::net::IpAddr;

use crate::exit::Exit;

/// Why a run waits or ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// The recorded identity belongs to another machine.
    #[error(
        "this disk was made a node as instance {recorded}, but the machine is {live}: a cloned disk; start from a fresh image, or empty /var/lib/kiln and /var/lib/kubelet"
    )]
    Cloned {
        /// In identity.json.
        recorded: String,
        /// Of the machine.
        live: String,
    },
    /// No settings, SMBIOS or machine id says which machine this is.
    #[error(
        "nothing tells this machine from its clones: neither SMBIOS' UUID nor /etc/machine-id is set; set node.instance_id"
    )]
    NoInstance,
    /// The name can't be a Node's.
    #[error(
        "{0:?} can't be a Node's name (lower-case letters, digits, '-' and '.', a letter or digit at both ends, 63 at most); set node.name or the host name"
    )]
    Name(String),
    /// The host name is the one of machines that have none.
    #[error(
        "the host name is {0:?}, which is every machine's that nobody has named; set node.name, or have DHCP or /etc/hostname give one"
    )]
    NoName(String),
    /// The API server's name has no address, so the way to it is not known either.
    #[error(
        "{0}, the API server's name in api.endpoint, can't be resolved, so this node does not know its own address; check the resolver (/etc/resolv.conf), or set node.addresses"
    )]
    Unresolved(String),
    /// Settings and the node's addresses can't be together, whatever block there will be.
    #[error("{why}")]
    Unfitting {
        /// In the words of what checked it.
        why: String,
        /// Whether the settings name the addresses, so that no others will come.
        is_set: bool,
    },
    /// There is no route yet.
    #[error(
        "no route to the API server's address, so this node has no address of its own; check the network, or set node.addresses"
    )]
    NoAddress,
    /// Two addresses of one family.
    #[error(
        "{0} and {1} both are source addresses towards the API servers; set node.addresses to the one that nodes reach this machine at"
    )]
    Ambiguous(IpAddr, IpAddr),
    /// A file of kiln's own is not what kiln writes.
    #[error("{path} is not what kiln writes: {why}; look at it, and remove it if it is nobody's")]
    Broken {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A record that this kiln can't read and another one could.
    #[error(
        "{path} was written by a newer kiln ({why}); boot the image that wrote it, or a later one; removed, this machine would take another claim beside the one it has"
    )]
    Newer {
        /// The file.
        path: String,
        /// What is not known.
        why: String,
    },
    /// A certificate is needed and there is no token to ask for it.
    #[error(
        "no bootstrap token, and no certificate on the disk; make one with 'kiln token create' and give it as the credential kiln.token or as node.token_file"
    )]
    NoToken,
    /// What was given as the token is none.
    #[error("the bootstrap token is needed for a certificate, and can't be used: {0}")]
    BadToken(String),
    /// The certificate's time is over and there is no token for another one.
    #[error(
        "kubelet's certificate has expired and there is no bootstrap token to get another one; make one with 'kiln token create' and give it as the credential kiln.token"
    )]
    Expired,
    /// The certificate on the disk is not this node's.
    #[error(
        "/var/lib/kubelet/pki/kubelet-client-current.pem does not fit this node: {0}; remove it if it is nobody's"
    )]
    Unfit(String),
    /// The request was denied.
    #[error("certificate request {name} was denied: {why}; delete it after removing the cause")]
    Denied {
        /// The request's name.
        name: String,
        /// In the words of whoever denied it.
        why: String,
    },
    /// The signer gave up.
    #[error("certificate request {name} failed: {why}; see kube-controller-manager's log")]
    SignerFailed {
        /// The request's name.
        name: String,
        /// In the signer's words.
        why: String,
    },
    /// A request of that name holds another key or subject.
    #[error("certificate request {0} is not this machine's; delete it")]
    ForeignRequest(String),
    /// The signed certificate can't be used.
    #[error("the certificate that {name} answers can't be used: {why}; is api.ca this cluster's?")]
    Unusable {
        /// The request's name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody has signed yet.
    #[error(
        "certificate request {0} waits for approval; does kube-controller-manager run, and may the token's group be approved (system:certificates.k8s.io:certificatesigningrequests:nodeclient)?"
    )]
    Pending(String),
    /// The name is taken.
    #[error(
        "the name {name} is held by another machine ({by}); name this one differently, or delete the Node {name} if that machine is gone"
    )]
    NameHeld {
        /// The Node.
        name: String,
        /// What tells the other machine.
        by: String,
    },
    /// No pool.
    #[error("the cluster has no ConfigMap kiln-ipam/pool yet; the control plane makes it")]
    NoPool,
    /// The pool can't be read.
    #[error("ConfigMap kiln-ipam/pool is wrong: {0}")]
    BadPool(String),
    /// The pool is not the one this image was baked for.
    #[error(
        "the cluster's pool is {pool}, the settings say {settings}; one of them belongs to another cluster"
    )]
    PoolDiffers {
        /// Ranges and block prefixes of the ConfigMap.
        pool: String,
        /// Those of the settings.
        settings: String,
    },
    /// The mode needs an index that settings or address do not give.
    #[error("the cluster's addressing is {addressing}, and {why}")]
    NoIndex {
        /// The mode's word.
        addressing: &'static str,
        /// What is missing.
        why: String,
    },
    /// The only index that will do is somebody else's.
    #[error("block {index} is held by {by}; this node can have no other")]
    Taken {
        /// The index.
        index: u32,
        /// The holder.
        by: String,
    },
    /// The only index that will do is claimed by a Node of this name that is gone.
    #[error(
        "block {index} is still claimed for an earlier Node of this name; the garbage collector frees it: does kube-controller-manager run?"
    )]
    Former {
        /// The index.
        index: u32,
    },
    /// A claim for this Node that another installation made.
    #[error(
        "block {index} is claimed for this very Node by another machine or an earlier installation of this one; delete the Node, and this machine makes a new one"
    )]
    Twin {
        /// The index.
        index: u32,
    },
    /// No free block.
    #[error(
        "the pool is exhausted: {used} of {total} blocks are used; delete Nodes that are gone, or make a larger pool"
    )]
    Exhausted {
        /// Blocks that a consistent list showed in use.
        used: u32,
        /// Blocks that nodes can have.
        total: u32,
    },
    /// Nothing is recorded that could be verified.
    #[error("no claim is recorded on this machine; kiln-firstboot.service makes one")]
    NoClaim,
    /// The server lacks something that kiln relies on.
    #[error("the API server is {0}; nodes could take each other's blocks there: upgrade the control plane")]
    TooOld(String),
    /// Somebody else has set podCIDRs.
    #[error("Node {name} has podCIDRs {found}, which kiln did not set{}: a second allocator is at work; turn kube-controller-manager's nodeipam off, or the cloud's, and delete the Node", ours.as_ref().map(|ours| format!(" (the claim is {ours})")).unwrap_or_default())]
    SecondAllocator {
        /// The Node.
        name: String,
        /// What stands there.
        found: String,
        /// What the claim says.
        ours: Option<String>,
    },
    /// The cluster's allocator has not come yet.
    #[error(
        "Node {0} has no podCIDRs yet; the pool says that kube-controller-manager sets them: does its nodeipam run?"
    )]
    NoBlock(String),
    /// The claim is gone, and pods may run on its block.
    #[error(
        "the claim on {blocks} is lost ({why}), and pods may be running on it; start kiln-repair.service"
    )]
    Lost {
        /// The blocks.
        blocks: String,
        /// Absent, or whose it is now.
        why: String,
    },
    /// The machine's own network and the block can't be together.
    #[error("this node's block {blocks} and its own network contradict each other: {why}")]
    Contradiction {
        /// The blocks.
        blocks: String,
        /// In the words of what checked it.
        why: String,
    },
    /// Address, CA or credential can't be used at all.
    #[error("the API server can't be asked: {0}; check api.endpoint and api.ca")]
    Access(String),
    /// The control plane's files are not right, everything at once.
    #[error("the control plane's files: {0}")]
    Files(String),
    /// The control plane's files are not right, and the clock may be to blame.
    #[error("the control plane's files: {0}; kiln never sets the clock")]
    FilesClock(String),
    /// A file of the phase before is not there.
    #[error("{0} is not there; kiln-firstboot.service makes it ('kiln-firstboot run --phase files')")]
    NotYetFiles(&'static str),
    /// The control plane's own API server.
    #[error("this machine's API server is not ready: {0}; see 'journalctl -u kube-apiserver -u etcd'")]
    NotReady(String),
    /// Settings and cluster disagree about the cluster's objects.
    #[error("the cluster's objects: {0}")]
    Objects(String),
    /// The cluster's objects are not there yet.
    #[error("the cluster's objects: {0}")]
    ObjectsLater(String),
    /// Addons that are not applied, each with its reason.
    #[error("addons are not applied: {0}")]
    Addons(String),
    /// What others are to read is not where they read it.
    #[error("{what}: {why}; see 'kiln policy control-plane' for the rights of the instance's role")]
    Parameters {
        /// What was to be done.
        what: &'static str,
        /// Why it was not.
        why: String,
    },
    /// An address that was promised is not on the machine yet.
    #[error(
        "{0} is to be this machine's address (node.addresses), and is on none of its interfaces yet; attach it, or correct node.addresses"
    )]
    Promised(IpAddr),
    /// The control plane's data volume.
    #[error(transparent)]
    Volume(#[from] super::volume::Trouble),
    /// The block's routes in the VPC.
    #[error(transparent)]
    Vpc(#[from] super::vpc::Fault),
    /// The request never came to an answer, or to an unwelcome one.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A request that brought no answer, or a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// Nothing was sent: no name, no route, connection refused.
    #[error("can't reach the API server: {0}; check api.endpoint and the network")]
    Unreachable(String),
    /// Something may have been sent, and may have had its effect.
    #[error("the API server did not answer: {0}")]
    Unanswered(String),
    /// 429, or 503 with Retry-After.
    #[error("the API server asks to come back later")]
    Busy {
        /// Seconds, where it says so.
        retry_after_s: Option<u64>,
    },
    /// 401.
    #[error(
        "the API server does not know this credential: {0}; a bootstrap token may have expired ('kiln token create' makes another)"
    )]
    Unauthorized(String),
    /// 403 by RBAC or the Node authorizer.
    #[error("the API server forbids it: {0}; have the cluster's bootstrap objects been applied?")]
    Forbidden(String),
    /// A policy or validation said no: the same request will never pass.
    #[error("the API server refuses it: {0}")]
    Refused(String),
    /// The server's certificate does not fit.
    #[error("the API server's certificate is not good: {0}; check api.ca and api.endpoint")]
    Untrusted(String),
    /// The server's certificate fails for its time only.
    #[error("this machine's clock is wrong: {0}; kiln never sets the clock, check time synchronisation")]
    Clock(String),
    /// The answer is none of Kubernetes.
    #[error("the API server's answer can't be understood: {0}; check api.endpoint")]
    Nonsense(String),
}

/// Tries of a request that is refused for rights. They may lag: a policy or binding takes about a second to be seen
/// (measured: 0.9 s), and at a cluster's birth nodes get theirs last.
const REFUSALS_MAX: u32 = 8;

impl Reason {
    /// Returns that a record can't be read. Whatever this kiln does not know was known to whoever wrote it.
    pub fn unread(path: &str, why: &str) -> Self {
        let (path, why) = (path.to_owned(), why.to_owned());
        // serde's words for a key or value that the type does not have.
        if why.starts_with("unknown field") || why.starts_with("unknown variant") {
            Self::Newer { path, why }
        } else {
            Self::Broken { path, why }
        }
    }

    /// Returns whether waiting can't help, so that the run ends.
    pub fn is_final(&self) -> bool {
        match self {
            Self::NoAddress
            | Self::Unresolved(_)
            | Self::Pending(_)
            | Self::NoPool
            | Self::NoBlock(_)
            | Self::NotReady(_)
            | Self::NotYetFiles(_)
            | Self::ObjectsLater(_)
            | Self::Addons(_)
            | Self::Parameters { .. }
            | Self::Promised(_)
            | Self::Former { .. } => false,
            Self::Volume(trouble) => trouble.is_final(),
            Self::Vpc(fault) => fault.is_final(),
            Self::Fault(fault) => {
                matches!(fault, Fault::Refused(_) | Fault::Untrusted(_) | Fault::Clock(_))
            }
            _ => true,
        }
    }

    /// Returns why the cluster's objects are not there.
    pub fn of_bootstrap(stuck: super::bootstrap::Stuck) -> Self {
        match stuck.exit {
            Exit::TryAgain => Self::ObjectsLater(stuck.reason),
            _ => Self::Objects(stuck.reason),
        }
    }

    /// Returns that addons failed, unless none did.
    pub fn of_addons(failures: Vec<String>) -> Option<Self> {
        (!failures.is_empty()).then(|| Self::Addons(failures.join("; ")))
    }

    /// Returns the exit code of a run that ends for this reason.
    pub fn exit(&self) -> Exit {
        match self {
            // Waiting inside the run would only repeat the list; the unit comes back.
            Self::Exhausted { .. } | Self::FilesClock(_) | Self::Fault(Fault::Clock(_)) => Exit::TryAgain,
            // The network may bring a name, or an address of the other family.
            Self::NoName(_) | Self::Unfitting { is_set: false, .. } => Exit::TryAgain,
            Self::Vpc(fault) if !fault.is_configuration() => Exit::TryAgain,
            Self::Lost { .. } | Self::NoClaim => Exit::Failed,
            reason if reason.is_final() => Exit::Config,
            _ => Exit::TryAgain,
        }
    }

    /// Returns how often in a row a run waits for this.
    pub fn waits_max(&self) -> u32 {
        match self {
            Self::Fault(Fault::Unauthorized(_) | Fault::Forbidden(_) | Fault::Nonsense(_)) => REFUSALS_MAX,
            Self::Vpc(fault) => fault.waits_max(),
            // The deadline of the run is what ends these.
            _ => u32::MAX,
        }
    }

    /// Returns how long the server asked to wait, in seconds.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Fault(Fault::Busy { retry_after_s }) => *retry_after_s,
            _ => None,
        }
    }
}
