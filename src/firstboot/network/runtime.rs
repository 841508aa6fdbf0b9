// SPDX-License-Identifier: Apache-2.0
//! The container runtime: its socket, containerd's configuration, crictl's.
//!
//! containerd starts beside first boot and reads its configuration once: the one that was baked in. Where the machine's own
//! settings say otherwise, a note that outlives no boot is written before the file, and containerd is started again.

use crate::containerd;
use crate::firstboot::file::File;
use crate::settings::{Runtime, Settings};

/// crictl's.
pub const CRICTL: &str = "/etc/crictl.yaml";

/// Tells the unit `kiln-runtime.service` that containerd may have read another configuration at this boot.
pub const CHANGED: &str = "/run/kiln/containerd.changed";

/// Returns the socket that speaks CRI, as kubelet and crictl write it.
pub fn endpoint(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Containerd => "unix:///run/containerd/containerd.sock",
        Runtime::Docker => "unix:///run/cri-dockerd.sock",
    }
}

/// Returns the runtime's configuration. Docker brings a containerd of its own, which knows what it needs; cri-dockerd has
/// its words in the environment.
pub(super) fn files(settings: &Settings) -> Vec<File> {
    let endpoint = endpoint(settings.runtime);
    let crictl = format!("runtime-endpoint: {endpoint}\nimage-endpoint: {endpoint}\n");
    let mut files = vec![File::readable(CRICTL, crictl)];
    if settings.runtime == Runtime::Containerd {
        let text = containerd::configuration(settings.sandbox.as_deref());
        files.push(File::readable(containerd::CONFIGURATION, text));
    }
    files
}

/// Returns the note that is to be there before containerd's configuration is written; none where the file is as it should be.
pub fn note(missing: &[String]) -> Option<File> {
    let text = "first boot has changed /etc/containerd/config.toml since containerd began\n";
    let is_changed = missing.iter().any(|path| path == containerd::CONFIGURATION);
    is_changed.then(|| File::readable(CHANGED, text.to_owned()))
}
