// SPDX-License-Identifier: Apache-2.0
//! What a machine is told: systemd's credentials (systemd.system-credentials(7)) as texts of SMBIOS, and the units among
//! them by which it tells kiln how its first boot goes.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;

/// One credential.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name, such as `kiln.settings`.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// Its content may be a secret.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Credential {
    /// Returns a credential.
    pub fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), content: content.into() }
    }

    /// Returns what stands in SMBIOS for it (type 11, OEM strings; systemd(1), "System credentials").
    pub fn text(&self) -> String {
        format!("io.systemd.credential.binary:{}={}", self.name, STANDARD.encode(&self.content))
    }
}

/// An address on the machine's one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address with the prefix of its segment.
    pub address: IpNet,
    /// The way out of the segment, if there is one.
    pub gateway: Option<IpAddr>,
}

/// The unit in which first boot is.
pub const FIRST_BOOT: &str = "kiln-firstboot.service";
/// The second half of a control plane's first boot; others pass by it.
pub const CONTROL_PLANE: &str = "kiln-control-plane.service";

/// Says that a look begins.
pub const BEGIN: &str = "kiln looks";
/// Says that a look is whole.
pub const END: &str = "kiln has looked";

/// Returns the units that look at first boot and print what they see on the second serial port, `every` so often.
pub fn looking(every: Duration) -> Vec<Credential> {
    // An initrd with a systemd of its own gets the same credentials.
    let unit = "[Unit]\nDescription=Tell kiln how first boot goes\nDefaultDependencies=no\n\
        ConditionPathExists=!/etc/initrd-release\n\n";
    let properties = "Id,LoadState,ActiveState,SubState,Result,ConditionResult,ExecMainStatus,NRestarts,\
        ExecMainStartTimestampMonotonic,ExecMainExitTimestampMonotonic";
    let service = format!(
        "{unit}[Service]\nType=oneshot\nStandardOutput=file:/dev/ttyS1\nStandardError=journal\n\
        ExecStart=echo \"{BEGIN}\"\n\
        ExecStart=systemctl show --property=Version,SystemState\n\
        ExecStart=systemctl list-units --state=failed --plain --no-legend --no-pager\n\
        ExecStart=systemctl show --property={properties} {FIRST_BOOT} {CONTROL_PLANE}\n\
        ExecStart=echo \"{END}\"\n"
    );
    let timer =
        format!("{unit}[Timer]\nOnActiveSec=1s\nOnUnitInactiveSec={}s\nAccuracySec=500ms\n", every.as_secs());
    vec![
        Credential::new("systemd.extra-unit.kiln-look.service", service),
        Credential::new("systemd.extra-unit.kiln-look.timer", timer),
        Credential::new("systemd.unit-dropin.sysinit.target~kiln-look", "[Unit]\nWants=kiln-look.timer\n"),
    ]
}

/// Returns what has shells wait for orders on the machine's first terminals of QEMU, hvc0 and up.
pub fn ordered(terminals: usize) -> Vec<Credential> {
    let names: Vec<String> = (0..terminals).map(|number| format!("hvc{number}")).collect();
    // What somebody who was killed has left on the line is no order. Standard error apart: a shell both of whose ends are a
    // terminal would greet and ask.
    let unit = "[Unit]\nDescription=Take orders from kiln on %I\nConditionPathExists=!/etc/initrd-release\n\
        ConditionPathExists=/dev/%I\nStartLimitIntervalSec=0\n\n[Service]\n\
        ExecStartPre=-bash -c \"stty raw -echo; timeout 1 dd of=/dev/null status=none\"\nExecStart=bash\nRestart=always\n\
        RestartSec=1\nStandardInput=tty-force\nStandardOutput=tty\nStandardError=journal\nTTYPath=/dev/%I\n\
        WorkingDirectory=/root\nKillMode=control-group\n\
        Environment=HOME=/root LANG=C.UTF-8 TERM=xterm\n\
        Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin\n";
    let wants = names.iter().map(|name| format!("Wants=kiln-orders@{name}.service\n")).collect::<String>();
    let mut all = vec![
        Credential::new("systemd.extra-unit.kiln-orders@.service", unit),
        Credential::new("systemd.unit-dropin.multi-user.target~kiln-orders", format!("[Unit]\n{wants}")),
    ];
    // systemd asks for a login on the first of them (systemd-getty-generator(8)).
    let none = "[Unit]\nConditionPathExists=!/dev/%I\n";
    let login = |name: &String| format!("systemd.unit-dropin.serial-getty@{name}.service~kiln-orders");
    all.extend(names.iter().map(|name| Credential::new(login(name), none)));
    all
}

/// Returns what names a machine (systemd.system-credentials(7), since 254).
pub fn named(name: &str) -> Credential {
    Credential::new("system.hostname", name)
}

/// Returns what gives a machine's link a fixed address.
pub fn networked(address: &Address) -> Vec<Credential> {
    let Address { address, gateway } = address;
    let gateway = gateway.map(|gateway| format!("Gateway={gateway}\n")).unwrap_or_default();
    let network = format!(
        "[Match]\nType=ether\nKind=!*\n\n[Network]\nAddress={address}\n{gateway}LinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n"
    );
    // It makes files of the credentials; not every image enables it.
    let wants = "[Unit]\nWants=systemd-network-generator.service\nAfter=systemd-network-generator.service\n";
    vec![
        Credential::new("network.network.10-kiln", network),
        Credential::new("systemd.unit-dropin.systemd-networkd.service~kiln-network", wants),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_survives_any_content_and_never_shows_it() {
        let credential = Credential::new("kiln.token", "a.b\n\0");
        assert_eq!(credential.text(), "io.systemd.credential.binary:kiln.token=YS5iCgA=");
        assert_eq!(format!("{credential:?}"), "Credential { name: \"kiln.token\", .. }");
    }

    #[test]
    fn an_address_is_a_file_of_networkd() {
        let address =
            Address { address: "10.0.2.11/24".parse().unwrap(), gateway: Some([10, 0, 2, 1].into()) };
        let text = String::from_utf8(networked(&address)[0].content.clone()).unwrap();
        assert!(text.contains("\nAddress=10.0.2.11/24\nGateway=10.0.2.1\n"), "{text}");
    }
}
