// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::blocks::Lister;
use crate::progress::Silent;
use std::io::Write;

use crate::host::files::Stamp;

const NOW: Duration = Duration::ZERO;

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("ké ln"), NOW).unwrap();
    (folder, cache)
}

/// How many files there are besides records.
fn files_of(cache: &Cache) -> usize {
    cache.list().unwrap().iter().filter(|entry| !matches!(entry.kind, EntryKind::Record { .. })).count()
}

#[test]
fn what_is_put_is_found_by_its_digest() {
    let (_folder, cache) = cache();
    let digest = Digest::of(b"abc");
    assert_eq!(cache.get(&digest), None);
    let blob = cache.put_bytes(b"abc").unwrap();
    assert_eq!((blob.digest, blob.size), (digest, 3));
    assert_eq!(files::read(&blob.path, 3).unwrap(), b"abc");
    let mut writer = cache.writer().unwrap();
    writer.write_all(b"ab").unwrap();
    writer.write_all(b"c").unwrap();
    assert_eq!(writer.finish().unwrap(), blob);
    assert_eq!(cache.put_file(&blob.path).unwrap(), blob);
    let pending = cache.pending().unwrap();
    pending.write_at(b"abc", 0).unwrap();
    assert_eq!(cache.put(pending, &digest).unwrap(), blob);
    assert_eq!(files_of(&cache), 1);
}

#[test]
fn records_and_derived_files_have_their_own_names() {
    let (_folder, cache) = cache();
    assert_eq!(cache.record_get("unpacked", "k").unwrap(), None);
    cache.record_put("unpacked", "k", b"{}").unwrap();
    cache.record_put("unpacked", "k", b"[]").unwrap();
    assert_eq!(cache.record_get("unpacked", "k").unwrap().unwrap(), b"[]");
    assert_eq!(cache.record_keys("unpacked").unwrap(), ["k"]);
    assert!(cache.record_keys("other").unwrap().is_empty());
    let key = Digest::of(b"source");
    for _ in 0..2 {
        let pending = cache.derived_pending("base", &key).unwrap();
        pending.set_size(1 << 30).unwrap();
        cache.derived_put(pending, &Lister::default().finish(1 << 30).digest()).unwrap();
    }
    // Nobody has read it since.
    assert_eq!(cache.derived_get("base", &key), None);
    let (path, blocks) = cache.derived_unproven("base", &key).unwrap();
    assert_eq!(blocks, Lister::default().finish(1 << 30).digest());
    cache.derived_prove("base", &key).unwrap();
    assert!(!path.exists());
    let derived = cache.derived_get("base", &key).unwrap();
    assert_eq!(derived.metadata().unwrap().len(), 1 << 30);
    // Touched: it has to be read again.
    open_or_create(&derived).unwrap().write_all(&[0]).unwrap();
    assert_eq!(cache.derived_get("base", &key), None);
    assert_eq!(cache.derived_unproven("base", &key).unwrap().0, derived);
    cache.derived_prove("base", &key).unwrap();
    assert_eq!(cache.derived_get("base", &key), Some(derived));
    let error = cache.record_put("..", "x", b"").unwrap_err().to_string();
    assert!(error.starts_with("'..' can't be a name in the cache"), "{error}");
    assert!(cache.record_get("a", "b/c").is_err());
}

#[test]
fn a_bad_blob_is_named_and_removed() {
    let (_folder, cache) = cache();
    let good = cache.put_bytes(b"good").unwrap();
    let bad = cache.put_bytes(b"bad").unwrap();
    open_or_create(&bad.path).unwrap().write_all(b"BAD").unwrap();
    let root = cache.root().to_owned();
    drop(cache);
    let verified = Alone::open(&root, NOW).unwrap().verify(&Silent).unwrap();
    assert_eq!((verified.files, verified.bad), (2, vec![bad.path]));
    let cache = Cache::open(&root, NOW).unwrap();
    assert!(cache.get(&good.digest).is_some() && cache.get(&bad.digest).is_none());
}

#[test]
fn a_blob_that_was_touched_is_hashed_before_it_is_believed() {
    let (_folder, cache) = cache();
    let blob = cache.put_bytes(b"blob").unwrap();
    let other = || Cache::open(cache.root(), NOW).unwrap();
    assert_eq!(other().look(&blob.digest), Found::Sound(blob.clone()));
    let write = |bytes: &[u8]| open_or_create(&blob.path).unwrap().write_all(bytes).unwrap();
    write(b"BLOB");
    for cache in [&cache, &other()] {
        assert_eq!(cache.look(&blob.digest), Found::Damaged(blob.path.clone()));
        assert_eq!(cache.get(&blob.digest), None);
    }
    // Whoever puts it again replaces it, by whatever way.
    assert_eq!(cache.put_bytes(b"blob").unwrap(), blob);
    assert_eq!(files::read(&blob.path, 4).unwrap(), b"blob");
    write(b"");
    open_or_create(&blob.path).unwrap().set_len(1).unwrap();
    let pending = cache.pending().unwrap();
    pending.write_at(b"blob", 0).unwrap();
    assert_eq!(other().put(pending, &blob.digest).unwrap(), blob);
    assert_eq!(files::read(&blob.path, 4).unwrap(), b"blob");
    // Touched, and right.
    write(b"blob");
    assert_eq!(other().get(&blob.digest), Some(blob));
}

#[test]
fn one_who_doubts_believes_no_record() {
    let (_folder, cache) = cache();
    let blob = cache.put_bytes(b"blob").unwrap();
    open_or_create(&blob.path).unwrap().write_all(b"BLOB").unwrap();
    cache.hashed(sound::BLOBS, &blob.digest, &blob.path).unwrap();
    assert!(cache.get(&blob.digest).is_some(), "the record says so");
    let doubting = cache.doubting();
    assert!(doubting.is_doubting() && !doubting.believing().is_doubting());
    assert_eq!(doubting.get(&blob.digest), None);
    // And from then on, nobody believes it.
    assert_eq!(cache.believing().get(&blob.digest), None);
}

#[test]
fn a_blob_is_marked_as_used_without_being_touched() {
    let (_folder, cache) = cache();
    let blob = cache.put_bytes(b"blob").unwrap();
    let record = cache.root().join("records/stamp-blob").join(blob.digest.to_string());
    let (soon, flags) = (TimeSpec::new(4_000_000_000, 0), UtimensatFlags::FollowSymlink);
    utimensat(AT_FDCWD, &record, &soon, &soon, flags).unwrap();
    let used_s = || {
        let entries = cache.list().unwrap();
        entries.iter().find(|entry| entry.path == blob.path).unwrap().used_s
    };
    assert_eq!(used_s(), 4_000_000_000);
    let before = Stamp::of(&blob.path).unwrap();
    Cache::open(cache.root(), NOW).unwrap().get(&blob.digest).unwrap();
    assert!(used_s() < 4_000_000_000);
    assert_eq!(Stamp::of(&blob.path).unwrap(), before);
}

#[test]
fn verifying_counts_what_it_reads() {
    struct Counts(std::cell::Cell<(u64, u64)>);
    impl crate::progress::Progress for std::sync::Mutex<Counts> {
        fn begin(&self, _: &str, _: &str, total: Option<u64>) {
            self.lock().unwrap().0.get_mut().0 = total.unwrap();
        }
        fn advance(&self, _: &str, amount: u64) {
            self.lock().unwrap().0.get_mut().1 += amount;
        }
        fn end(&self, _: &str, _: &str) {}
        fn say(&self, _: &str) {}
    }
    let (_folder, cache) = cache();
    let mut writer = cache.writer().unwrap();
    [&[0; 1 << 20][..], &[1; 10], &[0; 1 << 20]].iter().for_each(|bytes| writer.push(bytes).unwrap());
    writer.finish().unwrap();
    let pending = cache.derived_pending("base", &Digest::of(b"x")).unwrap();
    pending.write_at(b"data", 5 << 20).unwrap();
    pending.set_size(64 << 30).unwrap();
    let mut lister = Lister::default();
    lister.push(b"data", 5 << 20);
    cache.derived_put(pending, &lister.finish(64 << 30).digest()).unwrap();
    let root = cache.root().to_owned();
    drop(cache);
    let counts = std::sync::Mutex::new(Counts((0, 0).into()));
    let verified = Alone::open(&root, NOW).unwrap().verify(&counts).unwrap();
    assert!(verified.bad.is_empty(), "{verified:?}");
    let size = (64 << 30) + (2 << 20) + 10;
    assert_eq!(counts.into_inner().unwrap().0.get(), (size, size));
}

#[test]
fn a_bad_derived_file_is_named_and_removed() {
    let (_folder, cache) = cache();
    let put = |key: &Digest, is_right: bool| {
        let pending = cache.derived_pending("base", key).unwrap();
        let path = pending.path().to_owned();
        pending.set_size(1 << 30).unwrap();
        pending.write_at(b"data", 5 << 20).unwrap();
        let mut lister = Lister::default();
        lister.push(if is_right { b"data" } else { b"DATA" }, 5 << 20);
        cache.derived_put(pending, &lister.finish(1 << 30).digest()).unwrap();
        path
    };
    let good = put(&Digest::of(b"good"), true);
    let bad = put(&Digest::of(b"bad"), false);
    let root = cache.root().to_owned();
    drop(cache);
    let verified = Alone::open(&root, NOW).unwrap().verify(&Silent).unwrap();
    assert_eq!((verified.files, &verified.bad), (2, &vec![bad.clone()]));
    assert!(good.exists() && !bad.exists());
}

#[test]
fn nothing_is_swept_away_under_a_running_kiln() {
    let (_folder, cache) = cache();
    let error = Alone::open(cache.root(), NOW).unwrap_err().to_string();
    assert!(error.contains("another kiln has been holding the cache"), "{error}");
    let root = cache.root().to_owned();
    drop(cache);
    let alone = Alone::open(&root, NOW).unwrap();
    assert!(Cache::open(&root, NOW).is_err());
    drop(alone);
    assert!(Cache::open(&root, NOW).is_ok());
}

#[test]
fn two_kilns_never_work_on_the_same_key() {
    let (_folder, cache) = cache();
    let told = std::cell::RefCell::new(Vec::new());
    let say = |text: &str| told.borrow_mut().push(text.to_owned());
    let held = cache.lock("https://a/b", NOW, &say).unwrap();
    drop(cache.lock("https://a/c", NOW, &say).unwrap());
    let error = cache.lock("https://a/b", Duration::from_millis(120), &say).unwrap_err();
    assert!(error.to_string().contains("holding https://a/b for 0 s"), "{error}");
    assert_eq!(told.take(), ["waiting for another kiln that works on https://a/b"]);
    drop(held);
    cache.lock("https://a/b", NOW, &say).unwrap();
}

#[test]
fn a_partial_download_goes_on_and_becomes_a_blob() {
    let (_folder, cache) = cache();
    let state = PartialState { url: "https://a/b".into(), validator: Some("\"x\"".into()), size: Some(6) };
    let partial = cache.partial("https://a/b").unwrap().unwrap();
    assert_eq!(partial.state(), None);
    partial.restart(&state).unwrap();
    partial.write_at(b"abc", 0).unwrap();
    assert!(cache.partial("https://a/b").unwrap().is_none(), "somebody is at it");
    drop(partial);
    let partial = cache.partial("https://a/b").unwrap().unwrap();
    assert_eq!((partial.size().unwrap(), partial.state()), (3, Some(state)));
    let mut hasher = crate::digest::Hasher::new();
    partial.replay(3, &mut |bytes| hasher.update(bytes)).unwrap();
    partial.write_at(b"def", 3).unwrap();
    hasher.update(b"def");
    let blob = cache.put_partial(partial, &hasher.finish()).unwrap();
    assert_eq!((blob.digest, blob.size), (Digest::of(b"abcdef"), 6));
    assert_eq!(files_of(&cache), 1);
}

#[test]
fn folders_that_go_keeps_are_listed_and_go_as_wholes() {
    let (_folder, cache) = cache();
    assert!(cache.list().unwrap().is_empty());
    let module = cache.go_folder("mod").join("example.org/x@v1.0.0/deep");
    files::make_folder(&module).unwrap();
    files::replace(&module.join("x.go"), &[b'x'; 10_000], 0o444).unwrap();
    files::make_folder(&cache.go_folder("scratch")).unwrap();
    let long_ago = TimeSpec::new(1000, 0);
    utimensat(AT_FDCWD, &cache.go_folder("mod"), &long_ago, &long_ago, UtimensatFlags::FollowSymlink)
        .unwrap();
    let entries = cache.list().unwrap();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(entry.kind, EntryKind::Folder { name: "go/mod".to_owned() });
    assert_eq!(entry.used_s, 1000);
    assert!(entry.disk_bytes >= 10_000, "{entry:?}");
    cache.go_used();
    assert!(cache.list().unwrap()[0].used_s > 1000);
    let root = cache.root().to_owned();
    drop(cache);
    let alone = Alone::open(&root, NOW).unwrap();
    alone.remove(&entries).unwrap();
    assert!(alone.list().unwrap().is_empty() && root.join("go").exists());
}
