// SPDX-License-Identifier: Apache-2.0
//! Where a path of an image comes from: what a person and the image's own account are told.

use serde::{Deserialize, Serialize};

/// Where a path of the image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A member of a component.
    Component {
        /// The component.
        name: String,
        /// Path inside its archive, or the built program's name.
        member: String,
    },
    /// The archive of a container image.
    Image {
        /// Its name in the manifest.
        name: String,
    },
    /// A unit of the manifest.
    Unit {
        /// Its name.
        name: String,
    },
    /// A link that the `[Install]` section of a unit asks for.
    Install {
        /// The unit.
        unit: String,
    },
    /// Another key of the manifest.
    Manifest {
        /// `files[0]`, `sysctls`, ...
        key: String,
    },
    /// kiln itself.
    Kiln,
}

impl Origin {
    /// Returns the key of the manifest, or the unit's name, by which a person finds it there.
    pub fn key(&self) -> String {
        match self {
            Self::Component { name, .. } => format!("components.{name}"),
            Self::Image { name } => format!("images.{name}"),
            Self::Unit { name } | Self::Install { unit: name } => name.clone(),
            Self::Manifest { key } => key.clone(),
            Self::Kiln => String::new(),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Component { name, member } => write!(f, "component {name} ({member})"),
            Self::Image { name } => write!(f, "image {name}"),
            Self::Unit { name } => write!(f, "unit {name}"),
            Self::Install { unit } => write!(f, "[Install] of {unit}"),
            Self::Manifest { key } => f.write_str(key),
            Self::Kiln => f.write_str("kiln itself"),
        }
    }
}
