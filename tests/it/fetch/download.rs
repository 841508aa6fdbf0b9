// SPDX-License-Identifier: Apache-2.0
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use kiln::digest::Digest;
use kiln::host::cache::{Blob, Cache, EntryKind};
use kiln::host::download::{DownloadError, DownloadErrorKind, Downloader, Limits, Settings, Want};
use kiln::progress::{Progress, Silent};

use super::proxy::Proxy;
use super::server::{Seen, Serve, Server};

/// Limits that fit a test on a busy machine.
pub fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(10),
        stall: Duration::from_secs(10),
        total: Duration::from_secs(60),
        attempts: 3,
        pause_first: Duration::from_millis(1),
        pause_max: Duration::from_secs(2),
        redirects: 3,
    }
}

pub fn settings(ca: &Path, limits: Limits) -> Settings {
    Settings { ca_files: vec![ca.to_owned()], https_proxy: None, no_proxy: None, jobs: 4, limits }
}

pub fn want(url: &str, content: &[u8]) -> Want {
    let sha256 = Some(Digest::of(content));
    Want { url: url.to_owned(), sha256, sha512: None, size: None, size_max: 100 << 20 }
}

/// Bytes that are not all alike.
pub fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

struct World {
    server: Server,
    cache: Cache,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache"), Duration::ZERO).unwrap();
    World { server: Server::start(), cache, _folder: folder }
}

impl World {
    fn fetch_with(
        &self,
        limits: Limits,
        want: &Want,
        progress: &dyn Progress,
    ) -> Result<Blob, DownloadError> {
        let downloader = Downloader::new(&settings(&self.server.ca(), limits), self.cache.clone()).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(downloader.file(want, progress))
    }

    fn fetch(&self, want: &Want) -> Result<Blob, DownloadError> {
        self.fetch_with(limits(), want, &Silent)
    }

    /// The error's words, with the port and anything that changes from run to run left out.
    fn words(&self, want: &Want) -> String {
        let error = self.fetch(want).unwrap_err();
        self.plain(&error)
    }

    fn plain(&self, error: &DownloadError) -> String {
        assert!(
            self.cache.list().unwrap().iter().all(|it| !it.path.starts_with(self.cache.root().join("blobs")))
        );
        error.to_string().replace(&format!(":{}", self.server.port()), "")
    }

    fn starts(&self) -> Vec<Option<usize>> {
        self.server.seen().into_iter().map(|seen| seen.from).collect()
    }
}

/// Keeps what is said.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn begin(&self, _: &str, _: &str, _: Option<u64>) {}
    fn advance(&self, _: &str, _: u64) {}
    fn end(&self, _: &str, _: &str) {}
    fn say(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn a_file_is_fetched_once() {
    let world = world();
    let content = bytes(300_000);
    let want = want(&world.server.file("a/b c", &content).replace(' ', "%20"), &content);
    world.server.put("a/b%20c", Serve::File(content.clone()));
    let blob = world.fetch(&want).unwrap();
    assert_eq!(std::fs::read(&blob.path).unwrap(), content);
    assert_eq!(world.fetch(&want).unwrap(), blob);
    assert_eq!(world.server.seen(), [Seen { path: "/a/b%20c".to_owned(), from: None }]);
    let mut entries = world.cache.list().unwrap();
    entries.retain(|entry| !matches!(entry.kind, EntryKind::Record { .. }));
    assert_eq!(entries.len(), 1, "{entries:?}");
}

#[test]
fn a_wrong_digest_is_told_with_both_and_leaves_no_blob() {
    let world = world();
    let mut want = want(&world.server.file("x", b"other"), b"wanted");
    assert_eq!(
        world.words(&want),
        format!(
            "can't fetch https://localhost/x: its sha256 is {} instead of {}: the file has been changed on its way or \
             upstream",
            Digest::of(b"other"),
            Digest::of(b"wanted")
        )
    );
    want.sha256 = None;
    want.sha512 = Some([0; 64]);
    assert!(
        world.words(&want).contains(&format!("instead of {}: the file has been changed", "0".repeat(128)))
    );
    assert_eq!(world.starts(), [None, None], "a wrong digest is not tried again");
}

#[test]
fn a_missing_file_is_not_tried_again() {
    let world = world();
    let words = "can't fetch https://localhost/no: the server has no such file (404); check the version and the address";
    assert_eq!(world.words(&want(&world.server.url("no"), b"")), words);
    world.server.put("gone", Serve::Status(410, ""));
    assert!(world.words(&want(&world.server.url("gone"), b"")).contains("no such file (410)"));
    world.server.put("no-entry", Serve::Status(403, ""));
    assert_eq!(
        world.words(&want(&world.server.url("no-entry"), b"")),
        "can't fetch https://localhost/no-entry: the server answers 403"
    );
    assert_eq!(world.starts().len(), 3);
}

#[test]
fn a_server_error_passes_or_is_told() {
    let world = world();
    let steps =
        vec![Serve::Status(500, ""), Serve::Status(503, "Retry-After: 1\r\n"), Serve::File(b"abc".to_vec())];
    world.server.put("x", Serve::Then(steps));
    let (heard, start) = (Heard::default(), std::time::Instant::now());
    world.fetch_with(limits(), &want(&world.server.url("x"), b"abc"), &heard).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After is honoured");
    let heard = heard.0.into_inner().unwrap();
    assert!(heard[0].contains("/x: the server answers 500; trying again in 0.0 s"), "{heard:?}");
    assert!(heard[1].contains("/x: the server answers 503; trying again in 1.0 s"), "{heard:?}");
    let world = self::world();
    world.server.put("x", Serve::Status(502, ""));
    assert_eq!(
        world.words(&want(&world.server.url("x"), b"")),
        "can't fetch https://localhost/x: the server answers 502 (3 attempts)"
    );
    world.server.put("x", Serve::Status(429, "Retry-After: 3600\r\n"));
    assert_eq!(
        world.words(&want(&world.server.url("x"), b"")),
        "can't fetch https://localhost/x: the server answers 429 and asks to wait 3600 s; run the same command again \
         later; it goes on where it was"
    );
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let world = world();
    let content = bytes(250_000);
    world.server.put("x", Serve::Cut(content.clone(), 100_000));
    let blob = world.fetch(&want(&world.server.url("x"), &content)).unwrap();
    assert_eq!(std::fs::read(blob.path).unwrap(), content);
    assert_eq!(world.starts(), [None, Some(100_000), Some(200_000)]);
}

#[test]
fn a_truncated_file_is_told() {
    let world = world();
    let content = bytes(1000);
    world.server.put("y", Serve::Cut(content.clone(), 0));
    assert_eq!(
        world.words(&want(&world.server.url("y"), &content)),
        "can't fetch https://localhost/y: it ends after 0 of 1000 bytes (3 attempts)"
    );
}

#[test]
fn a_longer_body_than_promised_is_refused() {
    let world = world();
    world.server.put("x", Serve::Chunked(bytes(5000)));
    let bounded = |size, size_max| Want { size, size_max, ..want(&world.server.url("x"), b"") };
    assert_eq!(
        world.words(&bounded(Some(3000), 10_000)),
        "can't fetch https://localhost/x: it is longer than 3000 bytes"
    );
    assert_eq!(
        world.words(&bounded(None, 4000)),
        "can't fetch https://localhost/x: it is longer than 4000 bytes"
    );
    world.server.file("x", &bytes(5000));
    assert_eq!(
        world.words(&bounded(None, 4000)),
        "can't fetch https://localhost/x: it is longer than 4000 bytes"
    );
    assert_eq!(
        world.words(&bounded(Some(3000), 10_000)),
        "can't fetch https://localhost/x: it has 5000 bytes instead of 3000: the file has been changed upstream"
    );
}

#[test]
fn a_stalled_server_is_left_within_the_limit() {
    let world = world();
    let content = bytes(1000);
    world.server.put("x", Serve::Stall(content.clone(), 100));
    let limits = Limits { stall: Duration::from_secs(1), attempts: 1, ..limits() };
    let start = std::time::Instant::now();
    let error = world.fetch_with(limits, &want(&world.server.url("x"), &content), &Silent).unwrap_err();
    assert_eq!(world.plain(&error), "can't fetch https://localhost/x: the server sent nothing for 1 s");
    assert!(error.may_pass() && start.elapsed() < Duration::from_secs(9));
    world.server.put("x", Serve::Slow(bytes(1 << 20), Duration::from_millis(400)));
    let limits = Limits { total: Duration::from_secs(1), ..self::limits() };
    let error = world.fetch_with(limits, &want(&world.server.url("x"), &content), &Silent).unwrap_err();
    assert_eq!(
        world.plain(&error),
        "can't fetch https://localhost/x: it was not done within 1 s; run the same command again later; it goes on \
         where it was"
    );
}

#[test]
fn redirects_are_followed_but_not_to_plain_http() {
    let world = world();
    world.server.file("end", b"abc");
    world.server.put("start", Serve::Redirect(world.server.url("end")));
    world.fetch(&want(&world.server.url("start"), b"abc")).unwrap();
    let world = self::world();
    world.server.put("start", Serve::Redirect("http://localhost:1/x".to_owned()));
    assert_eq!(
        world.words(&want(&world.server.url("start"), b"")),
        "can't fetch https://localhost/start: the server leads to plain HTTP (http://localhost:1/x), which kiln refuses; \
         name a mirror that stays with https"
    );
    world.server.put("loop", Serve::Redirect(world.server.url("loop")));
    assert_eq!(
        world.words(&want(&world.server.url("loop"), b"")),
        "can't fetch https://localhost/loop: the server redirects more than 3 times"
    );
    assert_eq!(
        world.words(&want("http://localhost/x", b"")),
        "can't fetch http://localhost/x: it is no https:// address; give an address that starts with https://"
    );
}

#[test]
fn an_unknown_certificate_is_refused_with_the_way_out() {
    let world = world();
    let settings = Settings { ca_files: Vec::new(), ..settings(Path::new(""), limits()) };
    let downloader = Downloader::new(&settings, world.cache.clone()).unwrap();
    let want = want(&world.server.file("x", b""), b"");
    let result = tokio::runtime::Runtime::new().unwrap().block_on(downloader.file(&want, &Silent));
    assert_eq!(
        world.plain(&result.unwrap_err()),
        "can't fetch https://localhost/x: the server's certificate or TLS is not good: nobody whom kiln trusts \
         has issued its certificate; if it is your proxy's or mirror's, name its CA's PEM file in KILN_CA_FILE"
    );
}

#[test]
fn wrong_settings_are_told() {
    let world = world();
    let words = |settings: Settings| Downloader::new(&settings, world.cache.clone()).unwrap_err().to_string();
    let path = world.server.ca();
    let missing = Settings { ca_files: vec!["/no/such.pem".into()], ..settings(&path, limits()) };
    assert_eq!(words(missing), "the CA file /no/such.pem: No such file or directory (os error 2)");
    std::fs::write(&path, "nothing").unwrap();
    assert!(words(settings(&path, limits())).ends_with("ca.pem holds no certificate (PEM)"));
    let proxy =
        Settings { ca_files: Vec::new(), https_proxy: Some("::".to_owned()), ..settings(&path, limits()) };
    assert!(words(proxy).starts_with("HTTPS_PROXY '::' is no address: "));
    for scheme in ["socks5", "socks5h"] {
        let proxy = Some(format!("{scheme}://user:secret@127.0.0.1:1"));
        let proxy = Settings { ca_files: Vec::new(), https_proxy: proxy, ..settings(&path, limits()) };
        assert_eq!(
            words(proxy),
            format!(
                "HTTPS_PROXY '{scheme}://127.0.0.1:1' is a proxy of the kind '{scheme}'; kiln speaks with http:// and https:// \
                 proxies"
            )
        );
    }
}

#[test]
fn a_host_that_does_not_answer_is_told() {
    let world = world();
    // Port 1 on localhost: nobody listens.
    let words = world.words(&want("https://localhost:1/x", b""));
    assert!(words.starts_with("can't fetch https://localhost:1/x: can't connect: "), "{words}");
    assert!(words.ends_with(" (3 attempts); check the network, HTTPS_PROXY and /etc/resolv.conf"), "{words}");
    let words = world.words(&want("https://user:secret@localhost:1/x", b""));
    assert!(words.starts_with("can't fetch https://localhost:1/x: ") && !words.contains("secret"), "{words}");
}

#[test]
fn what_an_earlier_run_left_is_used_only_if_it_fits() {
    let world = world();
    let content = bytes(10_000);
    let url = world.server.file("x", &content);
    let state = kiln::host::cache::PartialState { url: url.clone(), validator: None, size: Some(10_000) };
    let leave = |bytes: &[u8]| {
        let partial = world.cache.partial(&url).unwrap().unwrap();
        partial.restart(&state).unwrap();
        partial.write_at(bytes, 0).unwrap();
    };
    leave(&content[..4000]);
    world.fetch(&want(&url, &content)).unwrap();
    assert_eq!(world.starts(), [Some(4000)]);
    std::fs::remove_dir_all(world.cache.root().join("blobs/sha256")).unwrap();
    // Bytes of another file: the digest tells, and it starts again.
    leave(&[0; 4000]);
    let heard = Heard::default();
    world.fetch_with(limits(), &want(&url, &content), &heard).unwrap();
    assert_eq!(world.starts(), [Some(4000), None]);
    assert!(heard.0.lock().unwrap()[0].ends_with("/x: what was there is bad, starting again"));
    std::fs::remove_dir_all(world.cache.root().join("blobs/sha256")).unwrap();
    // All of it was there when kiln was killed: nothing is asked for.
    leave(&content);
    world.fetch(&want(&url, &content)).unwrap();
    assert_eq!(world.starts(), [0; 0].map(Some));
    std::fs::remove_dir_all(world.cache.root().join("blobs/sha256")).unwrap();
    // Neither validator nor digest: it can't be told whether the parts belong together.
    leave(&content[..4000]);
    world.fetch(&Want { sha256: None, ..want(&url, &content) }).unwrap();
    assert_eq!(world.starts(), [None]);
}

#[test]
fn a_server_without_ranges_or_with_wrong_ones_is_survived() {
    let world = world();
    let content = bytes(10_000);
    let cut = Serve::Cut(content.clone(), 5000);
    world.server.put("x", Serve::Then(vec![cut.clone(), Serve::Whole(content.clone())]));
    world.fetch(&want(&world.server.url("x"), &content)).unwrap();
    let other = bytes(9000);
    let cut = Serve::Cut(other.clone(), 5000);
    let steps = vec![cut, Serve::WrongRange(other.clone()), Serve::File(other.clone())];
    world.server.put("y", Serve::Then(steps));
    world.fetch(&want(&world.server.url("y"), &other)).unwrap();
    assert_eq!(world.starts(), [None, Some(5000), None, Some(5000), None]);
}

#[test]
fn parts_of_two_files_are_never_joined() {
    let world = world();
    let (before, after) = (vec![b'a'; 10_000], vec![b'b'; 10_000]);
    let unknown = |path: &str| Want { sha256: None, ..want(&world.server.url(path), b"") };
    // The server does not look at If-Range, and its file has changed meanwhile: another tag, same size.
    let steps = vec![Serve::Cut(before.clone(), 5000), Serve::File(after.clone())];
    world.server.put("x", Serve::Then(steps));
    let heard = Heard::default();
    let blob = world.fetch_with(limits(), &unknown("x"), &heard).unwrap();
    assert_eq!(std::fs::read(blob.path).unwrap(), after);
    assert_eq!(world.starts(), [None, Some(5000), None]);
    let heard = heard.0.into_inner().unwrap();
    assert!(heard[1].contains("/x: the server has another file by now than when it was begun"), "{heard:?}");
    // The same tag and another size, which is all that tells.
    let longer = [&after[..], b"b"].concat();
    let steps = vec![
        Serve::Tagged("\"t\"", Box::new(Serve::Cut(before.clone(), 5000))),
        Serve::Tagged("\"t\"", Box::new(Serve::File(longer.clone()))),
    ];
    world.server.put("y", Serve::Then(steps));
    let blob = world.fetch(&unknown("y")).unwrap();
    assert_eq!(std::fs::read(blob.path).unwrap(), longer);
    // One that changes at each request is left at last.
    let each = |byte| Serve::Cut(vec![byte; 10_000], 5000);
    world.server.put("z", Serve::Then((0..9).map(each).collect()));
    let error = world.fetch(&unknown("z")).unwrap_err();
    assert!(error.may_pass() && error.attempts == 3, "{error}");
}

#[test]
fn parts_without_a_validator_are_joined_on_the_word_of_the_digest_alone() {
    let world = world();
    let (before, after) = (vec![b'a'; 10_000], vec![b'b'; 10_000]);
    let untagged = |serve| Serve::Tagged("", Box::new(serve));
    let steps = vec![untagged(Serve::Cut(before, 5000)), untagged(Serve::File(after.clone()))];
    world.server.put("x", Serve::Then(steps));
    let blob = world.fetch(&want(&world.server.url("x"), &after)).unwrap();
    assert_eq!(std::fs::read(blob.path).unwrap(), after);
    assert_eq!(world.starts(), [None, Some(5000), None]);
}

#[test]
fn a_certificate_that_does_not_do_is_told_in_words() {
    let world = world();
    let words = |url: &str, ca: &Path| {
        let downloader = Downloader::new(&settings(ca, limits()), world.cache.clone()).unwrap();
        let fetching = downloader.small(url, 10, &Silent);
        tokio::runtime::Runtime::new().unwrap().block_on(fetching).unwrap_err().to_string()
    };
    let own = Server::start_self_signed();
    let said = words(&own.url("x"), &own.ca());
    let expected = "is not good: its certificate is an authority's, which no server may show; let that authority issue one \
                    for the server";
    assert!(said.ends_with(expected), "{said}");
    let said = words(&world.server.url("x").replace("localhost", "127.0.0.1"), &world.server.ca());
    assert!(said.contains("is not good: its certificate is for other names: localhost, "), "{said}");
    let said = words("https://no-such-host.invalid/x", &own.ca());
    assert!(said.contains("can't look up the server's name: ") && !said.contains("Query"), "{said}");
}

#[test]
fn two_downloads_of_the_same_file_ask_for_it_once() {
    let world = world();
    let content = bytes(400_000);
    world.server.put("x", Serve::Slow(content.clone(), Duration::from_millis(50)));
    let want = want(&world.server.url("x"), &content);
    let heard = Heard::default();
    let blobs: Vec<Blob> = std::thread::scope(|scope| {
        let both = [(), ()].map(|()| scope.spawn(|| world.fetch_with(limits(), &want, &heard).unwrap()));
        both.map(|it| it.join().unwrap()).into()
    });
    assert_eq!(blobs[0], blobs[1]);
    assert_eq!(world.starts(), [None]);
    let heard = heard.0.into_inner().unwrap();
    assert!(heard[0].ends_with("/x: waiting for another download of the same file"), "{heard:?}");
}

#[test]
fn a_proxy_is_used_except_for_hosts_that_are_named() {
    let world = world();
    let want = want(&world.server.file("x", b"abc"), b"abc");
    let fetch = |https_proxy: &str, no_proxy: Option<&str>| {
        let (https_proxy, no_proxy) = (Some(https_proxy.to_owned()), no_proxy.map(str::to_owned));
        let settings = Settings { https_proxy, no_proxy, ..settings(&world.server.ca(), limits()) };
        let downloader = Downloader::new(&settings, world.cache.clone()).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(downloader.file(&want, &Silent))
    };
    // Nobody listens there.
    let nobody = "http://127.0.0.1:1";
    let error = fetch(nobody, None).unwrap_err();
    assert!(matches!(*error.kind, DownloadErrorKind::Connect(_)), "{error}");
    assert!(world.server.seen().is_empty());
    fetch(nobody, Some("example.org,localhost")).unwrap();
    std::fs::remove_dir_all(world.cache.root().join("blobs/sha256")).unwrap();
    let proxy = Proxy::start(None);
    fetch(&proxy.address(), Some("example.org")).unwrap();
    assert_eq!(proxy.asked(), [format!("localhost:{}", world.server.port())]);
}
