// SPDX-License-Identifier: Apache-2.0
//! The client against a real kube-apiserver with its etcd and kube-controller-manager.

use std::collections::BTreeMap;
use std::time::Duration;

use kiln::cluster::{
    Access, ApiErrorKind as Kind, Backoff, Client, Credential, CsrState, KUBELET_CLIENT_SIGNER, NewConfigMap,
    NewCsr, NewNode, NewToken, NodeOwner, Object, ObjectRef, Support, Taint,
};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::json;

use crate::bench::{Bench, Options};

/// All that the tests here need of a control plane.
struct Api {
    url: String,
    ca: String,
    certificate: String,
    key: String,
}

impl Api {
    fn of(bench: &Bench) -> Self {
        let admin = bench.super_admin();
        let (certificate, key) = (admin.certificate_pem, admin.key_pem);
        Self { url: bench.endpoint(), ca: bench.ca_pem(), certificate, key }
    }

    fn with(&self, credential: Credential) -> Client {
        Client::new(&Access::of_node(&self.url, &self.ca, credential)).unwrap()
    }

    fn admin(&self) -> Client {
        let (chain, key) = (self.certificate.clone(), self.key.clone());
        self.with(Credential::Certificate { chain, key })
    }
}

fn object(value: serde_json::Value) -> Object {
    Object(value)
}

fn place(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    let [api_version, kind, name] = [api_version, kind, name].map(str::to_owned);
    ObjectRef { api_version, kind, namespace: namespace.map(str::to_owned), name }
}

fn claim(namespace: &str, name: &str) -> NewConfigMap {
    let data = BTreeMap::from([("node".to_owned(), "n".to_owned())]);
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    NewConfigMap { namespace, name, data, immutable: true, owner: None }
}

/// A namespace of a test's own, which goes when the control plane goes.
async fn namespace(client: &Client, name: &str) {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    client.apply(&object(namespace)).await.unwrap();
}

async fn grant(client: &Client, name: &str, group: &str, role: &str) {
    client
        .apply(&object(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group }],
        })))
        .await
        .unwrap();
}

/// One control plane for all, each in a namespace of its own.
#[test]
fn the_client_holds_against_the_real_server() {
    let bench = Bench::start(Options::default());
    let api = Api::of(&bench);
    bench.within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            the_server_is_ready_and_of_a_version_that_kiln_knows(&api).await;
            a_worker_is_born_in_five_requests(&api).await;
            a_name_has_one_creator_and_lists_hold_all_pages(&api).await;
            what_is_applied_stays_ours_alone_and_a_conflict_names_the_fields(&api).await;
            another_name_can_be_tried_on_without_a_trace(&api).await;
        });
    });
}

async fn the_server_is_ready_and_of_a_version_that_kiln_knows(api: &Api) {
    let client = api.with(Credential::None);
    client.readyz().await.unwrap();
    assert!(client.skew_s().unwrap().abs() < 60, "the same machine");
    // kiln's API servers tell nobody anything but whether they live.
    assert_eq!(client.version().await.unwrap_err().kind, Kind::Unauthorized);
    let version = api.admin().version().await.unwrap();
    assert_eq!(version.support(), Support::Supported, "{version}");
    let stranger = api.with(Credential::Token("abcdef.0123456789abcdef".to_owned()));
    assert_eq!(stranger.node_get("n").await.unwrap_err().kind, Kind::Unauthorized);
}

async fn a_worker_is_born_in_five_requests(api: &Api) {
    const GROUP: &str = "system:bootstrappers:kiln:worker";
    const SPACE: &str = "birth";
    let admin = api.admin();
    namespace(&admin, SPACE).await;
    grant(&admin, "kiln-csr", GROUP, "system:node-bootstrapper").await;
    grant(&admin, "kiln-nodes", GROUP, "system:certificates.k8s.io:certificatesigningrequests:nodeclient")
        .await;
    grant(&admin, "kiln-claims", "system:nodes", "admin").await;
    let (id, secret) = ("abc123".to_owned(), "0123456789abcdef".to_owned());
    let expiration = "2999-01-01T00:00:00Z".to_owned();
    let text = format!("{id}.{secret}");
    let token =
        NewToken { id, secret, expiration, groups: vec![GROUP.to_owned()], description: "a test".to_owned() };
    let made = admin.token_create(&token).await.unwrap();
    assert!(made.authenticates);
    assert_eq!(
        admin.tokens().await.unwrap().into_iter().find(|token| token.id == "abc123").unwrap().groups,
        [GROUP]
    );

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(DnType::CommonName, "system:node:worker-1");
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let csr = NewCsr {
        name: "kiln-worker-1".to_owned(),
        request: request.clone(),
        signer_name: KUBELET_CLIENT_SIGNER.to_owned(),
        usages: vec!["digital signature".to_owned(), "client auth".to_owned()],
        expiration_s: Some(3600),
    };
    let bootstrap = api.with(Credential::Token(text));
    let asked = bootstrap.csr_create(&csr).await.unwrap();
    assert_eq!(
        (asked.request.as_slice(), asked.username.as_str()),
        (request.as_bytes(), "system:bootstrap:abc123")
    );
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2), 1);
    let state = bootstrap.csr_await(&asked, Duration::from_secs(30), backoff).await.unwrap();
    let CsrState::Issued(certificate) = state else { panic!("{state:?}") };
    assert_eq!(bootstrap.counts().requests, 2);
    assert!(matches!(bootstrap.csr_create(&csr).await.unwrap_err().kind, Kind::AlreadyExists { .. }));
    assert!(matches!(bootstrap.csr_get(&csr.name).await.unwrap().state, CsrState::Issued(_)));
    assert!(matches!(bootstrap.node_get("worker-1").await.unwrap_err().kind, Kind::Forbidden { .. }));

    let node = api.with(Credential::of_pem(&(certificate + &key.serialize_pem())));
    let taint =
        Taint { key: "a.example/b".to_owned(), value: String::new(), effect: "NoSchedule".to_owned() };
    let wanted = NewNode {
        name: "worker-1".to_owned(),
        labels: BTreeMap::from([("a.example/c".to_owned(), "d".to_owned())]),
        taints: vec![taint.clone()],
        provider_id: Some("kiln://1".to_owned()),
        ..NewNode::default()
    };
    let registered = node.node_create(&wanted).await.unwrap();
    assert!(registered.taints.contains(&taint), "{registered:?}");
    assert_eq!((registered.provider_id.as_str(), &registered.pod_cidrs[..]), ("kiln://1", &[][..]));
    let owner = Some(NodeOwner { name: wanted.name.clone(), uid: registered.meta.uid.clone() });
    let held = node.config_map_create(&NewConfigMap { owner, ..claim(SPACE, "b-7") }).await.unwrap();
    assert!(held.immutable && held.meta.owner_references[0].uid == registered.meta.uid, "{held:?}");
    let blocks = ["10.234.1.192/26".parse().unwrap()];
    let given = node.node_set_pod_cidrs("worker-1", &registered.meta.uid, &blocks).await.unwrap();
    assert_eq!(given.pod_cidrs, blocks);
    assert_eq!(node.counts().requests, 3);
    println!("bootstrap {:?}, node {:?}", bootstrap.counts(), node.counts());

    node.node_set_pod_cidrs("worker-1", &registered.meta.uid, &blocks).await.unwrap();
    let other = ["10.234.2.0/26".parse().unwrap()];
    let error = node.node_set_pod_cidrs("worker-1", &registered.meta.uid, &other).await.unwrap_err();
    let Kind::Invalid { message, .. } = &error.kind else { panic!("{error:?}") };
    assert!(message.contains("node updates may not change podCIDR"), "{message}");
    let error = node.node_set_pod_cidrs("worker-1", "another", &blocks).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Invalid { .. }), "{error:?}");
    let note = BTreeMap::from([("a.example/e".to_owned(), Some("f".to_owned())), ("none".to_owned(), None)]);
    let noted = node.node_annotate("worker-1", &registered.meta.uid, &note).await.unwrap();
    assert_eq!(noted.meta.annotations["a.example/e"], "f");
    let error = node.node_annotate("worker-1", "another", &note).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Invalid { .. }), "{error:?}");
    assert!(matches!(node.node_create(&wanted).await.unwrap_err().kind, Kind::AlreadyExists { .. }));
    assert!(matches!(node.node_get("worker-2").await.unwrap_err().kind, Kind::Forbidden { .. }));
    assert!(admin.nodes().await.unwrap().iter().any(|node| node.meta.name == "worker-1" && !node.is_ready));
    admin.token_delete("abc123").await.unwrap();
    let error = admin.token_delete("abc123").await.unwrap_err();
    let expected =
        Kind::NotFound { resource: "secrets".to_owned(), name: "bootstrap-token-abc123".to_owned() };
    assert_eq!(error.kind, expected);
}

async fn a_name_has_one_creator_and_lists_hold_all_pages(api: &Api) {
    const SPACE: &str = "claims";
    let admin = api.admin();
    let error = admin.config_map_create(&claim(SPACE, "b-1")).await.unwrap_err();
    let missing = Kind::NotFound { resource: "namespaces".to_owned(), name: SPACE.to_owned() };
    assert_eq!(error.kind, missing);
    namespace(&admin, SPACE).await;
    for index in 0..501 {
        admin.config_map_create(&claim(SPACE, &format!("b-{index}"))).await.unwrap();
    }
    let error = admin.config_map_create(&claim(SPACE, "b-7")).await.unwrap_err();
    assert!(matches!(error.kind, Kind::AlreadyExists { .. }) && !error.may_have_happened(), "{error:?}");
    let before = admin.counts();
    let metas = admin.config_map_metas(SPACE).await.unwrap();
    let ours = metas.iter().filter(|meta| meta.name.starts_with("b-"));
    assert_eq!(ours.filter(|meta| !meta.uid.is_empty()).count(), 501);
    assert_eq!(admin.counts().requests - before.requests, 2);
    let whole = admin.config_maps(SPACE).await.unwrap();
    assert_eq!(whole.iter().filter(|map| map.data.get("node").is_some_and(|node| node == "n")).count(), 501);
    println!("metadata of 501: {} bytes", admin.counts().bytes_received - before.bytes_received);
    let error = admin.config_map_create(&claim(SPACE, "B_7")).await.unwrap_err();
    let Kind::Invalid { causes, .. } = &error.kind else { panic!("{error:?}") };
    assert_eq!(causes[0].field, "metadata.name");
    let error = admin.config_map_get(SPACE, "b-501").await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound { resource: "configmaps".to_owned(), name: "b-501".to_owned() });
}

async fn what_is_applied_stays_ours_alone_and_a_conflict_names_the_fields(api: &Api) {
    const SPACE: &str = "applied";
    let admin = api.admin();
    namespace(&admin, SPACE).await;
    let map = |name: &str, value: &str| {
        let metadata = json!({ "name": name, "namespace": SPACE });
        object(
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "node": value } }),
        )
    };
    let made = admin.apply(&map("ours", "a")).await.unwrap();
    assert_eq!(made.0["data"]["node"], "a");
    assert_eq!(
        admin.apply(&map("ours", "a")).await.unwrap().0["metadata"]["resourceVersion"],
        made.0["metadata"]["resourceVersion"]
    );
    let tried = admin.dry_run().apply(&map("ours", "b")).await.unwrap();
    assert_eq!(tried.0["data"]["node"], "b");
    let ours = place("v1", "ConfigMap", Some(SPACE), "ours");
    assert_eq!(admin.get(&ours).await.unwrap().0["data"]["node"], "a", "a dry run changes nothing");

    admin.config_map_create(&NewConfigMap { immutable: false, ..claim(SPACE, "theirs") }).await.unwrap();
    let error = admin.apply(&map("theirs", "b")).await.unwrap_err();
    let Kind::Conflict { causes, .. } = &error.kind else { panic!("{error:?}") };
    assert_eq!((causes.len(), causes[0].field.as_str()), (1, ".data.node"), "{error}");
    assert!(causes[0].message.contains("kiln-firstboot"), "{error}");
    let fixed = |value: &str| {
        let mut fixed = map("fixed", value);
        fixed.0["immutable"] = true.into();
        fixed
    };
    admin.apply(&fixed("a")).await.unwrap();
    let error = admin.apply(&fixed("b")).await.unwrap_err();
    let Kind::Invalid { causes, .. } = &error.kind else { panic!("{error:?}") };
    assert!(causes.iter().any(|cause| cause.field == "data"), "{error:?}");

    let error = admin.delete(&ours, Some("another")).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Conflict { .. }), "{error:?}");
    admin.delete(&ours, made.0["metadata"]["uid"].as_str()).await.unwrap();
    assert!(matches!(admin.get(&ours).await.unwrap_err().kind, Kind::NotFound { .. }));
    assert!(matches!(admin.delete(&ours, None).await.unwrap_err().kind, Kind::NotFound { .. }));
    let error = admin.create(&map("theirs", "b")).await.unwrap_err();
    assert!(matches!(error.kind, Kind::AlreadyExists { .. }), "{error:?}");
    for bad in [
        place("v1", "Nothing", None, "x"),
        place("v1", "ConfigMap", None, "x"),
        place("v1", "Node", Some("x"), "x"),
    ] {
        assert!(matches!(admin.get(&bad).await.unwrap_err().kind, Kind::Unsendable(_)), "{bad}");
    }
    let error = admin.get(&place("nothing.example/v1", "Nothing", None, "x")).await.unwrap_err();
    assert!(matches!(error.kind, Kind::Status { status: 404, .. }), "{error:?}");
}

async fn another_name_can_be_tried_on_without_a_trace(api: &Api) {
    let admin = api.admin();
    let node = admin.impersonating("system:node:n1", &["system:nodes"]).dry_run();
    let wanted = |name: &str| NewNode { name: name.to_owned(), ..NewNode::default() };
    assert_eq!(node.node_create(&wanted("n1")).await.unwrap().meta.name, "n1");
    let error = admin.node_get("n1").await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound { resource: "nodes".to_owned(), name: "n1".to_owned() });
    let error = node.node_create(&wanted("n2")).await.unwrap_err();
    let Kind::Forbidden { message } = &error.kind else { panic!("{error:?}") };
    assert!(message.contains("is not allowed to modify node"), "{message}");
    assert!(!error.may_have_happened());
}
