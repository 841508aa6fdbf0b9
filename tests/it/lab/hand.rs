// SPDX-License-Identifier: Apache-2.0
//! Workers that are begun by hand in a lab that is up, so that they can be told wrong things and end at wrong moments.

use std::collections::BTreeMap;

use kiln::cluster::Client;
use kiln::host::clock;
use kiln::lab::{self, Made, Node, NodeOrder, Worker};
use kiln::settings::Runtime;
use kiln::token::Token;
use serde_json::Value;

use super::person::Up;

/// Room for a few images of pods; thin.
const DISK_BYTES: u64 = 8 << 30;

/// What a worker is told.
pub struct Told<'a> {
    pub place: u8,
    pub ca: &'a str,
    pub token: &'a Token,
    /// Another API server than the lab's.
    pub endpoint: Option<&'a str>,
}

/// Begins a worker and returns at once.
pub fn start(made: &Made, up: &Up, told: &Told<'_>) -> Node {
    made.start(&order(up, told)).unwrap()
}

/// What a worker is made from.
pub fn order(up: &Up, told: &Told<'_>) -> NodeOrder {
    let worker = Worker(told.place);
    let name = worker.name().unwrap();
    let shape = lab::record(&up.lab).unwrap().unwrap().shape;
    let settings = shape.worker_settings(Runtime::Containerd, &format!("{}-{name}", up.lab.name), told.ca);
    let credentials = [("kiln.settings", led(settings, told.endpoint)), ("kiln.token", told.token.reveal())];
    let credentials: BTreeMap<_, _> =
        credentials.into_iter().map(|(name, text)| (name.to_owned(), text.into_bytes())).collect();
    let gateway = Some(lab::bridge().addr());
    NodeOrder { name, address: worker.address(), gateway, disk_bytes: DISK_BYTES, credentials }
}

fn led(settings: String, endpoint: Option<&str>) -> String {
    let Some(endpoint) = endpoint else { return settings };
    let mut settings: Value = serde_json::from_str(&settings).unwrap();
    settings["api"]["endpoint"] = endpoint.into();
    settings.to_string()
}

/// A token of a test's own choice, which the cluster does not know yet.
pub fn token(number: u8) -> Token {
    Token::parse(&format!("hand{number:02}.{number:016}")).unwrap()
}

/// Makes a token known to the cluster.
pub fn create(up: &Up, token: &Token) {
    let new = token.created(clock::now_s(), 3600, "a test's").unwrap();
    up.api().ask(async |client: &Client| client.token_create(&new).await).unwrap();
}
