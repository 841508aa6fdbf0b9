// SPDX-License-Identifier: Apache-2.0
//! containerd's configuration: a bake puts it into the image, so that containerd starts beside first boot, and first boot
//! writes it again where the settings that a machine is given say otherwise than the image's own.

/// containerd 2's configuration.
pub const CONFIGURATION: &str = "/etc/containerd/config.toml";

/// Version 3 is containerd 2's.
const TEXT: &str = r#"version = 3

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

/// Returns the configuration's text; `sandbox` is the image of pods' sandboxes, nothing: containerd's own choice.
///
/// CRI keeps what is named there from kubelet's removal of unused images, too.
pub fn configuration(sandbox: Option<&str>) -> String {
    // A reference has no quotes.
    let pinned =
        |image| format!("\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = '{image}'\n");
    format!("{TEXT}{}", sandbox.map(pinned).unwrap_or_default())
}
