// SPDX-License-Identifier: Apache-2.0
//! What the smoke test puts into a cluster: a namespace with a pod on every node and a Service in front of them. Each pod
//! is back end to the others and front end to who asks it about them.

use serde_json::{Value, json};

use crate::cluster::{Object, ObjectRef};

/// Everything is in it and goes with it.
pub const NAMESPACE: &str = "kiln-smoke";
/// The server that the lab's image brings (image/lab/images).
pub const IMAGE: &str = "kiln.local/smoke:1";
/// Where it listens.
pub const PORT: u16 = 8080;
/// The Service's name, which pods of its namespace look up.
pub const SERVICE: &str = "smoke";

/// Returns what is made before the pods, in this order. The account is the test's own, since the controller that makes
/// the namespace's default one may be later.
pub fn ground() -> [Object; 3] {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    let service = json!({
        "selector": { "app": SERVICE },
        "ports": [{ "port": 80, "targetPort": PORT }],
    });
    let account = json!({ "automountServiceAccountToken": false });
    [
        Object(namespace),
        Object(with(inside("v1", "ServiceAccount", SERVICE), account)),
        Object(with(inside("v1", "Service", SERVICE), json!({ "spec": service }))),
    ]
}

/// Returns the name of a node's pod.
pub fn pod_name(node: &str) -> String {
    format!("{SERVICE}-{node}")
}

/// Returns a node's pod. It is put there past the scheduler, so that taints keep it from nowhere.
pub fn pod(node: &str) -> Object {
    let field =
        |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let container = json!({
        "name": SERVICE,
        "image": IMAGE,
        // There is no registry to pull from.
        "imagePullPolicy": "Never",
        "env": [field("NODE_NAME", "spec.nodeName"), field("POD_IP", "status.podIP")],
        "ports": [{ "containerPort": PORT }],
        "readinessProbe": { "httpGet": { "path": "/healthz", "port": PORT }, "periodSeconds": 1 },
        "resources": { "limits": { "cpu": "200m", "memory": "64Mi" } },
    });
    let spec = json!({
        "nodeName": node,
        "serviceAccountName": SERVICE,
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": 1,
        "tolerations": [{ "operator": "Exists" }],
        "containers": [container],
    });
    let mut pod = with(inside("v1", "Pod", &pod_name(node)), json!({ "spec": spec }));
    pod["metadata"]["labels"] = json!({ "app": SERVICE });
    Object(pod)
}

/// Returns the namespace's place.
pub fn namespace() -> ObjectRef {
    ground()[0].place()
}

fn inside(version: &str, kind: &str, name: &str) -> Value {
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": NAMESPACE } })
}

fn with(mut object: Value, fields: Value) -> Value {
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
    object
}
