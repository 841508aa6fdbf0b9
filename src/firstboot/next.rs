// SPDX-License-Identifier: Apache-2.0
//! The order of a node's birth, top to bottom: the first thing that is missing is what is done next.
//!
//! Pure. That a step is never done twice, or a finished node never touched, is promised by no step: a met need yields
//! none. A request that brought no answer is made again, under the same name, as nothing here has changed by it.

mod choice;
mod claimed;
mod credential;
mod held;
mod routes;

use super::claim::Record;
use super::identity::{self, Identity};
use super::machine::Machine;
use super::network::problem;
use super::observed::{Found, Observed, Version};
use super::plane;
use super::reason::Reason;
use super::step::{Step, listed};
use crate::settings::{Role, Settings};

use claimed::{claimed, pool, registered};
use credential::{credential, has_certificate, is_signing};
use held::{held, still_held};
use routes::routes;

/// The folder of what kiln records.
pub const STATE: &str = "/var/lib/kiln";
/// Where the machine's identity is recorded.
pub const IDENTITY: &str = "/var/lib/kiln/identity.json";
/// Where the claim is recorded.
pub const CLAIM: &str = "/var/lib/kiln/claim.json";
/// Where it is recorded that the VPC leads to the block.
pub const ROUTES: &str = "/var/lib/kiln/routes.json";
/// Where the private key waits for its certificate.
pub const KEY: &str = "/var/lib/kiln/kubelet-client.key";

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Do this, then look again.
    Do(Step),
    /// Wait a little, then look again.
    Wait(Reason),
    /// Everything holds.
    Done,
    /// This run can do no more.
    Stuck(Reason),
}

/// A decision that ends the turn early, so that each part reads as a list of demands.
pub(super) type Part<T> = Result<T, Next>;

/// Returns what comes next for a worker.
pub fn next(want: &Settings, seen: &Observed) -> Next {
    birth(want, seen).err().unwrap_or(Next::Done)
}

/// Returns what comes next for a node that asks whether its claim is still its own. It judges and repairs nothing; its
/// caller says in [`Observed::machine`] that pods may be running.
pub fn verify(want: &Settings, seen: &Observed) -> Next {
    let judge = || -> Part<()> {
        // Where nothing is recorded, nothing is either.
        let record = match held(seen)? {
            Some(record) if seen.disk.identity != Found::Missing => record,
            _ => return stuck(Reason::NoClaim),
        };
        identity(want, seen)?;
        trouble(seen)?;
        still_held(seen, record).map(drop)
    };
    judge().err().unwrap_or(Next::Done)
}

/// Returns a request that leans on none of the changes of this machine that are due before it, so that it may be under way
/// meanwhile. What its answer is worth, [`next`] says: it asks for the same when all of them are done.
///
/// What needs no certificate is written while that is being signed; it is used as soon as it is there, since its key is
/// durable and the server has it for whoever asks again; files are written while the server says which version it is; and a
/// warm boot asks for its claim while it is still looking.
pub fn ahead(want: &Settings, seen: &Observed) -> Option<Step> {
    let asked = || -> Part<()> {
        identity(want, seen)?;
        if seen.trouble.is_some() {
            return Ok(());
        }
        match held(seen)? {
            Some(record) => still_held(seen, record).and_then(|_| version(want, seen)),
            None if has_certificate(seen) => registered(seen).map(drop),
            None if is_signing(seen) => act(Step::AwaitRequest),
            None => Ok(()),
        }
    };
    match asked() {
        Err(Next::Do(step)) if step.is_request() => Some(step),
        _ => None,
    }
}

fn birth(want: &Settings, seen: &Observed) -> Part<()> {
    let identity = identity(want, seen)?;
    trouble(seen)?;
    credential(seen)?;
    let record = match held(seen)? {
        Some(record) => still_held(seen, record)?,
        None => {
            let node = registered(seen)?;
            let pool = pool(want, seen)?;
            claimed(want, seen, identity, node, pool)?
        }
    };
    network(want, seen, record)?;
    if let Some(path) = seen.disk.leftovers.first() {
        return act(Step::Remove(path.clone()));
    }
    report(seen)
}

fn act<T>(step: Step) -> Part<T> {
    Err(Next::Do(step))
}

fn stuck<T>(reason: impl Into<Reason>) -> Part<T> {
    Err(Next::Stuck(reason.into()))
}

/// Decided once it rests on something, and never believed on another machine.
pub(super) fn identity<'a>(want: &Settings, seen: &'a Observed) -> Part<&'a Identity> {
    let identity = match &seen.disk.identity {
        Found::Is(identity) => identity,
        Found::Broken(why) => return stuck(Reason::unread(IDENTITY, why)),
        Found::Missing => {
            if let Some(address) = seen.machine.awaited.first() {
                return Err(Next::Wait(Reason::Promised(*address)));
            }
            return match decided(want, &seen.machine) {
                Ok(identity) => act(Step::RecordIdentity(identity)),
                Err(reason) if reason.is_final() => stuck(reason),
                Err(reason) => Err(Next::Wait(reason)),
            };
        }
    };
    match &seen.machine.instance_id {
        Some(live) if *live != identity.instance_id => {
            stuck(Reason::Cloned { recorded: identity.instance_id.clone(), live: live.clone() })
        }
        // A machine that says nothing today (a BIOS that hides its UUID) is no other machine for that.
        _ if seen.is_settled() || plane::is_meant(want) => Ok(identity),
        // Nobody has been told of it yet, so settings that were corrected meanwhile count.
        _ => match decided(want, &seen.machine) {
            Ok(anew) if anew != *identity => act(Step::RecordIdentity(anew)),
            Err(reason @ Reason::Unfitting { .. }) => stuck(reason),
            _ => Ok(identity),
        },
    }
}

/// Who the machine is, if that can be a node of this cluster: what can't is known before anything is registered.
fn decided(want: &Settings, machine: &Machine) -> Result<Identity, Reason> {
    let identity = identity::decide(&want.node, machine)?;
    match problem::of_node(want, &identity).first() {
        Some(problem) => {
            let is_set = !want.node.addresses.is_empty();
            Err(Reason::Unfitting { why: problem.to_string(), is_set })
        }
        None => Ok(identity),
    }
}

/// A request that failed is waited for; but a cluster whose control plane is down must survive reboots, so a node with
/// a recorded claim goes on without an answer when its patience is over. Its claim can't be taken meanwhile: nothing
/// but the garbage collector deletes it, after its Node, and that needs the control plane too.
fn trouble(seen: &Observed) -> Part<()> {
    match &seen.trouble {
        None => Ok(()),
        Some(_) if seen.is_held() && seen.is_patience_over => Ok(()),
        Some(reason) if reason.is_final() && !seen.is_held() => stuck(reason.clone()),
        Some(reason) => Err(Next::Wait(reason.clone())),
    }
}

/// Files first, then what an earlier block left behind, then routes elsewhere, and last the file whose presence turns the
/// node ready.
fn network(want: &Settings, seen: &Observed, record: &Record) -> Part<()> {
    if !seen.machine.has_uplink {
        // Without a network, what was rendered at an earlier boot stays as it is.
        return if seen.is_patience_over { Ok(()) } else { Err(Next::Wait(Reason::NoAddress)) };
    }
    if let Some(why) = &seen.machine.contradiction {
        return stuck(Reason::Contradiction { blocks: listed(&record.blocks), why: why.clone() });
    }
    if let Some(path) = seen.disk.files.first() {
        return act(Step::Write(path.clone()));
    }
    if let Some(what) = seen.machine.stale.first() {
        return act(Step::Repair(what.clone()));
    }
    routes(want, seen, record)?;
    version(want, seen)?;
    match &seen.disk.last {
        Some(path) => act(Step::Write(path.clone())),
        None => Ok(()),
    }
}

/// Before the node turns ready for the first time: after podCIDRs, for which others wait. A control plane has asked its own
/// server before, and a warm boot asks nothing more.
fn version(want: &Settings, seen: &Observed) -> Part<()> {
    match &seen.server.version {
        Version::Unasked if seen.disk.last.is_some() && want.role == Role::Worker => act(Step::AskVersion),
        Version::TooOld(version) => stuck(Reason::TooOld(version.clone())),
        _ => Ok(()),
    }
}

/// Once, by the run that recorded the claim: a warm boot writes nothing to the server.
fn report(seen: &Observed) -> Part<()> {
    if seen.server.is_birth && !seen.server.is_reported {
        return act(Step::Report);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
