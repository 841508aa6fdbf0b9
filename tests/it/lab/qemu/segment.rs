// SPDX-License-Identifier: Apache-2.0
//! The segments of virtual machines: the gateway of one, and that two don't meet.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kiln::host::segment;
use kiln::vm::Gateway;

use super::super::person::eventually;

/// Serves a switch and returns a card on it.
fn card(switch: &Path) -> UnixStream {
    let listener = segment::listen(switch).unwrap();
    std::thread::spawn(move || segment::serve(&listener));
    join(switch)
}

fn join(switch: &Path) -> UnixStream {
    let card = UnixStream::connect(switch).unwrap();
    card.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    card
}

fn put(card: &mut UnixStream, frame: &[u8]) {
    card.write_all(&[&(frame.len() as u32).to_be_bytes()[..], frame].concat()).unwrap();
}

/// Two labs have the same addresses, of nodes and of cards. What the one's machines send to everybody, or to an address that
/// both have, reaches their own segment alone.
#[test]
fn two_segments_with_the_same_addresses_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let switches = ["left", "right"].map(|name| folder.path().join(name));
    let mut first = switches.each_ref().map(|switch| card(switch));
    let mut second = switches.each_ref().map(|switch| join(switch));
    let (mac, other, all) = ([0x52, 0x54, 0, 0, 2, 10], [0x52, 0x54, 0, 0, 2, 11], [0xff; 6]);
    let frame = |to: [u8; 6], from: [u8; 6], lab: u8| [&to[..], &from, &[0x88, 0xb5, lab], &[0; 50]].concat();
    let lab_of = |frame: &[u8]| frame[14];
    for lab in [0, 1] {
        // Once this has come, both are there, and both tables know the same addresses.
        put(&mut second[usize::from(lab)], &frame(all, other, lab));
        assert_eq!(lab_of(&self::frame(&mut first[usize::from(lab)], |_| true)), lab);
    }
    for round in 0..100 {
        let lab = round % 2;
        put(&mut first[usize::from(lab)], &frame(if round % 3 == 0 { all } else { other }, mac, lab));
    }
    // One more each, which comes after all that would have strayed.
    for lab in [0, 1] {
        put(&mut first[usize::from(lab)], &frame(other, mac, 100 + lab));
        let mut seen = Vec::new();
        while seen.last() != Some(&(100 + lab)) {
            seen.push(lab_of(&self::frame(&mut second[usize::from(lab)], |_| true)));
        }
        assert_eq!(seen.len(), 51, "{seen:?}");
        assert!(seen[..50].iter().all(|from| *from == lab), "lab {lab} saw {seen:?}");
    }
}

/// What a machine at 10.0.2.10 sees of a gateway: who has that address, and then a connection to its port.
#[test]
fn a_gateway_leads_a_port_of_the_loopback_to_an_address_on_the_switch() {
    let folder = tempfile::tempdir().unwrap();
    let switch = folder.path().join("switch");
    let mut card = card(&switch);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gateway = Gateway {
        switch,
        segment: "10.0.2.0/24".parse().unwrap(),
        address: [10, 0, 2, 4].into(),
        resolver: [10, 0, 2, 3].into(),
        port,
        target: "10.0.2.10:6443".parse().unwrap(),
    };
    let mut qemu = Command::new("qemu-system-x86_64");
    let mut qemu = qemu.args(gateway.arguments()).stderr(Stdio::null()).spawn().unwrap();
    let open = || TcpStream::connect(("127.0.0.1", port)).ok();
    let _client = eventually("the port is open", Duration::from_secs(60), open);

    let asked = frame(&mut card, |frame| frame[12..14] == [8, 6] && frame[38..42] == [10, 0, 2, 10]);
    assert_eq!(asked[28..32], [10, 0, 2, 4], "it asks from its own address");
    let mac = [0x52, 0x54, 0, 0, 2, 10];
    let answer = [&asked[6..12], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &mac, &asked[38..42], &asked[22..32]];
    let answer = answer.concat();
    put(&mut card, &answer);
    let begun = frame(&mut card, |frame| frame[12..14] == [8, 0] && frame[23] == 6);
    assert_eq!((&begun[30..34], &begun[36..38]), (&[10, 0, 2, 10][..], &6443_u16.to_be_bytes()[..]));
    qemu.kill().unwrap();
    qemu.wait().unwrap();
}

/// Returns the first frame that `is_meant`.
fn frame(card: &mut UnixStream, is_meant: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    loop {
        let mut len = [0; 4];
        card.read_exact(&mut len).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        card.read_exact(&mut frame).unwrap();
        if is_meant(&frame) {
            return frame;
        }
    }
}
