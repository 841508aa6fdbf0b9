// SPDX-License-Identifier: Apache-2.0
//! Container images that came with the machine's image: which of them the runtime lacks, and how it is given them. Pure.
//!
//! The runtime's own account is what counts, not a note of ours: whoever empties its store gets the images again at the
//! next boot. In containerd an image counts only with the label that keeps kubelet from removing it when the disk fills,
//! since nobody could pull it again; the label is set last, so a crash in between is made up for.

use crate::preload::{Preload, Preloaded};
use crate::settings::{Runtime, Settings};

/// The namespace of containerd's that kubelet's pods live in.
const NAMESPACE: &str = "k8s.io";
/// The label that CRI shows as `pinned` (containerd, `internal/cri/labels`).
const PINNED: (&str, &str) = ("io.cri-containerd.pinned", "pinned");

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name, to be looked up in PATH.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Call {
    /// Returns the same call for when everybody else has had their turn.
    pub fn patient(self) -> Self {
        let first = ["-n", "20", self.program].map(str::to_owned);
        Self { program: "nice", arguments: first.into_iter().chain(self.arguments).collect() }
    }

    fn new(program: &'static str, arguments: &[&str]) -> Self {
        Self { program, arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect() }
    }
}

/// Returns the call that lists the names of the images that the runtime has, a line each.
pub fn list(runtime: Runtime) -> Call {
    match runtime {
        Runtime::Containerd => {
            let filter = format!("labels.\"{}\"=={}", PINNED.0, PINNED.1);
            Call::new("ctr", &["--namespace", NAMESPACE, "images", "list", "--quiet", &filter])
        }
        Runtime::Docker => Call::new("docker", &["image", "list", "--format", "{{.Repository}}:{{.Tag}}"]),
    }
}

/// Returns the images that the runtime lacks, by what it has answered; that of the sandboxes first, since no pod starts
/// without it.
pub fn missing<'a>(preload: &'a Preload, settings: &Settings, listed: &str) -> Vec<&'a Preloaded> {
    let has = |name: &String| listed.lines().any(|line| line.trim() == spelled(name, settings.runtime));
    let missing = preload.images.iter().filter(|image| !image.names.iter().all(has));
    let (mut first, others): (Vec<_>, Vec<_>) = missing.partition(|image| is_sandbox(image, settings));
    first.extend(others);
    first
}

/// Returns whether pods' sandboxes are of this image.
pub fn is_sandbox(image: &Preloaded, settings: &Settings) -> bool {
    settings.sandbox.as_ref().is_some_and(|sandbox| image.names.contains(sandbox))
}

/// Docker leaves out what it would fill in itself.
fn spelled(name: &str, runtime: Runtime) -> &str {
    match runtime {
        Runtime::Containerd => name,
        Runtime::Docker => {
            let bare = name.strip_prefix("docker.io/").unwrap_or(name);
            bare.strip_prefix("library/").filter(|_| bare.len() < name.len()).unwrap_or(bare)
        }
    }
}

/// Returns the call that gives the runtime an image. It can be made again.
pub fn import(image: &Preloaded, runtime: Runtime) -> Call {
    match runtime {
        Runtime::Docker => Call::new("docker", &["image", "load", "--quiet", "--input", &image.archive]),
        Runtime::Containerd => {
            Call::new("ctr", &["--namespace", NAMESPACE, "images", "import", &image.archive])
        }
    }
}

/// Returns the calls that keep kubelet from removing an image, after it was imported. They can be made again.
pub fn pin(image: &Preloaded, runtime: Runtime) -> Vec<Call> {
    let label = format!("{}={}", PINNED.0, PINNED.1);
    let pin = |name: &String| Call::new("ctr", &["--namespace", NAMESPACE, "images", "label", name, &label]);
    match runtime {
        Runtime::Docker => Vec::new(),
        Runtime::Containerd => image.names.iter().map(pin).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preload() -> Preload {
        let image = |archive: &str, names: &[&str]| Preloaded {
            archive: archive.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            digest: String::new(),
        };
        let images = vec![
            image("/pause.tar", &["kiln.local/pause:1"]),
            image("/nginx.tar", &["docker.io/library/nginx:1.27", "docker.io/other/nginx:1"]),
        ];
        Preload { version: 1, images }
    }

    fn settings(runtime: Runtime) -> Settings {
        let text =
            "{version: 1, image: x, cluster: {pods: [], services: [], nodes_max: 1, surge: 0, pods_max: 1}}";
        Settings { runtime, ..serde_yaml::from_str(text).unwrap() }
    }

    fn archives<'a>(missing: &[&'a Preloaded]) -> Vec<&'a str> {
        missing.iter().map(|image| image.archive.as_str()).collect()
    }

    #[test]
    fn an_image_is_there_only_with_all_of_its_names() {
        let preload = preload();
        let lacks = |runtime, listed: &str| archives(&missing(&preload, &settings(runtime), listed));
        assert_eq!(lacks(Runtime::Containerd, ""), ["/pause.tar", "/nginx.tar"]);
        let half = "docker.io/library/nginx:1.27\nkiln.local/pause:1\n";
        assert_eq!(lacks(Runtime::Containerd, half), ["/nginx.tar"]);
        assert_eq!(lacks(Runtime::Docker, "kiln.local/pause:1\nnginx:1.27\nother/nginx:1\n"), [""; 0]);
        assert_eq!(lacks(Runtime::Docker, half), ["/nginx.tar"]);
    }

    #[test]
    fn sandboxes_come_first() {
        let mut settings = settings(Runtime::Containerd);
        settings.sandbox = Some("docker.io/other/nginx:1".to_owned());
        assert_eq!(archives(&missing(&preload(), &settings, "")), ["/nginx.tar", "/pause.tar"]);
    }

    #[test]
    fn an_image_is_pinned_by_all_of_its_names() {
        let image = &preload().images[1];
        assert_eq!(import(image, Runtime::Containerd).arguments[2..], ["images", "import", "/nginx.tar"]);
        let pins = pin(image, Runtime::Containerd);
        let words: Vec<&[String]> = pins.iter().map(|call| &call.arguments[3..]).collect();
        let label = "io.cri-containerd.pinned=pinned";
        assert_eq!(words[0], ["label", "docker.io/library/nginx:1.27", label]);
        assert_eq!(words[1], ["label", "docker.io/other/nginx:1", label]);
    }
}
