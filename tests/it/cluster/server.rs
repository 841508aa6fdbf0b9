// SPDX-License-Identifier: Apache-2.0
//! A TLS server on localhost that answers request after request as a test tells it, well or badly. It speaks HTTP/1.1 by
//! hand: a good library would not let it lie.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln::cluster::{Access, Client, Credential, Limits};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What one request gets.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status, further header lines and a body; the connection stays.
    Answer(u16, String, String),
    /// These bytes and the end of the connection, whatever they are.
    Bytes(String),
    /// A body in chunks without an end; then the connection ends, cut off where the flag says so.
    Chunks(Vec<String>, bool),
    /// As much as the client takes.
    Endless,
    /// Nothing, for ever.
    Silence,
}

impl Reply {
    pub fn ok(body: impl Into<String>) -> Self {
        Self::Answer(200, String::new(), body.into())
    }

    /// A refusal as the API words it.
    pub fn status(code: u16, reason: &str, details: &str) -> Self {
        let body = format!(
            r#"{{"kind":"Status","code":{code},"message":"no","reason":"{reason}","details":{details}}}"#
        );
        Self::Answer(code, String::new(), body)
    }

    pub fn with(self, header: &str) -> Self {
        match self {
            Self::Answer(status, headers, body) => {
                Self::Answer(status, format!("{headers}{header}\r\n"), body)
            }
            other => other,
        }
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// "GET /api/v1/nodes?limit=500".
    pub line: String,
    pub headers: String,
    pub body: String,
}

#[derive(Debug, Default)]
struct State {
    replies: VecDeque<Reply>,
    seen: Vec<Seen>,
    connections: usize,
}

/// What is wrong with the server's certificate; by default nothing.
#[derive(Debug, Clone, Copy)]
pub struct Certificate {
    pub name: &'static str,
    pub valid: ((i32, u8, u8), (i32, u8, u8)),
    pub is_of_the_ca: bool,
}

impl Default for Certificate {
    fn default() -> Self {
        Self { name: "localhost", valid: ((2020, 1, 1), (2999, 1, 1)), is_of_the_ca: true }
    }
}

/// The server; it runs until the test program ends.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    ca: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::with(Certificate::default(), replies)
    }

    pub fn with(certificate: Certificate, replies: impl IntoIterator<Item = Reply>) -> Self {
        let (acceptor, ca) = acceptor(certificate);
        let replies = replies.into_iter().collect();
        let state = Arc::new(Mutex::new(State { replies, ..State::default() }));
        let (send, receive) = std::sync::mpsc::channel();
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send(listener.local_addr().unwrap().port()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(stream, acceptor.clone(), shared.clone()));
                }
            });
        });
        Self { port: receive.recv().unwrap(), ca, state }
    }

    /// Returns how to reach it with a token, patient for half a minute.
    pub fn access(&self) -> Access {
        let url = format!("https://localhost:{}", self.port);
        let limits = Limits { connect: Duration::from_secs(10), request: Duration::from_secs(30) };
        let token = Credential::Token("abcdef.0123456789abcdef".to_owned());
        Access { limits, ..Access::of_node(&url, &self.ca, token) }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.access()).unwrap()
    }

    /// Returns the first lines of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

fn acceptor(wanted: Certificate) -> (TlsAcceptor, String) {
    let ca = || {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "a test's CA");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (Issuer::new(params, key), pem)
    };
    let (trusted, pem) = ca();
    let issuer = if wanted.is_of_the_ca { trusted } else { ca().0 };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![wanted.name.to_owned()]).unwrap();
    let ((year, month, day), (to_year, to_month, to_day)) = wanted.valid;
    params.not_before = rcgen::date_time_ymd(year, month, day);
    params.not_after = rcgen::date_time_ymd(to_year, to_month, to_day);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.unwrap().with_no_client_auth();
    let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<Mutex<State>>) {
    // A client that does not trust us, or goes away, is part of the tests.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    state.lock().unwrap().connections += 1;
    let mut stream = BufReader::new(stream);
    while let Ok(Some(seen)) = read(&mut stream).await {
        let reply = {
            let mut state = state.lock().unwrap();
            state.seen.push(seen);
            state.replies.pop_front().unwrap_or(Reply::status(500, "NothingLeftToSay", "{}"))
        };
        let is_over = !matches!(reply, Reply::Answer(..));
        if write(stream.get_mut(), reply).await.is_err() || is_over {
            return;
        }
    }
}

async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<Seen>> {
    let (mut first, mut headers, mut length) = (String::new(), String::new(), 0);
    if stream.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        headers += &line;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let line = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Ok(Some(Seen { line, headers, body: String::from_utf8(body).unwrap() }))
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), reply: Reply) -> std::io::Result<()> {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match reply {
        Reply::Answer(status, headers, body) => {
            let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await?;
            stream.flush().await
        }
        Reply::Bytes(bytes) => {
            stream.write_all(bytes.as_bytes()).await?;
            stream.shutdown().await
        }
        Reply::Chunks(chunks, is_cut) => {
            stream.write_all(CHUNKED.as_bytes()).await?;
            for chunk in chunks {
                stream.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).await?;
                stream.flush().await?;
            }
            if !is_cut {
                stream.write_all(b"0\r\n\r\n").await?;
            }
            stream.shutdown().await
        }
        Reply::Endless => {
            stream.write_all(CHUNKED.as_bytes()).await?;
            let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        Reply::Silence => std::future::pending().await,
    }
}
