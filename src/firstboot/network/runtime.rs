// SPDX-License-Identifier: Apache-2.0
//! The container runtime: its socket, containerd's configuration, crictl's.
//!
//! containerd's text depends on nothing that first boot learns but the settings. An image may have it baked in, and in cni
//! mode should: containerd starts beside first boot and reads it once.

use crate::firstboot::file::File;
use crate::settings::{Runtime, Settings};

/// containerd 2's configuration.
pub const CONTAINERD: &str = "/etc/containerd/config.toml";
/// crictl's.
pub const CRICTL: &str = "/etc/crictl.yaml";

/// Version 3 is containerd 2's.
const CONTAINERD_TEXT: &str = r#"version = 3

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
  # One manager of cgroups: systemd, as kubelet is told too.
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/opt/cni/bin']
  conf_dir = '/etc/cni/net.d'
  # Only the first file counts, which is kiln's.
  max_conf_num = 1
"#;

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
        let sandbox = settings.sandbox.as_deref().map(sandbox).unwrap_or_default();
        files.push(File::readable(CONTAINERD, format!("{CONTAINERD_TEXT}{sandbox}")));
    }
    files
}

/// CRI keeps what is named here from kubelet's removal of unused images, too. A reference has no quotes.
fn sandbox(image: &str) -> String {
    format!("\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = '{image}'\n")
}
