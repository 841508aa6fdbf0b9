// SPDX-License-Identifier: Apache-2.0
//! The image's bill of materials as CycloneDX 1.6 JSON (ECMA-424), for scanners that know nothing of kiln.
//!
//! Renders what manifest and lock say and nothing that differs between two bakes of one plan: the serial number comes
//! from the plan's digest and there is no timestamp. Single files are the business of [`super::provenance`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::lock::{Lock, Locked, Trust, TrustLevel};
use crate::manifest::{Component, Image, Manifest, Source};

/// Renders the bill of materials.
pub fn render(manifest: &Manifest, lock: &Lock, plan_digest: Digest, kiln_version: &str) -> String {
    let image_ref = format!("image:{}", manifest.name);
    let components = manifest.components.iter().map(Part::of_component);
    let parts: BTreeMap<&str, Part<'_>> =
        components.chain(manifest.images.iter().map(Part::of_image)).map(|part| (part.name, part)).collect();
    let components: Vec<Value> =
        lock.inputs.iter().map(|(name, locked)| component(name, locked, parts.get(name.as_str()))).collect();
    let refs: Vec<String> = lock.inputs.keys().map(|name| input_ref(name)).collect();
    let bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(plan_digest),
        "version": 1,
        "metadata": {
            "tools": { "components": [{ "type": "application", "name": "kiln", "version": kiln_version }] },
            "component": {
                "type": "operating-system", "bom-ref": image_ref, "name": manifest.name,
                "version": plan_digest.to_string(),
            },
        },
        "components": components,
        "dependencies": [{ "ref": image_ref, "dependsOn": refs }],
    });
    let mut text =
        serde_json::to_string_pretty(&bom).expect("a bill of materials holds nothing that JSON can't");
    text.push('\n');
    text
}

/// What the manifest says of an input.
struct Part<'a> {
    name: &'a str,
    /// CycloneDX's word.
    kind: &'static str,
    version: Option<&'a String>,
    source: &'a Source,
}

impl<'a> Part<'a> {
    fn of_component(component: &'a Component) -> Self {
        let Component { name, version, source, .. } = component;
        Self { name, kind: "application", version: version.as_ref(), source }
    }

    fn of_image(image: &'a Image) -> Self {
        let Image { name, version, source, .. } = image;
        Self { name, kind: "container", version: version.as_ref(), source }
    }
}

/// Returns a UUID of version 8 (RFC 9562: the bits' meaning is ours) made of the plan's digest.
fn serial_number(plan_digest: Digest) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&plan_digest.as_bytes()[..16]);
    format!("urn:uuid:{}", uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

fn input_ref(name: &str) -> String {
    format!("input:{name}")
}

fn component(name: &str, locked: &Locked, part: Option<&Part<'_>>) -> Value {
    let mut value = json!({
        // What no part of the manifest is is the base.
        "type": part.map_or("operating-system", |part| part.kind),
        "bom-ref": input_ref(name),
        "name": name,
        "properties": properties(locked),
        "components": files(name, locked),
    });
    let version = locked.version.as_ref().or(part.and_then(|part| part.version));
    if let Some(version) = version {
        value["version"] = json!(version);
        if let Some(kind) = purl_type(part) {
            value["purl"] = json!(format!("pkg:{kind}/{}@{}", escaped(name), escaped(version)));
        }
    }
    // A path on the machine that baked says nothing to others.
    if let Some(url) = locked.url.as_ref().filter(|url| url.starts_with("https://")) {
        value["externalReferences"] = json!([{ "type": "distribution", "url": url }]);
    }
    value
}

/// What was fetched or built, with its digest; these are downloads, not the files in the image.
fn files(name: &str, locked: &Locked) -> Vec<Value> {
    let file = |(file, pinned): (&String, &crate::lock::LockedFile)| {
        json!({
            "type": "file",
            "bom-ref": format!("{}/{file}", input_ref(name)),
            "name": file,
            "hashes": [{ "alg": "SHA-256", "content": pinned.sha256 }],
        })
    };
    locked.files.iter().map(file).collect()
}

fn properties(locked: &Locked) -> Vec<Value> {
    let mut properties = vec![json!({ "name": "kiln:trust", "value": trust_word(locked.trust.level()) })];
    match &locked.trust {
        Trust::Signed { key, .. } => properties.push(json!({ "name": "kiln:key", "value": key })),
        Trust::Built { from } => properties.extend(
            from.iter()
                .map(|(name, value)| json!({ "name": format!("kiln:built-from:{name}"), "value": value })),
        ),
        Trust::Attested { by, .. } => properties.push(json!({ "name": "kiln:attested-by", "value": by })),
        Trust::SameOrigin { .. } | Trust::Given | Trust::FirstUse => {}
    }
    properties
}

fn trust_word(level: TrustLevel) -> Value {
    serde_json::to_value(level).expect("a level is a word")
}

/// A package URL names a package where scanners can look it up; elsewhere there is none.
fn purl_type(part: Option<&Part<'_>>) -> Option<&'static str> {
    match part?.source {
        Source::Release(_) | Source::Go(_) | Source::Url { .. } => Some("generic"),
        Source::File { .. } | Source::Itself | Source::Recipe { .. } => None,
    }
}

/// Percent-encodes what a package URL can't hold (purl specification, "Character encoding").
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
