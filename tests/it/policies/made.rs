// SPDX-License-Identifier: Apache-2.0
//! The order of a cluster's birth, that it can be done again, and what stops it.

use std::collections::BTreeMap;

use kiln::cluster::{Object, ObjectRef};
use kiln::exit::Exit;
use kiln::firstboot::bootstrap::objects;
use kiln::settings::Addressing;
use serde_json::{Value, json};

use super::cluster::{CLAIMS, Cluster, both_families, in_new_cluster, until};

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";

#[test]
fn a_cluster_is_made_once_in_order_and_again_without_a_change() {
    in_new_cluster(both_families(Addressing::Claim), |cluster| {
        let refused = cluster.admin.ask(cluster, "GET", CLAIMS, &Value::Null);
        assert_eq!(refused.code, 403, "administrators are made by the first object: {refused:?}");
        let birth = cluster.bootstrap(&cluster.settings);
        assert_eq!((birth.end, birth.warnings), (Ok(()), Vec::new()), "{:?}", birth.waits);
        // Every object once, and the proof; more only where something was waited for.
        assert!(birth.steps.len() >= objects(&cluster.settings).unwrap().len() + 18, "{:?}", birth.steps);
        until("the server has judged every expression", || judged(cluster));
        let before = found(cluster);
        let again = cluster.bootstrap(&cluster.settings);
        assert_eq!((again.end, again.warnings, again.waits), (Ok(()), Vec::new(), Vec::<String>::new()));
        assert_eq!(
            without_versions(found(cluster)),
            without_versions(before),
            "the second time changes nothing"
        );
        until("a time that does not even write", || {
            let before = found(cluster);
            assert_eq!(cluster.bootstrap(&cluster.settings).end, Ok(()));
            found(cluster) == before
        });
        another_pool_stops_everything(cluster);
        what_others_have_changed_is_left(cluster);
        a_pool_that_others_made_is_taken_if_it_is_the_same(cluster);
    });
}

/// Whether kube-controller-manager has checked the types of all policies; it must have found nothing.
fn judged(cluster: &Cluster) -> bool {
    let policies = cluster.admin.may(cluster, "GET", POLICIES, &Value::Null);
    let policies = policies["items"].as_array().unwrap().clone();
    assert_eq!(policies.len(), 5);
    policies.iter().all(|policy| {
        let warnings = &policy["status"]["typeChecking"]["expressionWarnings"];
        assert!(warnings.is_null(), "{}: {warnings}", policy["metadata"]["name"]);
        policy["status"]["observedGeneration"] == policy["metadata"]["generation"]
    })
}

/// Every object of bootstrap, as the server has it.
fn found(cluster: &Cluster) -> BTreeMap<String, Value> {
    let places = objects(&cluster.settings).unwrap().into_iter().map(|object| Object(object.value).place());
    let find = |place: ObjectRef| {
        let found = cluster.runtime.block_on(cluster.clients.admin.get(&place)).unwrap();
        (place.to_string(), found.0)
    };
    places.map(find).collect()
}

/// The first apply after a controller wrote a status notes the time of the apply anew, and nothing else. Controllers may
/// write at any time, which is why only some later apply is sure to write nothing.
fn without_versions(mut objects: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    for object in objects.values_mut() {
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.remove("managedFields");
        metadata.remove("resourceVersion");
    }
    objects
}

fn another_pool_stops_everything(cluster: &Cluster) {
    let mut settings = cluster.settings.clone();
    settings.cluster.reserved = vec![1];
    let birth = cluster.bootstrap(&settings);
    let stuck = birth.end.unwrap_err();
    assert_eq!(
        (stuck.exit, stuck.reason.as_str()),
        (
            Exit::Config,
            "the cluster's pool (ConfigMap kiln-ipam/pool) is another than the settings' and can't be changed: \
             reserved is \"1,3\" there and \"1\" here"
        )
    );
    assert_eq!(birth.steps.last().unwrap(), "read ConfigMap kiln-ipam/pool");
}

fn what_others_have_changed_is_left(cluster: &Cluster) {
    let path = format!("{POLICIES}/kiln-node-deletion");
    let by_hand = format!("{path}?fieldManager=by-hand");
    cluster.admin.may(cluster, "PATCH", &by_hand, &json!({"spec": {"failurePolicy": "Ignore"}}));
    let birth = cluster.bootstrap(&cluster.settings);
    assert_eq!(birth.end, Ok(()));
    let [warning] = birth.warnings.as_slice() else { panic!("{:?}", birth.warnings) };
    assert!(
        warning.starts_with(
            "ValidatingAdmissionPolicy kiln-node-deletion: left as it is, others have set .spec.failurePolicy \
             (conflict with \"by-hand\""
        ),
        "{warning}"
    );
    let policy = cluster.admin.may(cluster, "GET", &path, &Value::Null);
    assert_eq!(policy["spec"]["failurePolicy"], "Ignore");
    cluster.admin.may(cluster, "DELETE", &path, &Value::Null);
    assert_eq!(cluster.bootstrap(&cluster.settings).warnings, Vec::<String>::new());
}

fn a_pool_that_others_made_is_taken_if_it_is_the_same(cluster: &Cluster) {
    let pool = format!("{CLAIMS}/pool");
    let allow = json!({"metadata": {"annotations": {"kiln.dev/allow-delete": "true"}}});
    cluster.admin.may(cluster, "PATCH", &pool, &allow);
    cluster.admin.may(cluster, "DELETE", &pool, &Value::Null);
    let mut same =
        objects(&cluster.settings).unwrap().into_iter().find(|object| object.is_pool()).unwrap().value;
    cluster.admin.may(cluster, "POST", CLAIMS, &same);
    assert_eq!(cluster.bootstrap(&cluster.settings).end, Ok(()));
    cluster.admin.may(cluster, "PATCH", &pool, &allow);
    cluster.admin.may(cluster, "DELETE", &pool, &Value::Null);
    same["data"]["blocks"] = json!("65");
    cluster.admin.may(cluster, "POST", CLAIMS, &same);
    let stuck = cluster.bootstrap(&cluster.settings).end.unwrap_err();
    assert!(stuck.reason.ends_with("blocks is \"65\" there and \"64\" here"), "{}", stuck.reason);
}
