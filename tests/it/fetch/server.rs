// SPDX-License-Identifier: Apache-2.0
//! A TLS server on localhost that serves what a test gives it, well or badly. It speaks HTTP/1.1 by hand: a good library
//! would not let it lie.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How one address behaves.
#[derive(Debug, Clone)]
pub enum Serve {
    /// As it should, with ranges and a strong ETag.
    File(Vec<u8>),
    /// Without ranges.
    Whole(Vec<u8>),
    /// Only the first bytes of what is promised, then the connection ends; ranges work.
    Cut(Vec<u8>, usize),
    /// The first bytes of what is promised, then silence; ranges work.
    Stall(Vec<u8>, usize),
    /// In pieces of 64 KiB with a pause after each; ranges work.
    Slow(Vec<u8>, Duration),
    /// Without a length, so that only what the client knows can tell how long it may be.
    Chunked(Vec<u8>),
    /// Another range than the one that was asked for.
    WrongRange(Vec<u8>),
    /// With this ETag, or none if it is empty.
    Tagged(&'static str, Box<Serve>),
    /// A status and further header lines.
    Status(u16, &'static str),
    /// A redirect.
    Redirect(String),
    /// One after the other; the last one stays.
    Then(Vec<Serve>),
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub path: String,
    /// The first byte that was asked for.
    pub from: Option<usize>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Serve>,
    seen: Vec<Seen>,
}

/// The server; it runs until the test program ends.
#[derive(Debug)]
pub struct Server {
    port: u16,
    state: Arc<Mutex<State>>,
    folder: tempfile::TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(acceptor)
    }

    /// As [`Server::start`], with the certificate of the CA itself.
    pub fn start_self_signed() -> Self {
        Self::start_with(self_signed)
    }

    fn start_with(acceptor: fn(&std::path::Path) -> TlsAcceptor) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let acceptor = acceptor(&folder.path().join("ca.pem"));
        let state = Arc::new(Mutex::new(State::default()));
        let (send, receive) = std::sync::mpsc::channel();
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send(listener.local_addr().unwrap().port()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (acceptor, state) = (acceptor.clone(), shared.clone());
                    tokio::spawn(async move {
                        // A client that does not trust us, or goes away, is part of the tests.
                        if let Ok(stream) = acceptor.accept(stream).await {
                            let _ = answer(stream, &state).await;
                        }
                    });
                }
            });
        });
        Self { port: receive.recv().unwrap(), state, folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn put(&self, path: &str, serve: Serve) {
        self.state.lock().unwrap().files.insert(format!("/{path}"), serve);
    }

    /// Serves a file under a path and returns its address.
    pub fn file(&self, path: &str, content: &[u8]) -> String {
        self.put(path, Serve::File(content.to_vec()));
        self.url(path)
    }

    /// Returns the requests since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }
}

/// Whom the server may pass for, with a CA that only a test trusts: the vendors too, behind a test's own proxy.
const NAMES: [&str; 9] = [
    "localhost",
    "release.kiln.test",
    "stable.release.flatcar-linux.net",
    "www.flatcar.org",
    "dl.k8s.io",
    "cdn.dl.k8s.io",
    "fulcio.sigstore.dev",
    "github.com",
    "release-assets.githubusercontent.com",
];

fn authority(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "a test's CA");
    params
}

fn self_signed(ca_file: &std::path::Path) -> TlsAcceptor {
    let key = KeyPair::generate().unwrap();
    let certificate = authority(&NAMES).self_signed(&key).unwrap();
    std::fs::write(ca_file, certificate.pem()).unwrap();
    accept_with(certificate.der().clone(), &key)
}

fn acceptor(ca_file: &std::path::Path) -> TlsAcceptor {
    let params = authority(&[]);
    let ca_key = KeyPair::generate().unwrap();
    std::fs::write(ca_file, params.self_signed(&ca_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(NAMES.map(str::to_owned)).unwrap().signed_by(&key, &issuer).unwrap();
    accept_with(certificate.der().clone(), &key)
}

fn accept_with(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.unwrap().with_no_client_auth();
    let config = builder.with_single_cert(vec![certificate], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut from) = (String::new(), None);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap().to_owned();
        } else if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().ok();
        } else if line.is_empty() {
            break;
        }
    }
    let serve = {
        let mut state = state.lock().unwrap();
        state.seen.push(Seen { path: path.clone(), from });
        match state.files.get_mut(&path) {
            Some(Serve::Then(steps)) if steps.len() > 1 => steps.remove(0),
            Some(Serve::Then(steps)) => steps[0].clone(),
            Some(serve) => serve.clone(),
            None => Serve::Status(404, ""),
        }
    };
    respond(stream.get_mut(), serve, from).await?;
    stream.get_mut().shutdown().await
}

async fn respond(
    stream: &mut (impl AsyncWrite + Unpin),
    serve: Serve,
    from: Option<usize>,
) -> std::io::Result<()> {
    let (serve, tag) = match serve {
        Serve::Tagged(tag, serve) => (*serve, Some(tag)),
        serve => (serve, None),
    };
    match serve {
        Serve::File(all) => body(stream, &all, from, usize::MAX, None, tag).await,
        Serve::Whole(all) => body(stream, &all, None, usize::MAX, None, tag).await,
        Serve::Cut(all, at) => body(stream, &all, from, at, None, tag).await,
        Serve::Slow(all, pause) => body(stream, &all, from, usize::MAX, Some(pause), tag).await,
        Serve::WrongRange(all) => body(stream, &all, from.map(|from| from + 1), usize::MAX, None, tag).await,
        Serve::Stall(all, at) => {
            body(stream, &all, from, at, None, tag).await?;
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok(())
        }
        Serve::Chunked(all) => {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            for piece in all.chunks(1000) {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                stream.write_all(piece).await?;
                stream.write_all(b"\r\n").await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Serve::Status(status, headers) => {
            let head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"
            );
            stream.write_all(head.as_bytes()).await
        }
        Serve::Redirect(to) => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await
        }
        Serve::Then(_) | Serve::Tagged(..) => unreachable!("resolved already"),
    }
}

async fn body(
    stream: &mut (impl AsyncWrite + Unpin),
    all: &[u8],
    from: Option<usize>,
    cut_at: usize,
    pause: Option<Duration>,
    tag: Option<&str>,
) -> std::io::Result<()> {
    let tag = tag.map_or_else(|| format!("\"{}\"", kiln::digest::Digest::of(all)), str::to_owned);
    let tag = if tag.is_empty() { tag } else { format!("ETag: {tag}\r\n") };
    let start = from.unwrap_or(0).min(all.len());
    let rest = &all[start..];
    let mut head = match from {
        Some(_) => {
            let last = all.len().saturating_sub(1);
            format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{last}/{}\r\n", all.len())
        }
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    head += &format!("Content-Length: {}\r\n{tag}Connection: close\r\n\r\n", rest.len());
    stream.write_all(head.as_bytes()).await?;
    for piece in rest[..rest.len().min(cut_at)].chunks(64 << 10) {
        stream.write_all(piece).await?;
        stream.flush().await?;
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    stream.flush().await
}
