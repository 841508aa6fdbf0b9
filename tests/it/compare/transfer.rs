// SPDX-License-Identifier: Apache-2.0
//! What `kiln diff` says that publishing would send is what publishing sends: one reads bytes, the other digests.

use kiln::blocks::BLOCK;
use kiln::host::disk::compare;
use kiln::progress::Silent;
use kiln::publish::blocks::{ZEROS, on_parent};
use proptest::prelude::*;

use crate::aws::stage::{image, list};

const BLOCKS: u64 = 5;

/// Blocks of zeros, and of two others.
fn filled() -> impl Strategy<Value = Vec<(u64, u8)>> {
    prop::collection::vec(0..3_u8, BLOCKS as usize).prop_map(|bytes| (0..).zip(bytes).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_ways_to_find_what_is_sent_agree(old in filled(), new in filled()) {
        let (parent, image) = (image(BLOCKS, &old), image(BLOCKS, &new));
        let sent = on_parent(&list(&*image), &list(&*parent));
        let compared = compare(&*parent, &*image, 1, &Silent).unwrap();
        let by_digest: Vec<(u64, bool)> = sent.iter().map(|(index, digest)| (*index, digest == &*ZEROS)).collect();
        let by_bytes: Vec<(u64, bool)> = compared.changed.iter().map(|it| (it.index, it.is_zero)).collect();
        prop_assert_eq!(by_digest, by_bytes);
        prop_assert_eq!(compared.used, list(&*image).blocks.len() as u64);
        prop_assert!(image.size() <= BLOCKS * BLOCK);
    }
}
