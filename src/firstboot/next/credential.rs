// SPDX-License-Identifier: Apache-2.0
//! The credential: key, request, certificate, kubeconfig. The key is durable before anybody is asked to sign it.

use super::super::node;
use super::super::observed::{Certificate, Found, Node, Observed, Request};
use super::super::reason::{Fault, Reason};
use super::super::step::Step;
use super::{KEY, Part, act, stuck};

/// Key, request, certificate, kubeconfig; then the token has done its work.
pub(super) fn credential(seen: &Observed) -> Part<()> {
    name_not_lost(seen)?;
    match &seen.disk.certificate {
        Certificate::Current => {}
        Certificate::Stored(name) => return act(Step::LinkCertificate(name.clone())),
        Certificate::Missing => return request(seen),
        Certificate::Expired { since_s } => return expired(seen, *since_s),
        Certificate::Early(why) => return stuck(Fault::Clock(format!("kubelet's certificate {why}"))),
        Certificate::Unfit(why) => return stuck(Reason::Unfit(why.clone())),
    }
    // The store has the key now.
    if seen.disk.key != Found::Missing {
        return act(Step::Remove(KEY.to_owned()));
    }
    if let Some(path) = seen.disk.credential.first() {
        return act(Step::Write(path.clone()));
    }
    match &seen.disk.token_file {
        Some(path) => act(Step::Remove(path.clone())),
        None => Ok(()),
    }
}

/// Returns whether a sound certificate for this node is at hand, wherever.
pub(super) fn has_certificate(seen: &Observed) -> bool {
    match &seen.disk.certificate {
        Certificate::Current | Certificate::Stored(_) => true,
        Certificate::Missing => {
            seen.disk.key != Found::Missing && matches!(seen.server.request, Request::Issued(_))
        }
        Certificate::Expired { .. } | Certificate::Early(_) | Certificate::Unfit(_) => false,
    }
}

/// Returns whether somebody else has the request, and this machine all that it needs for the answer.
pub(super) fn is_signing(seen: &Observed) -> bool {
    seen.disk.certificate == Certificate::Missing
        && matches!(seen.disk.key, Found::Is(_))
        && seen.machine.has_token
        && seen.server.request == Request::Pending
}

/// This machine's clock alone is not believed: a wrong one would cost a good credential.
fn expired(seen: &Observed, since_s: u64) -> Part<()> {
    let skew_s = match (seen.server.skew_s, &seen.trouble) {
        (Some(skew_s), _) => skew_s,
        // Nobody answers, and this node has waited as long as it may.
        (None, Some(reason)) if seen.server.is_clock_asked => return stuck(reason.clone()),
        // What went wrong may have done so for this very certificate.
        (None, _) => return act(Step::ReadClock),
    };
    if i64::try_from(since_s).unwrap_or(i64::MAX).saturating_add(skew_s) <= 0 {
        return stuck(Fault::Clock(format!(
            "it is {} s ahead of the API server's, and takes kubelet's certificate for expired",
            skew_s.unsigned_abs()
        )));
    }
    if !seen.machine.has_token {
        return stuck(no_token(seen, Reason::Expired));
    }
    // Another machine may not use an old key: all of it goes, the link first, and a new key is made.
    act(Step::Remove(first_stored(seen)))
}

/// A token that is none is told of where one is needed, and nowhere else.
fn no_token(seen: &Observed, otherwise: Reason) -> Reason {
    seen.machine.bad_token.clone().map_or(otherwise, Reason::BadToken)
}

fn first_stored(seen: &Observed) -> String {
    // An expired certificate was read from the store, so there is one.
    seen.disk.store.first().cloned().unwrap_or_default()
}

/// A Node of this name that is another machine's: the credential in its name is not kept.
fn name_not_lost(seen: &Observed) -> Part<()> {
    let (Found::Is(identity), Node::Seen(node)) = (&seen.disk.identity, &seen.server.node) else {
        return Ok(());
    };
    if node::is_ours(identity, &seen.machine, node) {
        return Ok(());
    }
    if let Some(path) = seen.disk.store.first() {
        return act(Step::Remove(path.clone()));
    }
    if seen.disk.key != Found::Missing {
        return act(Step::Remove(KEY.to_owned()));
    }
    stuck(Reason::NameHeld { name: identity.name.clone(), by: node::holder(node) })
}

/// The key is durable before its request is sent, so that a restart asks under the same name with the same key.
fn request(seen: &Observed) -> Part<()> {
    match &seen.disk.key {
        Found::Broken(why) => return stuck(Reason::Broken { path: KEY.to_owned(), why: why.clone() }),
        Found::Missing if !seen.machine.has_token => return stuck(no_token(seen, Reason::NoToken)),
        Found::Missing => return act(Step::MakeKey),
        Found::Is(_) => {}
    }
    match &seen.server.request {
        Request::Issued(_) => act(Step::StoreCertificate),
        _ if !seen.machine.has_token => stuck(no_token(seen, Reason::NoToken)),
        Request::Unsent => act(Step::SendRequest),
        Request::Exists => act(Step::ReadRequest),
        Request::Pending => match seen.disk.credential.first() {
            // What needs no certificate is written while it is being signed ([`super::ahead`]).
            Some(path) => act(Step::Write(path.clone())),
            None => act(Step::AwaitRequest),
        },
    }
}
