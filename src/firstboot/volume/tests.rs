// SPDX-License-Identifier: Apache-2.0
use super::content::MARK;
use super::*;

const LEN: u64 = 4 << 30;

fn ours() -> Content {
    Content::Ours { uuid: "u".to_owned() }
}

fn seen(content: Content) -> Seen {
    Seen {
        device: Device::There { len: LEN, content },
        mounted: Mounted::Nothing,
        has_old_data: false,
        note: Ok(None),
        is_formatted: false,
    }
}

fn ends() -> (Vec<u8>, Vec<u8>) {
    let zeros = vec![0; usize::try_from(END_BYTES).unwrap()];
    (zeros.clone(), zeros)
}

/// Does what `next` says on a device that is only looked at, up to the end.
fn run(mut seen: Seen) -> Vec<&'static str> {
    let mut steps = Vec::new();
    while let Next::Do(step) = next("v", &seen) {
        steps.push(step.word());
        let there = |content| Device::There { len: LEN, content };
        match step {
            Step::Mark => seen.device = there(Content::Marked),
            Step::Format => seen.is_formatted = true,
            Step::Unmark => seen.device = there(ours()),
            Step::Mount => seen.mounted = Mounted::Volume,
            Step::Note(uuid) => seen.note = Ok(Some(Note { uuid })),
        }
    }
    assert_eq!(next("v", &seen), Next::Done);
    steps
}

#[test]
fn blank_marked_and_ours_end_mounted_and_recorded() {
    let whole = ["volume-mark", "volume-format", "volume-unmark", "volume-mount", "volume-record"];
    assert_eq!(run(seen(Content::Blank)), whole);
    // A run that was killed after its mark: whatever it had done, it is done again.
    assert_eq!(run(seen(Content::Marked)), whole[1..]);
    assert_eq!(run(seen(ours())), whole[3..]);
    assert_eq!(run(Seen { mounted: Mounted::Volume, ..seen(ours()) }), whole[4..]);
}

#[test]
fn nothing_but_a_blank_or_marked_device_is_ever_formatted() {
    let note = Some(Note { uuid: "other".to_owned() });
    for content in [Content::Blank, Content::Marked, ours(), Content::Other("x".to_owned())] {
        for mounted in [Mounted::Nothing, Mounted::Volume, Mounted::Other] {
            for (has_old_data, note) in [(true, None), (false, note.clone()), (false, None)] {
                let seen = Seen { mounted, has_old_data, note: Ok(note.clone()), ..seen(content.clone()) };
                let may = matches!(content, Content::Blank | Content::Marked)
                    && mounted == Mounted::Nothing
                    && !has_old_data
                    && note.is_none();
                let does = matches!(next("v", &seen), Next::Do(Step::Mark | Step::Format | Step::Unmark));
                assert_eq!(does, may, "{seen:?}");
            }
        }
    }
}

#[test]
fn what_is_there_is_told_by_its_ends() {
    let (first, last) = ends();
    assert_eq!(recognise(LEN, &first, &last), Content::Blank);
    let put = |at: usize, bytes: &[u8]| {
        let mut first = first.clone();
        first[at..at + bytes.len()].copy_from_slice(bytes);
        recognise(LEN, &first, &last).to_string()
    };
    assert_eq!(put(0, b"XFSB"), "an XFS file system");
    assert_eq!(put(512, b"EFI PART"), "a partition table (GPT)");
    assert_eq!(put(700_000, b"x"), "data of an unknown kind");
    assert_eq!(put(1024 + 0x38, b"\x53\xef"), "an ext4 file system without a label");
    let mut marked = last.clone();
    let at = usize::try_from(mark_at(LEN) - (LEN - END_BYTES)).unwrap();
    marked[at..at + MARK.len()].copy_from_slice(MARK.as_bytes());
    assert_eq!(recognise(LEN, &first, &marked), Content::Marked);
    let mut late = last.clone();
    *late.last_mut().unwrap() = 1;
    assert_eq!(recognise(LEN, &first, &late).to_string(), "data of an unknown kind");
}

#[test]
fn a_volume_of_ebs_is_found_by_its_id() {
    let path = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1b2c3d4e5f60718";
    assert_eq!(device("vol-0a1b2c3d4e5f60718"), path);
    assert_eq!(device("/dev/disk/by-id/virtio-data"), "/dev/disk/by-id/virtio-data");
}

#[test]
fn etcd_never_starts_beside_its_volume() {
    assert_eq!(missing(Some("v"), true, true), None);
    assert_eq!(missing(None, false, false), None);
    assert_eq!(missing(Some("v"), false, true), Some(Trouble::Unmounted("v".to_owned())));
    assert_eq!(missing(Some("v"), true, false), Some(Trouble::Unmounted("v".to_owned())));
    assert_eq!(missing(None, false, true), Some(Trouble::Unnamed));
}
