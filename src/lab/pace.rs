// SPDX-License-Identifier: Apache-2.0
//! How patient one has to be with nodes.

use std::time::Duration;

use super::body::Body;
use super::ground::{Ground, Machines};
use crate::vm::Accelerator;

/// How much longer than on the machine itself things take: an emulated processor takes twenty times as long, and a question that is asked
/// too often is all that it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    limit: u32,
    pause: u32,
}

impl Pace {
    /// Of this machine's own processors.
    pub const NATIVE: Self = Self { limit: 1, pause: 1 };
    /// Of those that QEMU emulates.
    pub const EMULATED: Self = Self { limit: 6, pause: 20 };

    /// Returns a limit that fits, of one that does natively.
    pub fn limit(self, native: Duration) -> Duration {
        native.checked_mul(self.limit).unwrap_or(Duration::MAX)
    }

    /// Returns a pause that fits, of one that does natively.
    pub fn pause(self, native: Duration) -> Duration {
        native * self.pause
    }
}

impl Ground {
    /// Returns how patient one has to be with the nodes.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Nspawn { .. } => Pace::NATIVE,
            Self::Qemu(machines) => machines.pace(),
        }
    }
}

impl Machines {
    /// Returns how patient one has to be with them.
    pub fn pace(&self) -> Pace {
        match self.accelerator {
            Accelerator::Kvm => Pace::NATIVE,
            Accelerator::Tcg => Pace::EMULATED,
        }
    }
}

impl Body {
    /// Returns how patient one has to be with the node.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Container(_) => Pace::NATIVE,
            Self::Virtual(body) => body.common.pace(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulated_machine_is_asked_seldom_and_waited_for_long() {
        let second = Duration::from_secs(1);
        assert_eq!(Pace::NATIVE.limit(second), second);
        assert!(Pace::EMULATED.limit(second) > second && Pace::EMULATED.pause(second) > second);
        assert_eq!(Pace::EMULATED.limit(Duration::MAX), Duration::MAX);
    }
}
