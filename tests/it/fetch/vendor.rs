// SPDX-License-Identifier: Apache-2.0
//! What vendors' servers hold, laid out as theirs: bases signed as Flatcar signs, programs with digests beside them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use kiln::digest::Digest;

use super::gpg::{DAY_S, Gpg, START_S};
use super::server::Server;

/// When the subkey is made; it lives 100 days.
pub const MADE_S: u64 = START_S + 10 * DAY_S;
/// When everything is signed.
pub const SIGNED_S: u64 = START_S + 20 * DAY_S;

/// Where a Flatcar release server has its image and its key (flatcar.org, "Verify Flatcar Container Linux images").
pub const IMAGE: &str = "amd64-usr/4593.2.5/flatcar_production_image.bin.bz2";
pub const KEY: &str = "security/image-signing-key/Flatcar_Image_Signing_Key.asc";

/// A vendor as Flatcar: the primary key only certifies, a subkey signs.
pub struct Vendor {
    pub gpg: Gpg,
    pub primary: String,
    pub subkey: String,
    pub export: Vec<u8>,
}

/// Returns the one vendor that tests share, for RSA keys take their time.
pub fn vendor() -> Arc<Vendor> {
    // Weak, so that the last test that needs it ends its agent and removes its folder.
    static VENDOR: Mutex<Weak<Vendor>> = Mutex::new(Weak::new());
    let mut known = VENDOR.lock().unwrap_or_else(PoisonError::into_inner);
    known.upgrade().unwrap_or_else(|| {
        let made = Arc::new(Vendor::new());
        *known = Arc::downgrade(&made);
        made
    })
}

impl Vendor {
    fn new() -> Self {
        let gpg = Gpg::new();
        let primary = gpg.primary("Vendor <v@kiln.test>", "cert");
        let subkey = gpg.subkey(&primary, MADE_S, 100);
        let export = gpg.export(&primary);
        Self { gpg, primary, subkey, export }
    }

    pub fn sign(&self, options: &[&str], data: &[u8]) -> Vec<u8> {
        self.gpg.sign(&self.subkey, SIGNED_S, options, data)
    }

    /// Serves a base with its signature and the key, each at its place below `prefix` (empty, or with a '/' at its end).
    pub fn publish(&self, server: &Server, prefix: &str, image: &[u8]) {
        server.file(&format!("{prefix}{IMAGE}"), image);
        server.file(&format!("{prefix}{IMAGE}.sig"), &self.sign(&[], image));
        server.file(&format!("{prefix}{KEY}"), &self.export);
    }
}

/// Serves a file and its digest beside it, bare as dl.k8s.io gives it.
pub fn publish_with_digest(server: &Server, path: &str, content: &[u8]) {
    server.file(path, content);
    server.file(&format!("{path}.sha256"), Digest::of(content).to_string().as_bytes());
}
