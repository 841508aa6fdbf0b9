// SPDX-License-Identifier: Apache-2.0
//! kubeconfigs: written, and those of others read and checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Step;
use super::pair::{self, Verdict};
use super::round::{Round, SECRET};
use super::table::{CLUSTER, User};
use super::trouble::Trouble;
use crate::firstboot::file::File;
use crate::firstboot::pki::{self, Key, Misfit};

/// Sees to a kubeconfig with key and certificate in it.
pub(super) fn settle(round: &mut Round<'_>, wanted: &User) {
    let text = round.text(wanted.path, SECRET);
    let Some(trusted) = round.trusted(&CLUSTER) else { return };
    let Some(text) = text else {
        if !round.is_there(wanted.path) {
            make(round, wanted, trusted);
        }
        return;
    };
    let verdict = check(round, wanted, text, trusted);
    match verdict {
        Ok(Verdict::Fits) => {}
        Ok(Verdict::Renew) => make(round, wanted, trusted),
        Err(trouble) => round.wrong(trouble),
    }
}

fn make(round: &mut Round<'_>, wanted: &User, trusted: &str) {
    round.missing(|round| {
        let key_pem = &round.chance.key_pem;
        let fix = "run again";
        let key = Key::parse(key_pem).map_err(|misfit| Trouble::misfit(wanted.path, &misfit, fix))?;
        let certificate = pair::leaf(round, &wanted.leaf, &CLUSTER, &key, wanted.path)?;
        let user = format!(
            "client-certificate-data: {}\n    client-key-data: {}",
            STANDARD.encode(certificate),
            STANDARD.encode(key_pem)
        );
        let cluster = format!("certificate-authority-data: {}", STANDARD.encode(trusted));
        let text = render(&wanted.server, &wanted.leaf.name, &cluster, &user);
        Ok(Step::Write(File { path: wanted.path.to_owned(), mode: SECRET, text }))
    });
}

/// Returns the text of a kubeconfig with one cluster, one user and one context.
pub(super) fn render(server: &str, user: &str, cluster_data: &str, user_data: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster:
    server: {server}
    {cluster_data}
users:
- name: {user}
  user:
    {user_data}
contexts:
- name: {user}@kubernetes
  context:
    cluster: kubernetes
    user: {user}
current-context: {user}@kubernetes
"
    )
}

fn check(round: &Round<'_>, wanted: &User, text: &str, trusted: &str) -> Result<Verdict, Trouble> {
    let place = wanted.path;
    let fix = || format!("remove {place} so that a new one is made");
    let wrong = |what: String| Trouble::new(place, what, fix());
    let read = Kubeconfig::read(text).ok_or_else(|| wrong("is no kubeconfig that can be read".to_owned()))?;
    if read.server != wanted.server {
        return Err(wrong(format!("is for the server {}, not {}", read.server, wanted.server)));
    }
    if read.authorities.trim() != trusted.trim() {
        return Err(wrong(format!("trusts another authority than {}.crt", CLUSTER.base)));
    }
    let judged = Key::parse(&read.key)
        .and_then(|key| pki::judge_leaf(&wanted.leaf, &read.certificate, &key, trusted, round.now_s));
    pair::age(round, &CLUSTER, judged).map_err(|misfit| match misfit {
        Misfit::NotYet { .. } => Trouble::misfit(place, &misfit, "check the clock"),
        _ => Trouble::misfit(place, &misfit, fix()),
    })
}

/// What of a kubeconfig matters here: the first cluster and the first user, which are the only ones in kubeadm's.
#[derive(Debug)]
struct Kubeconfig {
    server: String,
    authorities: String,
    certificate: String,
    key: String,
}

impl Kubeconfig {
    fn read(text: &str) -> Option<Self> {
        let read: Text = serde_yaml::from_str(text).ok()?;
        let (cluster, user) = (&read.clusters.first()?.cluster, &read.users.first()?.user);
        let decode = |data: &str| String::from_utf8(STANDARD.decode(data).ok()?).ok();
        Some(Self {
            server: cluster.server.clone(),
            authorities: decode(&cluster.authorities)?,
            certificate: decode(&user.certificate)?,
            key: decode(&user.key)?,
        })
    }
}

#[derive(Deserialize)]
struct Text {
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
struct NamedUser {
    user: UserText,
}

#[derive(Deserialize)]
struct Cluster {
    server: String,
    #[serde(rename = "certificate-authority-data")]
    authorities: String,
}

#[derive(Deserialize)]
struct UserText {
    #[serde(rename = "client-certificate-data")]
    certificate: String,
    #[serde(rename = "client-key-data")]
    key: String,
}
