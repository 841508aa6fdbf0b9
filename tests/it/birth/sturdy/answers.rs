// SPDX-License-Identifier: Apache-2.0
//! A node that has its claim goes on whatever answers in place of its API server, and waits for it some seconds.

use std::time::{Duration, Instant};

use super::{Place, bounded, retell};
use crate::cluster::server::{Reply, Server};

pub fn whatever_answers(place: &Place) {
    let page =
        |code| Reply::Answer(code, "Content-Type: text/html\r\n".to_owned(), "<html>no</html>".to_owned());
    let cases = [
        ("unknown", Reply::status(401, "Unauthorized", "{}")),
        ("forbidden", Reply::status(403, "Forbidden", "{}")),
        ("page", page(404)),
        ("elsewhere", page(302).with("Location: https://127.0.0.1:1/")),
        ("busy", Reply::status(429, "TooManyRequests", "{}").with("Retry-After: 100000")),
        ("down", page(503).with("Retry-After: 3600")),
    ];
    for (name, reply) in cases {
        let worker = place.born(name);
        let server = place.machine.within(|| Server::start(vec![reply; 500]));
        retell(&worker, |settings| {
            settings.api.endpoint = format!("https://localhost:{}", server.port);
            settings.api.ca = place.both(&server.access().ca);
        });
        std::thread::scope(|scope| {
            for word in ["verify", "run"] {
                let worker = &worker;
                scope.spawn(move || {
                    let start = Instant::now();
                    bounded(worker, &[word]).is(0);
                    assert!(start.elapsed() > Duration::from_secs(3), "{name}: {word} is patient");
                    assert!(start.elapsed() < Duration::from_secs(25), "{name}: {word} has a limit");
                });
            }
        });
    }
}
