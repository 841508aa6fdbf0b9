// SPDX-License-Identifier: Apache-2.0
//! The program with a real image: baked for AWS, rehearsed, published, found again, taken back; and what it prints.

use std::process::{Command, Output};

use super::double::{Double, KEY, Weather, content};
use crate::bake::shop::{Shop, succeeded};
use crate::disk::bases::Layout;

pub const TARGET: &str = "kiln: 1\nname: '{{ name }}-{{ image }}'\nregions: [eu-central-1, us-east-1]\n\
    parameters: ['/kiln/{{ name }}/{{ arch }}']\nbase: make\n";

pub fn kiln(shop: &Shop, double: &Double, words: &[&str]) -> Command {
    let mut kiln = shop.kiln(words);
    kiln.env("AWS_ENDPOINT_URL", double.url());
    kiln.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", "secret");
    kiln
}

pub fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_baked_image_is_published_found_again_and_taken_back() {
    let shop = Shop::new(Layout::Former);
    shop.edit("flavour: generic", "flavour: ami");
    shop.edit("formats: [raw, qcow2]", "formats: [raw]");
    shop.bake("out", &[]);
    std::fs::write(shop.path("aws.yaml"), TARGET).unwrap();
    let double = Double::start(Weather { forgets_bytes: true, ..Weather::default() });
    let run = |verb: &str, more: &[&str]| {
        let mut kiln = kiln(&shop, &double, &[verb, "out/node.raw", "--target", "aws.yaml"]);
        kiln.args(more).output().unwrap()
    };

    let rehearsed = succeeded(&run("publish", &["--dry-run"]));
    let text = std::fs::read_to_string(shop.path("out/node.json")).unwrap();
    let described: kiln::bake::description::Description = serde_json::from_str(&text).unwrap();
    assert!(rehearsed.contains("eu-central-1:\n  send the base: "), "{rehearsed}");
    assert!(rehearsed.contains("2 ec2:RegisterImage, 2 ssm:PutParameter"), "{rehearsed}");
    assert_eq!(double.count("ebs:StartSnapshot"), 0);

    let published = succeeded(&run("publish", &["--format", "json"]));
    let published: serde_json::Value = serde_json::from_str(&published).unwrap();
    assert_eq!(published["image"], described.image.to_string());
    for region in ["eu-central-1", "us-east-1"] {
        let mut state = double.state();
        let region = state.region(region);
        let (id, image) = region.images.iter().next().unwrap();
        let wanted = described.blocks.blocks.iter().copied().collect();
        assert_eq!(content(region, &image.snapshots[0]), wanted);
        assert_eq!(region.parameters["/kiln/node/amd64"].value, *id);
    }
    let again = succeeded(&run("publish", &[]));
    assert_eq!(again.matches("nothing was lacking").count(), 2, "{again}");

    let unasked = run("unpublish", &[]);
    assert_eq!(unasked.status.code(), Some(2));
    assert_eq!(words(&unasked), "kiln: nobody can be asked here; add --yes if it is meant\n");
    succeeded(&run("unpublish", &["--yes"]));
    let mut state = double.state();
    let region = state.region("us-east-1");
    assert!(region.images.is_empty() && region.parameters.is_empty());
    assert_eq!(region.snapshots.len(), 1, "the base's stays");
}

#[test]
fn an_image_of_another_flavour_and_a_wrong_target_are_refused() {
    let shop = Shop::new(Layout::Former);
    shop.edit("formats: [raw, qcow2]", "formats: [raw]");
    shop.bake("out", &[]);
    let double = Double::start(Weather::default());
    let run = || kiln(&shop, &double, &["publish", "out/node.raw", "--target", "aws.yaml"]).output().unwrap();
    let missing = run();
    assert_eq!(missing.status.code(), Some(78));
    assert!(words(&missing).starts_with("kiln: there is no file aws.yaml"), "{}", words(&missing));
    std::fs::write(shop.path("aws.yaml"), TARGET).unwrap();
    let slip = kiln(&shop, &double, &["publish", "out/node.raw", "--target", "aws.yml"]).output().unwrap();
    assert_eq!(words(&slip), "kiln: there is no file aws.yml; did you mean aws.yaml?\n");
    let generic = run();
    assert_eq!(generic.status.code(), Some(78));
    assert_eq!(
        words(&generic),
        "kiln: out/node.raw: the image was baked for flavour 'generic', whose first boot asks EC2 for nothing; set \
         base.flavour: ami in its manifest and bake it again\n"
    );
    assert!(double.state().calls.is_empty());
}

#[test]
fn policies_are_printed_for_everybody() {
    let shop = Shop::with_cold_cache(Layout::Former);
    for who in ["publisher", "control-plane", "worker", "auditor", "janitor"] {
        let text = succeeded(&shop.kiln(&["policy", who, "--cluster", "demo"]).output().unwrap());
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["Version"], "2012-10-17", "{who}");
    }
    let china = ["policy", "publisher", "--partition", "aws-cn", "--parameters", "/images"];
    let text = succeeded(&shop.kiln(&china).output().unwrap());
    assert!(text.contains("arn:aws-cn:ssm:*:*:parameter/images/*"), "{text}");
    let reasons = succeeded(&shop.kiln(&["policy", "publisher", "--reasons"]).output().unwrap());
    assert!(reasons.contains("begins a snapshot"), "{reasons}");
    // A role of a cluster's machines is of one cluster, and nothing that comes in is a wildcard.
    for words in [
        &["worker"][..],
        &["control-plane"],
        &["worker", "--cluster", "*"],
        &["worker", "--cluster", "demo", "--vpc", "vpc-*"],
        &["publisher", "--partition", "mars"],
        &["publisher", "--parameters", "/a*"],
        &["publisher", "--parameters", "/aws/x"],
        &["publisher", "--parameters", "/"],
    ] {
        let refused = shop.kiln(&[&["policy"], words].concat()).output().unwrap();
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0), "{words:?}");
    }
    let bound = ["policy", "worker", "--cluster", "demo", "--vpc", "vpc-0a1b2c3d4e5f60718"];
    let bound = shop.kiln(&bound).output().unwrap();
    let (text, said) = (String::from_utf8_lossy(&bound.stdout), String::from_utf8_lossy(&bound.stderr));
    assert!(text.contains("parameter/kiln/clusters/demo/token") && said.is_empty(), "{text}{said}");
}
