// SPDX-License-Identifier: Apache-2.0
//! An HTTP/1.1 server by hand, plain or in TLS: a good library would not let it hang, cut off or come late.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Who asks.
    pub peer: IpAddr,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What a request gets.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub delay: Duration,
    pub manner: Manner,
}

/// How an answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Whole,
    /// The connection ends instead.
    Cut,
    /// Nothing comes, until the client gives up.
    Silence,
}

impl Reply {
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self { status, headers, body: body.into(), delay: Duration::ZERO, manner: Manner::Whole }
    }

    /// A text with this status.
    pub fn plain(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "text/plain", body)
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::plain(200, body)
    }

    pub fn cut() -> Self {
        Self { manner: Manner::Cut, ..Self::ok("") }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// A server; it ends with this value.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    /// Serves on a listener, which may be in another network.
    pub fn on(
        listener: std::net::TcpListener,
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (answer, tls) = (Arc::new(answer), tls.map(TlsAcceptor::from));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, peer)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (answer, tls) = (answer.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, peer.ip(), answer).await,
                        // A client that does not trust us is part of the tests.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, peer.ip(), answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, runtime: Some(runtime) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: IpAddr,
    answer: Arc<impl Fn(Request) -> Reply + Send + Sync>,
) {
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    while let Some(request) = read(&mut stream, peer).await {
        let reply = answer(request);
        tokio::time::sleep(reply.delay).await;
        match reply.manner {
            Manner::Whole => {}
            Manner::Cut => return,
            Manner::Silence => return std::future::pending().await,
        }
        let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
        reply.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend(reply.body);
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>, peer: IpAddr) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|len| *len > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok().filter(|len| *len > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    if headers.get("expect").is_some_and(|expected| expected.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    let len = headers.get("content-length").map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await.ok()?;
    let url = url::Url::parse(&format!("http://double{target}")).ok()?;
    let query = url.query_pairs().into_owned().collect();
    Some(Request { method, path: url.path().to_owned(), query, headers, body, peer })
}
