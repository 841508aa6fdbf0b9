// SPDX-License-Identifier: Apache-2.0
//! An HTTP proxy (RFC 9110 section 9.3.6) that notes whom it is asked for, and may lead everybody somewhere else.

use std::io::{BufRead, BufReader, Write, copy};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The proxy; it runs until the test program ends.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts a proxy that connects to `target` whomever it is asked for; without one, as it is asked.
    pub fn start(target: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let asked = proxy.asked.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, asked) = (client.unwrap(), asked.clone());
                std::thread::spawn(move || pass(client, target, &asked));
            }
        });
        proxy
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns whom it was asked for, each once, sorted.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked.dedup();
        asked
    }
}

/// Serves one connection. A side that goes away ends it; that is part of the tests.
fn pass(mut client: TcpStream, target: Option<u16>, asked: &Mutex<Vec<String>>) {
    let mut head = BufReader::new(client.try_clone().unwrap()).lines().map(Result::unwrap);
    let first = head.next().unwrap();
    assert!(head.any(|line| line.is_empty()));
    let wanted = first.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    let target = target.map_or(wanted.clone(), |port| format!("127.0.0.1:{port}"));
    asked.lock().unwrap().push(wanted);
    let mut server = TcpStream::connect(&target).unwrap();
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || copy(&mut from_client, &mut to_server));
    let _ = copy(&mut server, &mut client);
    // The other direction's thread holds the connection open as well.
    let _ = client.shutdown(std::net::Shutdown::Both);
}
