// SPDX-License-Identifier: Apache-2.0
//! What a cloud's instance adds to the settings, as layers: who it is, its user-data, its tags. Pure.
//!
//! What it is comes first, so that every other layer may say otherwise; what somebody gave this instance comes after the
//! files of the image and its provisioner, and before what is gone after a reboot.

use crate::aws::{Facts, UserData};
use crate::settings::layer::CREDENTIAL;
use crate::settings::{Form, Layer, VOLATILE_FOLDER};

/// Keys that a tag may say. Who may tag an instance can't become it, so a tag says nothing of whom to trust.
const TAG_KEYS: [&str; 2] = ["kiln.node.labels.", "kiln.node.taints"];

/// A tag may say which volume is a control plane's, where nothing else does: a stack makes the volume with the instance, whose
/// user-data is older. Whoever may both tag an instance and attach volumes to it could give a new one a cluster of his own.
const VOLUME_TAG: &str = "kiln.control_plane.data_volume";

/// Returns the layers of the machine with those of its instance among them.
pub fn layered(facts: &Facts, layers: Vec<Layer>) -> Vec<Layer> {
    let is_later = |layer: &Layer| {
        layer.form == Form::CommandLine
            || layer.name.starts_with(VOLATILE_FOLDER)
            || layer.name.ends_with(CREDENTIAL)
    };
    let (later, earlier): (Vec<Layer>, Vec<Layer>) = layers.into_iter().partition(is_later);
    let mut all = vec![own(facts)];
    all.extend(tagged_volume(facts));
    all.extend(earlier);
    all.extend(user_data(&facts.user_data));
    all.extend(tags(facts));
    all.extend(later);
    all
}

/// Who the instance is: the labels are those that cloud providers set, and that a node may set on itself.
fn own(facts: &Facts) -> Layer {
    let Facts { instance, region, zone, instance_type, .. } = facts;
    let text = serde_json::json!({ "node": {
        "name": instance,
        "instance_id": instance,
        "provider_id": provider_id(facts),
        "labels": {
            "node.kubernetes.io/instance-type": instance_type,
            "topology.kubernetes.io/region": region,
            "topology.kubernetes.io/zone": zone,
        },
    }});
    Layer { name: "instance metadata".to_owned(), form: Form::Yaml, text: Ok(text.to_string()) }
}

/// As cloud-provider-aws writes it (pkg/providers/v1, `instances.go`).
pub fn provider_id(facts: &Facts) -> String {
    format!("aws:///{}/{}", facts.zone, facts.instance)
}

fn user_data(found: &UserData) -> Option<Layer> {
    let text = match found {
        UserData::Others => return None,
        UserData::Exposed => {
            Err("holds a private key, which anything on this machine can read; take it for known to others"
                .to_owned())
        }
        UserData::Settings(text) => Ok(text.clone()),
    };
    Some(Layer { name: "user-data".to_owned(), form: Form::Yaml, text })
}

fn tagged_volume(facts: &Facts) -> Option<Layer> {
    let volume = facts.tags.get(VOLUME_TAG)?;
    let text = serde_json::json!({ "control_plane": { "data_volume": volume } }).to_string();
    Some(Layer { name: format!("instance tag {VOLUME_TAG}"), form: Form::Yaml, text: Ok(text) })
}

/// Tags are written as words of the kernel command line are.
fn tags(facts: &Facts) -> Option<Layer> {
    let is_taken = |key: &str| TAG_KEYS.iter().any(|taken| key.starts_with(taken));
    let tags = facts.tags.iter().filter(|(key, _)| *key != VOLUME_TAG);
    let words = tags.map(|(key, value)| match (is_taken(key), value.contains('"')) {
        (false, _) => Err(format!(
            "may say labels, taints and a data volume only (kiln.node.labels.NAME, kiln.node.taints, {VOLUME_TAG}), and not {key}"
        )),
        (true, true) => Err(format!("hold a quote in the value of {key}")),
        (true, false) => Ok(format!("{key}=\"{value}\"")),
    });
    let text = words.collect::<Result<Vec<String>, String>>().map(|words| words.join(" "));
    let is_silent = text.as_ref().is_ok_and(String::is_empty);
    (!is_silent).then(|| Layer { name: "instance tags".to_owned(), form: Form::CommandLine, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::merge;

    fn facts() -> Facts {
        Facts {
            instance: "i-0a1b2c3d4e5f60718".to_owned(),
            region: "eu-central-1".to_owned(),
            zone: "eu-central-1a".to_owned(),
            instance_type: "m7g.large".to_owned(),
            image: "ami-1".to_owned(),
            domain: "amazonaws.com".to_owned(),
            interface: "eni-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            subnet: "subnet-1".to_owned(),
            tags: [("kiln.node.labels.rack".to_owned(), "r 1".replace(' ', "-"))].into(),
            user_data: UserData::Others,
        }
    }

    fn layer(name: &str, form: Form, text: &str) -> Layer {
        Layer { name: name.to_owned(), form, text: Ok(text.to_owned()) }
    }

    fn machine() -> Vec<Layer> {
        let baked = "{version: 1, image: x, role: control-plane, cluster: {pods: [10.244.0.0/16], \
            services: [10.96.0.0/16], nodes_max: 9, surge: 0, pods_max: 110}}";
        vec![
            layer("/etc/kiln/settings.d/10-image.yaml", Form::Yaml, baked),
            layer("/run/kiln/settings.d/a.yaml", Form::Yaml, "node: {labels: {a: run}}"),
            layer("kernel command line", Form::CommandLine, "quiet"),
        ]
    }

    #[test]
    fn an_instance_is_a_node_by_its_id_unless_somebody_says_otherwise() {
        let node = merge(&layered(&facts(), machine())).unwrap().settings.node;
        assert_eq!(node.name.as_deref(), Some("i-0a1b2c3d4e5f60718"));
        assert_eq!(node.instance_id, node.name);
        assert_eq!(node.provider_id.as_deref(), Some("aws:///eu-central-1a/i-0a1b2c3d4e5f60718"));
        assert_eq!(node.labels["topology.kubernetes.io/zone"], "eu-central-1a");
        assert_eq!(node.labels["topology.kubernetes.io/region"], "eu-central-1");
        assert_eq!(node.labels["node.kubernetes.io/instance-type"], "m7g.large");
        assert_eq!(node.labels["rack"], "r-1");
        let mut told = machine();
        told.push(layer("/etc/kiln/settings.env", Form::Environment, ""));
        told[0].text =
            told[0].text.clone().map(|text| text.replace("image: x", "image: x, node: {name: a1}"));
        assert_eq!(merge(&layered(&facts(), told)).unwrap().settings.node.name.as_deref(), Some("a1"));
    }

    #[test]
    fn user_data_is_stronger_than_files_and_weaker_than_what_is_volatile() {
        let text = "#kiln\nnode: {name: given, labels: {a: given, b: given}}\n";
        let facts = Facts { user_data: UserData::Settings(text.to_owned()), ..facts() };
        let node = merge(&layered(&facts, machine())).unwrap().settings.node;
        assert_eq!(node.name.as_deref(), Some("given"));
        assert_eq!((node.labels["a"].as_str(), node.labels["b"].as_str()), ("run", "given"));
    }

    #[test]
    fn a_tag_names_the_data_volume_where_nothing_else_does() {
        let tags = [(VOLUME_TAG.to_owned(), "vol-0a1b2c3d4e5f60718".to_owned())].into();
        let mut facts = Facts { tags, ..facts() };
        let volume =
            |facts: &Facts| merge(&layered(facts, machine())).unwrap().settings.control_plane.data_volume;
        assert_eq!(volume(&facts).as_deref(), Some("vol-0a1b2c3d4e5f60718"));
        let text = "#kiln\ncontrol_plane: {data_volume: vol-0b1b2c3d4e5f60718}\n";
        facts.user_data = UserData::Settings(text.to_owned());
        assert_eq!(volume(&facts).as_deref(), Some("vol-0b1b2c3d4e5f60718"));
    }

    #[test]
    fn what_no_user_data_and_no_tag_may_say_is_refused() {
        let refused = |facts: &Facts| merge(&layered(facts, machine())).unwrap_err().to_string();
        let exposed = Facts { user_data: UserData::Exposed, ..facts() };
        assert!(refused(&exposed).starts_with("user-data: holds a private key"), "{}", refused(&exposed));
        let tags = [("kiln.api.endpoint".to_owned(), "https://x:1".to_owned())].into();
        let tagged = Facts { tags, ..facts() };
        let text = refused(&tagged);
        assert!(text.starts_with("instance tags: may say labels, taints and a data volume only"), "{text}");
    }
}
