// SPDX-License-Identifier: Apache-2.0
//! What `kiln lab up` can't do without: three disks, a boot, an API server, a kubelet.

use std::fs;
use std::process::Command;

use crate::it::baked;
use crate::it::person::Up;
use crate::start::{Field, active_after};
use crate::taken;

/// Prints the floors, their sum, and how much longer than that one `kiln lab up` takes, in this very hour.
pub fn print(up: &Up, field: &Field<'_>, up_s: f64) {
    let control = up.node("control");
    let rows = [
        ("copy", copy(), "cp of the image, holes kept, three times"),
        ("boot", field.empty(), "a machine that is told nothing, until it has settled"),
        (
            "api server",
            active_after(&control, "kube-apiserver.service")
                - active_after(&control, "kiln-firstboot.service"),
            "etcd and kube-apiserver of the lab's own control plane, from their start",
        ),
        ("kubelet", field.kubelet_s(), "by hand: from containerd's start to Ready"),
    ];
    for (name, seconds, what) in rows {
        println!("floor {name:<12} {seconds:>6.2} s  {what}");
    }
    let sum: f64 = rows.iter().map(|(_, seconds, _)| seconds).sum();
    println!("floors together    {sum:>6.2} s");
    println!("kiln lab up --workers 2 / floors: {up_s:.1} s, {:.2}", up_s / sum);
}

fn copy() -> f64 {
    let image = baked();
    let folder = image.with_file_name("copies");
    fs::create_dir_all(&folder).unwrap();
    let copy = |name: &str| {
        let mut cp = Command::new("cp");
        cp.args(["--sparse=always", "--reflink=never"]).arg(&image).arg(folder.join(name));
        assert!(cp.status().unwrap().success());
    };
    let taken = taken(|| ["1", "2", "3"].into_iter().for_each(copy));
    fs::remove_dir_all(&folder).unwrap();
    taken.seconds
}
