// SPDX-License-Identifier: Apache-2.0
//! Workers that are launched, and join: what was asked of EC2, what is told meanwhile, what is left.

use serde_json::Value;

use super::site::{AMI, Part, REGION, SUBNETS, Site};
use crate::birth::cluster::node;

/// One control plane for all of it, since it is the slow part.
#[test]
fn workers_are_launched_and_wait_is_over_when_all_are_ready() {
    let site = Site::new();
    a_rehearsal_changes_nothing(&site);
    let json = three_are_launched(&site);
    what_was_asked(&site, &json);
    site.every_call_is_allowed();
}

fn a_rehearsal_changes_nothing(site: &Site) {
    let rehearsed = site.run(&["--role", "worker", "--count", "3", "--dry-run"]).is(0);
    let bytes = rehearsed.printed.lines().find_map(|line| line.strip_prefix("  user-data   ")).unwrap();
    assert_eq!(
        rehearsed.printed,
        format!(
            "launch 3 workers of cluster demo in eu-central-1:\n  image       {AMI}\n  type        m7i.large\n  \
             subnet      subnet-0000000a: 2\n  subnet      subnet-0000000b: 1\n  groups      sg-0000000b\n  \
             profile     kiln-worker\n  user-data   {bytes}\n  calls       2 ec2:RunInstances\n"
        )
    );
    let json = site.run(&["--role", "worker", "--count", "3", "--dry-run", "--format", "json"]).is(0);
    let plan: Value = serde_json::from_str(&json.printed).unwrap();
    assert_eq!((&plan["subnets"][0]["count"], &plan["tags"]["team"]), (&2.into(), &"platform".into()));
    // EC2 has been asked whether it would, and nothing has come of that.
    assert!(site.double.state().region(REGION).instances.is_empty());
    assert!(site.tokens().is_empty());
}

fn three_are_launched(site: &Site) -> Value {
    let words = ["--role", "worker", "--count", "3", "--format", "json"];
    let launched = site.played(&[Part::Join; 3], || site.run(&words)).is(0);
    let json: Value = serde_json::from_str(&launched.printed).unwrap();
    assert_eq!((&json["cluster"], &json["role"]), (&"demo".into(), &"worker".into()));
    let nodes = json["nodes"].as_array().unwrap();
    let subnets: Vec<&str> = nodes.iter().map(|node| node["subnet"].as_str().unwrap()).collect();
    assert_eq!(subnets, [SUBNETS[0], SUBNETS[0], SUBNETS[1]]);
    for launched in nodes {
        let id = launched["instance"].as_str().unwrap();
        let born = node(&site.bench, id);
        let last = launched["stages"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["stage"], &last["blocks"][0]), (&"ready".into(), &born["spec"]["podCIDR"]));
        assert_eq!(born["spec"]["providerID"], format!("aws:///eu-central-1a/{id}"));
        assert!(launched_says(launched, "ready"), "{launched}");
    }
    for stage in ["boots", "is Ready with 10.244."] {
        assert!(launched.said.contains(stage), "{stage}: {}", launched.said);
    }
    assert!(site.tokens().is_empty(), "it is revoked");
    json
}

fn launched_says(launched: &Value, stage: &str) -> bool {
    launched["stages"].as_array().unwrap().iter().any(|reached| reached["stage"] == stage)
}

fn what_was_asked(site: &Site, json: &Value) {
    let mut state = site.double.state();
    let tokens: std::collections::BTreeSet<String> = state
        .region(REGION)
        .instances
        .values()
        .map(|instance| instance.asked["ClientToken"].clone())
        .collect();
    assert_eq!((state.region(REGION).instances.len(), tokens.len()), (3, 2), "one call for each subnet");
    for instance in state.region(REGION).instances.values() {
        let asked = |key: &str| instance.asked.get(key).map_or("", String::as_str);
        for (key, value) in [
            ("MetadataOptions.HttpTokens", "required"),
            ("MetadataOptions.HttpPutResponseHopLimit", "1"),
            ("MetadataOptions.HttpEndpoint", "enabled"),
            ("MetadataOptions.InstanceMetadataTags", "disabled"),
            ("IamInstanceProfile.Name", "kiln-worker"),
            ("SecurityGroupId.1", "sg-0000000b"),
            ("ImageId", AMI),
            ("InstanceMarketOptions.MarketType", ""),
        ] {
            assert_eq!(asked(key), value, "{key}");
        }
        let tags = &instance.tags;
        assert_eq!((tags["kiln:cluster"].as_str(), tags["kiln:role"].as_str()), ("demo", "worker"));
        assert_eq!((tags["Name"].as_str(), tags["team"].as_str()), ("demo-worker", "platform"));
        assert_eq!(
            (tags["kiln:launch"].as_str(), tags["kiln:version"].as_str()),
            (json["launch"].as_str().unwrap(), "0.1.0")
        );
        assert!(!instance.user_data.contains("PRIVATE KEY"));
    }
}
