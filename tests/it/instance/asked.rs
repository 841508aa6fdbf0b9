// SPDX-License-Identifier: Apache-2.0
//! What an instance learns of itself, and when it may ask.

use super::double::Double;
use super::tree::Tree;

/// A whole worker needs an API server to go to.
const API: &str = "role: control-plane\n";

fn aws(metadata: &str) -> String {
    format!("{API}cloud: {{platform: aws, metadata: '{metadata}'}}\n")
}

#[test]
fn an_instance_is_named_by_its_id_and_knows_where_it_is() {
    let double = Double::start();
    let metadata = double.instance("i-0a1b2c3d4e5f60718", "subnet-a");
    let tree = Tree::new(&aws(&metadata));
    let said = tree.run(&["run", "--dry-run"]).is(0);
    said.says("would record that this machine is node i-0a1b2c3d4e5f60718, instance i-0a1b2c3d4e5f60718");
    assert!(!tree.at("run/kiln").exists() && !tree.at("var").exists(), "nothing is touched");
    tree.run(&["run"]).is(0);
    let identity = tree.text("var/lib/kiln/identity.json");
    assert!(identity.contains("aws:///eu-central-1a/i-0a1b2c3d4e5f60718"), "{identity}");
    let kept = tree.text("run/kiln/instance.json");
    for fact in ["eu-central-1a", "m7i.large", "eni-0a1b2c3d4e5f60718", "subnet-a"] {
        assert!(kept.contains(fact), "{kept}");
    }
    assert!(!kept.contains("double-session") && !kept.contains("token-"), "{kept}");
    let read = || {
        std::mem::take(
            &mut double.state.lock().unwrap().instances.get_mut("i-0a1b2c3d4e5f60718").unwrap().read,
        )
    };
    assert!(!read().iter().any(|path| path.contains("iam")), "no credentials where none are needed");
    tree.run(&["status"]).is(0);
    assert_eq!(read(), [""; 0], "who looks later in the boot asks nobody");
    double.is_content();
}

#[test]
fn user_data_and_tags_are_layers_and_somebody_elses_user_data_is_none() {
    let double = Double::start();
    let metadata = double.instance("i-0a1b2c3d4e5f60718", "subnet-a");
    let set = |user_data: &str, tags: &[(&str, &str)]| {
        let mut state = double.state.lock().unwrap();
        let instance = state.instances.get_mut("i-0a1b2c3d4e5f60718").unwrap();
        instance.user_data = Some(user_data.to_owned());
        let tags: Vec<_> = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        instance.tags = (!tags.is_empty()).then_some(tags);
    };
    let tree = Tree::new(&aws(&metadata));
    set("#kiln\nnode: {name: given}\n", &[("Name", "x y"), ("kiln.node.labels.rack", "r1")]);
    tree.run(&["run", "--dry-run"]).is(0).says("node given, instance i-0a1b2c3d4e5f60718");
    set("{\"ignition\": {\"version\": \"3.4.0\"}, \"node\": {\"name\": \"given\"}}", &[]);
    tree.run(&["run", "--dry-run"]).is(0).says("node i-0a1b2c3d4e5f60718");
    set("#kiln\nnod: {name: given}\n", &[]);
    tree.run(&["run"]).is(78).says("kiln-firstboot: user-data:2:1: nod: ");
    set("#cloud-config\nwrite_files: [{content: '-----BEGIN RSA PRIVATE KEY-----'}]\n", &[]);
    tree.run(&["run"]).is(78).says(
        "kiln-firstboot: user-data: holds a private key, which anything on this machine can read; take it for known to others",
    );
    set("", &[("kiln.api.endpoint", "https://evil.example:6443")]);
    tree.run(&["run"]).is(78).says(
        "kiln-firstboot: instance tags: may say labels, taints and a data volume only (kiln.node.labels.NAME, kiln.node.taints, kiln.control_plane.data_volume), and not kiln.api.endpoint",
    );
    double.is_content();
}

#[test]
fn an_image_that_is_for_no_cloud_never_asks() {
    let double = Double::start();
    let metadata = double.instance("i-0a1b2c3d4e5f60718", "subnet-a");
    let read = || double.state.lock().unwrap().instances["i-0a1b2c3d4e5f60718"].read.len();
    let tree = |platform: &str| Tree::new(&format!("{API}cloud: {{metadata: '{metadata}'{platform}}}\n"));
    for platform in ["", ", platform: none", ", platform: auto"] {
        let tree = tree(platform);
        // SMBIOS of another hypervisor.
        tree.put("sys/class/dmi/id/sys_vendor", "QEMU\n");
        tree.run(&["run", "--dry-run"]).is(0);
        assert_eq!(read(), 0, "{platform}");
    }
    for (file, text) in [("sys_vendor", "Amazon EC2\n"), ("bios_version", "4.11.amazon\n")] {
        let tree = tree(", platform: auto");
        tree.put(&format!("sys/class/dmi/id/{file}"), text);
        tree.run(&["run", "--dry-run"]).is(0).says("node i-0a1b2c3d4e5f60718");
    }
    double.is_content();
}

#[test]
fn a_metadata_service_that_fails_is_asked_again_and_one_that_is_off_is_told() {
    let double = Double::start();
    let metadata = double.instance("i-0a1b2c3d4e5f60718", "subnet-a");
    let set = |change: &dyn Fn(&mut super::metadata::Instance)| {
        change(double.state.lock().unwrap().instances.get_mut("i-0a1b2c3d4e5f60718").unwrap());
    };
    let tree = Tree::new(&aws(&metadata));
    set(&|instance| instance.failures = vec![429, 503, 0, 500]);
    tree.run(&["run", "--dry-run"]).is(0).says("node i-0a1b2c3d4e5f60718");
    set(&|instance| instance.is_off = true);
    tree.run(&["run"]).is(75).says(
        "kiln-firstboot: the metadata service says nothing of this instance: api/token: it is switched off for this instance \
         (HttpEndpoint); is instance metadata enabled, and does 169.254.169.254 have a route?\n",
    );
    double.is_content();
}
