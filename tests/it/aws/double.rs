// SPDX-License-Identifier: Apache-2.0
//! A strict double of the parts of EC2, the EBS direct APIs and Systems Manager that kiln publishes and launches with: it refuses what
//! the documentation says is refused and moto lets pass. Each rule cites its page. Faults, delays and lags come as a test
//! says; everything else is as on a good day.

// With their paths, since the benchmark has this file under another name.
#[path = "double/autoscaling.rs"]
pub mod autoscaling;
#[path = "double/ebs.rs"]
pub mod ebs;
#[path = "double/ec2.rs"]
pub mod ec2;
#[path = "double/instances.rs"]
pub mod instances;
#[path = "double/ssm.rs"]
pub mod ssm;
#[path = "double/vpc.rs"]
pub mod vpc;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kiln::digest::Digest;

use super::http::{Manner, Reply, Request, Server};

/// The only access key that it knows.
pub const KEY: &str = "AKIDDOUBLE0000000000";

/// A call as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Counts all calls, from 1.
    pub number: usize,
    pub region: String,
    /// As policies name it: `ec2:RegisterImage`.
    pub action: String,
    /// What it is about: a snapshot and block, a name.
    pub about: String,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It is refused: status, code, message, and the reason that EBS gives.
    Refuse(u16, &'static str, &'static str, Option<&'static str>),
    /// The connection ends and nothing has happened.
    CutBefore,
    /// It happens, and the connection ends without an answer.
    CutAfter,
    /// Nothing comes, and nothing has happened.
    Silence,
    /// The answer comes late.
    Late(Duration),
    /// The first byte of the answer is turned over on the way.
    Damage,
}

/// Decides what happens to each call.
pub type Faults = Box<dyn FnMut(&Call) -> Fault + Send>;

/// How the service behaves on this day.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// So many calls about a new thing are answered as if it were not there.
    pub lag: u32,
    /// So many looks find a new thing pending.
    pub slow: u32,
    /// Blocks are judged and counted, but their bytes are not kept.
    pub forgets_bytes: bool,
    /// Blocks are believed what their headers say: a sink that costs little, for measuring.
    pub believes: bool,
    /// Results come in pages of so many.
    pub page: Option<usize>,
}

#[derive(Debug, Default)]
pub struct RegionState {
    pub snapshots: BTreeMap<String, ebs::Snapshot>,
    pub images: BTreeMap<String, ec2::Image>,
    pub parameters: BTreeMap<String, ssm::Parameter>,
    pub instances: BTreeMap<String, instances::Instance>,
    pub ground: instances::Ground,
    /// Versions of launch templates by name.
    pub templates: BTreeMap<String, Vec<ec2::Asked>>,
    pub groups: BTreeMap<String, autoscaling::Group>,
    pub tables: BTreeMap<String, vpc::Table>,
    pub encrypts_by_default: bool,
    pub blocks_public: bool,
}

pub struct State {
    pub regions: BTreeMap<String, RegionState>,
    pub calls: Vec<Call>,
    pub faults: Faults,
    pub weather: Weather,
    /// PUTs by region, snapshot and index.
    pub puts: BTreeMap<(String, String, u64), usize>,
    next_id: u64,
}

impl State {
    pub fn region(&mut self, name: &str) -> &mut RegionState {
        self.regions.entry(name.to_owned()).or_default()
    }

    pub fn new_id(&mut self, kind: &str) -> String {
        self.next_id += 1;
        format!("{kind}-{:017x}", self.next_id)
    }
}

/// The double.
pub struct Double {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Double {
    pub fn start(weather: Weather) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), weather)
    }

    /// Starts on a listener, which may be in another network.
    pub fn on(listener: TcpListener, weather: Weather) -> Self {
        let state = State {
            regions: BTreeMap::new(),
            calls: Vec::new(),
            faults: Box::new(|_| Fault::None),
            weather,
            puts: BTreeMap::new(),
            next_id: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        Self { state, server: Server::on(listener, None, move |request| answer(&shared, request)) }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn set_faults(&self, faults: impl FnMut(&Call) -> Fault + Send + 'static) {
        self.state().faults = Box::new(faults);
    }

    pub fn no_faults(&self) {
        self.set_faults(|_| Fault::None);
    }

    /// Every action that was called.
    pub fn actions(&self) -> BTreeSet<String> {
        self.state().calls.iter().map(|call| call.action.clone()).collect()
    }

    /// How often an action was called.
    pub fn count(&self, action: &str) -> usize {
        self.state().calls.iter().filter(|call| call.action == action).count()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        let mut state = self.state();
        state.calls.clear();
        state.puts.clear();
    }
}

/// An error as a service words it.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub reason: Option<String>,
}

pub fn refuse(code: &str, message: impl Into<String>) -> Refusal {
    Refusal { status: 400, code: code.to_owned(), message: message.into(), reason: None }
}

impl Refusal {
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

/// Signature Version 4: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
struct Scope {
    key: String,
    region: String,
    service: String,
}

fn scope(request: &Request) -> Option<Scope> {
    let header = request.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ")?;
    let credential = header.split(", ").find_map(|part| part.strip_prefix("Credential="))?;
    let mut parts = credential.split('/').map(str::to_owned);
    let (key, _, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(Scope { key, region, service })
}

fn answer(state: &Mutex<State>, request: Request) -> Reply {
    let Some(Scope { key, region, service }) = scope(&request) else {
        return ec2::refused(&refuse("MissingAuthenticationToken", "the request is not signed").status(403));
    };
    let mut state = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (action, about) = match service.as_str() {
        "ec2" => ec2::action(&request),
        "ebs" => ebs::action(&request),
        "autoscaling" => autoscaling::action(&request),
        _ => ssm::action(&request),
    };
    let number = state.calls.len() + 1;
    let call = Call { number, region: region.clone(), action, about };
    state.calls.push(call.clone());
    let refused = |refusal: &Refusal| match service.as_str() {
        "ec2" => ec2::refused(refusal),
        "ebs" => ebs::refused(refusal),
        "autoscaling" => autoscaling::refused(refusal),
        _ => ssm::refused(refusal),
    };
    if key != KEY {
        let code = if service == "ec2" { "AuthFailure" } else { "UnrecognizedClientException" };
        return refused(&refuse(code, "the security token included in the request is invalid").status(403));
    }
    let mut faults = std::mem::replace(&mut state.faults, Box::new(|_| Fault::None));
    let fault = faults(&call);
    state.faults = faults;
    let serve = |state: &mut State| match service.as_str() {
        "ec2" => ec2::serve(state, &region, &request),
        "ebs" => ebs::serve(state, &region, &request),
        "autoscaling" => autoscaling::serve(state, &region, &request),
        _ => ssm::serve(state, &region, &request),
    };
    let manner = |manner: Manner, mut reply: Reply| {
        reply.manner = manner;
        reply
    };
    match fault {
        Fault::None => serve(&mut state),
        Fault::Refuse(status, code, message, reason) => {
            let refusal = refuse(code, message).status(status);
            refused(&reason.map_or(refusal.clone(), |reason| refusal.because(reason)))
        }
        Fault::CutBefore => manner(Manner::Cut, Reply::new(200, "", "")),
        Fault::CutAfter => manner(Manner::Cut, serve(&mut state)),
        Fault::Silence => manner(Manner::Silence, Reply::new(200, "", "")),
        Fault::Damage => {
            let mut reply = serve(&mut state);
            reply.body[0] = !reply.body[0];
            reply
        }
        Fault::Late(delay) => {
            let mut reply = serve(&mut state);
            reply.delay = delay;
            reply
        }
    }
}

/// Takes one from a countdown; returns whether it was still running.
pub fn tick(left: &mut u32) -> bool {
    let runs = *left > 0;
    *left = left.saturating_sub(1);
    runs
}

/// What a published snapshot holds: the digest of every block that is not zero, its parent's where it has none of its own.
pub fn content(region: &RegionState, snapshot: &str) -> BTreeMap<u64, Digest> {
    let snapshot = &region.snapshots[snapshot];
    let mut blocks = snapshot.parent.as_ref().map(|parent| content(region, parent)).unwrap_or_default();
    blocks.extend(snapshot.blocks.iter().map(|(index, block)| (*index, block.digest)));
    let zeros = Digest::of(&vec![0; kiln::blocks::BLOCK as usize]);
    blocks.retain(|_, digest| *digest != zeros);
    blocks
}
