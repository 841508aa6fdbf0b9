// SPDX-License-Identifier: Apache-2.0
//! A kubeconfig as an [`Access`]: its current context, with data inline or in files. Files are read by the caller.
//!
//! What would start a program (exec plugins), weaken TLS or act as somebody else is refused, not passed over.

use serde::Deserialize;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::access::{Access, AccessError, Credential, Limits, Proxy};
use super::meta::or_default;
use crate::marks;

#[derive(Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[derive(Default)]
struct Config {
    current_context: String,
    #[serde(deserialize_with = "or_default")]
    clusters: Vec<NamedCluster>,
    #[serde(deserialize_with = "or_default")]
    contexts: Vec<NamedContext>,
    #[serde(deserialize_with = "or_default")]
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
    username: Option<String>,
    r#as: Option<String>,
}

/// Reads a file that a kubeconfig names; a relative path is relative to the kubeconfig's own folder. The error is a
/// sentence with the path.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

impl Access {
    /// Returns the access that a kubeconfig's current context describes, with the usual limits and kiln's name.
    ///
    /// # Errors
    /// If it is no kubeconfig, lacks something, asks for what this client does not do, or a file can't be read.
    pub fn from_kubeconfig(text: &str, read_file: &ReadFile<'_>) -> Result<Self, AccessError> {
        let (cluster, user) = current(config(text)?)?;
        let ca = value(
            "certificate-authority",
            cluster.certificate_authority_data,
            cluster.certificate_authority,
            read_file,
        )?;
        let ca =
            ca.ok_or_else(|| wrong("the cluster has no certificate-authority: name the cluster's CA"))?;
        Ok(Self {
            server: cluster.server,
            ca,
            credential: credential(user, read_file)?,
            limits: Limits::default(),
            proxy: cluster.proxy_url.map(|address| Proxy { address, except: None }),
            agent: concat!("kiln/", env!("CARGO_PKG_VERSION")).to_owned(),
        })
    }
}

/// Reads the text within bounds of size and depth; no reason quotes it, for it may hold a token.
fn config(text: &str) -> Result<Config, AccessError> {
    let (tree, faults) = marks::parse(text, 0);
    if let Some(fault) = faults.into_iter().next() {
        return Err(wrong(format!("it is no kubeconfig (line {}): {}", fault.place.line, fault.what)));
    }
    let value = tree.map(|tree| tree.value()).unwrap_or_default();
    serde_yaml::from_value(value).map_err(|_| wrong("it is no kubeconfig"))
}

fn wrong(what: impl Into<String>) -> AccessError {
    AccessError::Kubeconfig(what.into())
}

fn current(config: Config) -> Result<(Cluster, User), AccessError> {
    let Config { current_context, clusters, contexts, users } = config;
    if current_context.is_empty() {
        return Err(wrong("there is no current-context: choose one with kubectl config use-context"));
    }
    let missing = |what: &str, name: &str| wrong(format!("there is no {what} {name:?}"));
    let context = contexts.into_iter().find(|named| named.name == current_context);
    let context = context.ok_or_else(|| missing("context", &current_context))?.context;
    let cluster = clusters.into_iter().find(|named| named.name == context.cluster);
    let cluster = cluster.ok_or_else(|| missing("cluster", &context.cluster))?.cluster;
    let user = users.into_iter().find(|named| named.name == context.user);
    let user = user.ok_or_else(|| missing("user", &context.user))?.user;
    check(&cluster, &user)?;
    Ok((cluster, user))
}

fn check(cluster: &Cluster, user: &User) -> Result<(), AccessError> {
    let refused = [
        (cluster.insecure_skip_tls_verify, "insecure-skip-tls-verify is refused: name the cluster's CA"),
        (
            cluster.tls_server_name.is_some(),
            "tls-server-name is not supported: use a name that the certificate has",
        ),
        (
            user.exec.is_some(),
            "exec plugins are refused: kiln starts no program for a credential; use a token or certificate",
        ),
        (user.auth_provider.is_some(), "auth-provider is not supported: use a token or certificate"),
        (user.username.is_some(), "username and password are not supported: use a token or certificate"),
        (user.r#as.is_some(), "impersonation (as) is not supported"),
    ];
    refused.iter().find(|(is_there, _)| *is_there).map_or(Ok(()), |(_, what)| Err(wrong(*what)))
}

fn credential(user: User, read_file: &ReadFile<'_>) -> Result<Credential, AccessError> {
    let chain =
        value("client-certificate", user.client_certificate_data, user.client_certificate, read_file)?;
    let key = value("client-key", user.client_key_data, user.client_key, read_file)?;
    match (chain, key) {
        (Some(chain), Some(key)) => return Ok(Credential::Certificate { chain, key }),
        (Some(_), None) => return Err(wrong("the user has a client-certificate without a client-key")),
        (None, Some(_)) => return Err(wrong("the user has a client-key without a client-certificate")),
        (None, None) => {}
    }
    // As client-go: the file wins, because it may be renewed.
    let token = match user.token_file {
        Some(path) => Some(read_file(&path).map_err(AccessError::Kubeconfig)?),
        None => user.token,
    };
    Ok(token.map_or(Credential::None, |token| Credential::Token(token.trim().to_owned())))
}

/// The data of a key, or the file that it names; data wins, as in client-go.
fn value(
    key: &str,
    data: Option<String>,
    path: Option<String>,
    read_file: &ReadFile<'_>,
) -> Result<Option<String>, AccessError> {
    let (data, path) = (data.filter(|data| !data.is_empty()), path.filter(|path| !path.is_empty()));
    match (data, path) {
        (Some(data), _) => {
            let packed: String = data.split_whitespace().collect();
            let bytes = BASE64.decode(packed).map_err(|_| wrong(format!("{key}-data is no base64")))?;
            String::from_utf8(bytes).map(Some).map_err(|_| wrong(format!("{key}-data is no PEM")))
        }
        (None, Some(path)) => read_file(&path).map(Some).map_err(AccessError::Kubeconfig),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: me@here\npreferences: {{}}\n\
             contexts:\n- name: me@here\n  context: {{cluster: here, user: me}}\n\
             clusters:\n- name: here\n  cluster: {cluster}\nusers:\n- name: me\n  user: {user}\n"
        )
    }

    const CLUSTER: &str = "{server: 'https://10.0.0.1:6443', certificate-authority-data: Q0E=}";

    fn read(text: &str) -> Result<Access, String> {
        let file = |path: &str| match path {
            "missing" => Err("can't open missing".to_owned()),
            path => Ok(format!("content of {path}\n")),
        };
        Access::from_kubeconfig(text, &file).map_err(|error| error.to_string())
    }

    #[test]
    fn inline_data_and_files_are_read() {
        let access =
            read(&config(CLUSTER, "{client-certificate-data: Q1JU, client-key-data: S0VZ}")).unwrap();
        assert_eq!((access.server.as_str(), access.ca.as_str()), ("https://10.0.0.1:6443", "CA"));
        assert_eq!(
            access.credential,
            Credential::Certificate { chain: "CRT".to_owned(), key: "KEY".to_owned() }
        );
        let files = read(&config(
            "{server: 'https://a', certificate-authority: ca.crt, proxy-url: 'http://proxy:3128'}",
            "{client-certificate: /pki/me.pem, client-key: /pki/me.pem}",
        ));
        let files = files.unwrap();
        assert_eq!(files.ca, "content of ca.crt\n");
        assert_eq!(files.credential, Credential::of_pem("content of /pki/me.pem\n"));
        assert_eq!(files.proxy.unwrap().address, "http://proxy:3128");
        let token = |user| read(&config(CLUSTER, user)).unwrap().credential;
        assert_eq!(token("{token: abc}"), Credential::Token("abc".to_owned()));
        assert_eq!(token("{token: abc, tokenFile: t}"), Credential::Token("content of t".to_owned()));
        assert_eq!(token("{}"), Credential::None);
    }

    #[test]
    fn what_is_not_supported_is_refused_in_words() {
        for (cluster, user, why) in [
            (CLUSTER, "{exec: {command: aws, apiVersion: v1}}", "kubeconfig: exec plugins are refused"),
            (CLUSTER, "{auth-provider: {name: gcp}}", "kubeconfig: auth-provider is not supported"),
            (CLUSTER, "{username: me, password: x}", "kubeconfig: username and password are not"),
            (CLUSTER, "{as: root, token: x}", "kubeconfig: impersonation (as) is not"),
            (
                CLUSTER,
                "{client-certificate-data: Q1JU}",
                "kubeconfig: the user has a client-certificate without",
            ),
            (CLUSTER, "{client-key-data: '%'}", "kubeconfig: client-key-data is no base64"),
            (CLUSTER, "{tokenFile: missing}", "kubeconfig: can't open missing"),
            ("{server: 'https://a'}", "{token: x}", "kubeconfig: the cluster has no certificate-authority"),
            ("{insecure-skip-tls-verify: true}", "{}", "kubeconfig: insecure-skip-tls-verify is refused"),
            ("{tls-server-name: x}", "{}", "kubeconfig: tls-server-name is not supported"),
        ] {
            let said = read(&config(cluster, user)).unwrap_err();
            assert!(said.starts_with(why), "{said}");
        }
    }

    #[test]
    fn a_bomb_is_refused_at_once() {
        for (text, why) in [
            (
                "[".repeat(200_000),
                "kubeconfig: it is no kubeconfig (line 1): this is not YAML: recursion limit exceeded",
            ),
            (
                "a: &a [x]\nb: *a\n".to_owned(),
                "kubeconfig: it is no kubeconfig (line 1): anchors and aliases",
            ),
            (" ".repeat(2 << 20), "kubeconfig: it is no kubeconfig (line 1): the file has more than 1 MiB"),
            (
                "users: [{name: a, user: {token: 'hunter2}}]".to_owned(),
                "kubeconfig: it is no kubeconfig (line",
            ),
        ] {
            let said = read(&text).unwrap_err();
            assert!(said.starts_with(why) && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_context_must_lead_somewhere() {
        let good = config(CLUSTER, "{}");
        for (from, to, why) in [
            ("current-context: me@here", "current-context: ''", "kubeconfig: there is no current-context"),
            ("current-context: me@here", "current-context: x", "kubeconfig: there is no context \"x\""),
            ("cluster: here", "cluster: x", "kubeconfig: there is no cluster \"x\""),
            ("user: me", "user: x", "kubeconfig: there is no user \"x\""),
        ] {
            let said = read(&good.replacen(from, to, 1)).unwrap_err();
            assert!(said.starts_with(why), "{said}");
        }
        let said = read("users: [{name: a, user: {token: [hunter2]}}]").unwrap_err();
        assert!(said.starts_with("kubeconfig: it is no kubeconfig") && !said.contains("hunter2"), "{said}");
    }
}
