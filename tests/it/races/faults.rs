// SPDX-License-Identifier: Apache-2.0
//! A proxy in front of the real server that fails or cuts one request in ten, before or after the server has done it.
//!
//! It is what kube-apiserver knows as an authenticating proxy: it checks the clients' certificates and passes on who they
//! are in headers, with the front-proxy certificate that kiln made. HTTP is spoken by hand towards the nodes, since no
//! library would cut an answer in half.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kiln::firstboot::pki::{self, Key, Leaf, San, Usage};
use kiln::host::{clock, entropy};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::policies::cluster::Cluster;

const ADDRESS: &str = "10.99.0.1:7443";

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The connection ends before the server has seen it.
    CutBefore,
    /// The server does it, and the connection ends without an answer.
    CutAfter,
    /// The server does it, and the answer ends in its middle.
    CutWithin,
    /// 500, and the server has not seen it.
    FailedBefore,
    /// 504, although the server has done it.
    FailedAfter,
    /// 429 with a wait of a second.
    TooMany,
}

const FAULTS: [Fault; 6] = [
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::CutWithin,
    Fault::FailedBefore,
    Fault::FailedAfter,
    Fault::TooMany,
];

/// What the proxy has done.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    pub requests: u64,
    pub faults: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} of them failed or cut", self.requests, self.faults)
    }
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    faults: AtomicU64,
}

impl Counts {
    /// The same schedule in each run, as far as requests come in the same order: SplitMix64 of their number.
    fn next(&self) -> Option<Fault> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let fault = mixed.is_multiple_of(10).then(|| FAULTS[(mixed / 10 % FAULTS.len() as u64) as usize])?;
        self.faults.fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }
}

/// The proxy; it runs until the test program ends or its network does.
pub struct Proxy {
    pub endpoint: String,
    counts: Arc<Counts>,
}

#[derive(Clone)]
struct Behind {
    client: reqwest::Client,
    server: String,
    counts: Arc<Counts>,
}

impl Proxy {
    /// Starts it on a thread in the network of this one.
    pub fn start(cluster: &Cluster) -> Self {
        let counts = Arc::new(Counts::default());
        let acceptor = acceptor(cluster);
        let front = read(&cluster.pki.join("front-proxy-client.crt"))
            + &read(&cluster.pki.join("front-proxy-client.key"));
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .tls_certs_only([reqwest::Certificate::from_pem(cluster.ca.as_bytes()).unwrap()])
            .identity(reqwest::Identity::from_pem(front.as_bytes()).unwrap())
            .build()
            .unwrap();
        let behind = Behind { client, server: cluster.settings.api.endpoint.clone(), counts: counts.clone() };
        let (send, listening) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let address: SocketAddr = ADDRESS.parse().unwrap();
                let listener = TcpListener::bind(address).await.unwrap();
                send.send(()).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, acceptor.clone(), behind.clone()));
                }
            });
        });
        listening.recv().unwrap();
        Self { endpoint: format!("https://{ADDRESS}"), counts }
    }

    pub fn told(&self) -> Told {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Told { requests: read(&self.counts.requests), faults: read(&self.counts.faults) }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A server whose certificate the cluster's CA has signed, for clients with certificates of the same CA.
fn acceptor(cluster: &Cluster) -> TlsAcceptor {
    let key = entropy::key_pem().unwrap();
    let authority_key = Key::parse(&read(&cluster.pki.join("ca.key"))).unwrap();
    let wanted = Leaf {
        name: "proxy".to_owned(),
        organization: None,
        usage: Usage::Server,
        names: vec![San::of(ADDRESS.split(':').next().unwrap())],
    };
    let certificate =
        pki::leaf(&wanted, &Key::parse(&key).unwrap(), &cluster.ca, &authority_key, clock::now_s()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(cluster.ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier).with_single_cert(
        vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
        PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
    );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, behind: Behind) {
    // A client that goes away is part of the test.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let user = user(&stream);
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = Request::read(&mut stream).await {
        let fault = behind.counts.next();
        let answer = match fault {
            Some(Fault::CutBefore) => return,
            Some(Fault::FailedBefore) => Answer::status(500, "InternalError", ""),
            Some(Fault::TooMany) => Answer::status(429, "TooManyRequests", "Retry-After: 1\r\n"),
            _ => behind.ask(&user, request).await,
        };
        let mut bytes = match fault {
            Some(Fault::CutAfter) => return,
            Some(Fault::FailedAfter) => Answer::status(504, "Timeout", "").bytes(),
            _ => answer.bytes(),
        };
        if fault == Some(Fault::CutWithin) {
            bytes.truncate(bytes.len() / 2);
        }
        let is_sent = stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok();
        if !is_sent || fault == Some(Fault::CutWithin) {
            return;
        }
    }
}

/// The user that the client's certificate is for.
fn user(stream: &TlsStream<TcpStream>) -> String {
    let (_, connection) = stream.get_ref();
    let certificate = &connection.peer_certificates().unwrap()[0];
    let (_, certificate) = X509Certificate::from_der(certificate).unwrap();
    certificate.subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned()
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let (mut headers, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "accept" | "content-type" | "user-agent" => headers.push((name.to_owned(), value.to_owned())),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok(Some(Self { method, path, headers, body }))
    }
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(code: u16, reason: &str, headers: &str) -> Self {
        let body =
            format!(r#"{{"kind":"Status","code":{code},"reason":"{reason}","message":"by the proxy"}}"#);
        Self { status: code, headers: headers.to_owned(), body: body.into_bytes() }
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, headers, body } = self;
        let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        [head.as_bytes(), body].concat()
    }
}

impl Behind {
    async fn ask(&self, user: &str, request: Request) -> Answer {
        let url = format!("{}{}", self.server, request.path);
        let mut asked = self.client.request(request.method.parse().unwrap(), url).body(request.body);
        for (name, value) in request.headers {
            asked = asked.header(name, value);
        }
        asked = asked.header("X-Remote-User", user).header("X-Remote-Group", "system:nodes");
        let answer = asked.send().await.unwrap();
        let status = answer.status().as_u16();
        let mut headers = String::new();
        for name in ["Content-Type", "Date", "Retry-After"] {
            if let Some(value) = answer.headers().get(name) {
                headers += &format!("{name}: {}\r\n", value.to_str().unwrap());
            }
        }
        Answer { status, headers, body: answer.bytes().await.unwrap().to_vec() }
    }
}
