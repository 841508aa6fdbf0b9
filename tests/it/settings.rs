// SPDX-License-Identifier: Apache-2.0
//! Settings: layers, merging, and every way to be wrong.

mod baked;
mod laws;
mod machine;
mod refused;

use std::sync::LazyLock;

use kiln::settings::{Form, Layer};

/// What every image has, and the shortest that a worker must be told beside it.
const BAKED: &str = "\
version: 1
image: lab
cluster:
  kubernetes: v1.36.3
  pods: [10.234.0.0/20]
  services: [10.96.0.0/16]
  hosts: [10.1.0.0/16]
  block_prefix: 26
  nodes_max: 60
  surge: 4
  pods_max: 61
";

fn layer(name: &str, form: Form, text: &str) -> Layer {
    Layer { name: name.to_owned(), form, text: Ok(text.to_owned()) }
}

/// The image's layer and one that knows the API server; with `more` after them.
fn layers(more: &[Layer]) -> Vec<Layer> {
    let api = format!("api:\n  endpoint: https://10.1.0.10:6443\n  ca: |\n{}", indented(ca()));
    let mut all = vec![
        layer("/etc/kiln/settings.d/10-image.yaml", Form::Yaml, BAKED),
        layer("/etc/kiln/settings.d/50-api.yaml", Form::Yaml, &api),
    ];
    all.extend_from_slice(more);
    all
}

/// A YAML block scalar's lines.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// A CA certificate in PEM; the same one all along.
fn ca() -> &'static str {
    static CA: LazyLock<String> = LazyLock::new(|| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    });
    &CA
}
