// SPDX-License-Identifier: Apache-2.0
//! The control plane that kiln's own files start.

use crate::bench::{Bench, Options};

#[test]
fn the_control_plane_gets_ready_from_kilns_own_files_and_units() {
    let bench = Bench::start(Options { scheduler: true, ..Options::default() });
    let answer = bench.ask(Some(&bench.super_admin()), "GET", "/readyz?verbose", None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    // A machine beside it reaches the API server, by the address that it announces.
    let machine = bench.machine("10.99.0.2");
    let curl = machine.run("curl").args(["-sk", "--max-time", "30", "https://10.99.0.1:6443/livez"]).output();
    assert_eq!(String::from_utf8_lossy(&curl.unwrap().stdout), "ok");
}
