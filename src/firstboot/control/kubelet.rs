// SPDX-License-Identifier: Apache-2.0
//! The credential of this machine's own kubelet, signed here and laid out as kubelet does, so that it goes on rotating.

use time::OffsetDateTime;

use super::Step;
use super::kubeconfig;
use super::pair::{self, Verdict};
use super::place;
use super::round::{Round, SECRET};
use super::seen::Found;
use super::table::CLUSTER;
use super::trouble::Trouble;
use crate::firstboot::file::File;
use crate::firstboot::pki::{self, Key, Leaf, Misfit};

/// Sees to certificate and key in one dated file, the link to it, and the kubeconfig that names the link.
pub(super) fn settle(round: &mut Round<'_>) {
    let Some(trusted) = round.trusted(&CLUSTER) else { return };
    match current(round) {
        Ok(Some((path, text))) => match judged(round, text, trusted) {
            Ok(Verdict::Fits) => {}
            Ok(Verdict::Renew) => renew(round, trusted),
            Err(misfit) => {
                let fix = format!("remove {path} and {} so that new ones are made", place::KUBELET_CURRENT);
                round.wrong(Trouble::misfit(&path, &misfit, fix));
            }
        },
        Ok(None) => renew(round, trusted),
        Err(trouble) => round.wrong(trouble),
    }
    let file =
        File { path: place::KUBELET_CONF.to_owned(), mode: SECRET, text: by_path(&round.plane.endpoint) };
    round.settle_text(file);
}

/// Returns the kubeconfig of a kubelet: by path, because kubelet replaces what lies there.
fn by_path(server: &str) -> String {
    let cluster = format!("certificate-authority: {}", place::certificate(CLUSTER.base));
    let current = place::KUBELET_CURRENT;
    let user = format!("client-certificate: {current}\n    client-key: {current}");
    kubeconfig::render(server, "kubelet", &cluster, &user)
}

/// Returns path and text that the link leads to; none if there is no link, or nothing where it leads.
fn current<'a>(round: &mut Round<'a>) -> Result<Option<(String, &'a str)>, Trouble> {
    let target = match round.seen.files.get(place::KUBELET_CURRENT) {
        None => return Ok(None),
        Some(Found::Link { target }) => target,
        Some(_) => {
            let fix = "remove it so that a new certificate is made";
            return Err(Trouble::new(
                place::KUBELET_CURRENT,
                "is not a symbolic link, as kubelet makes it",
                fix,
            ));
        }
    };
    let path =
        if target.starts_with('/') { target.clone() } else { format!("{}/{target}", place::KUBELET_PKI) };
    Ok(round.text(&path, SECRET).map(|text| (path, text)))
}

fn judged(round: &Round<'_>, text: &str, trusted: &str) -> Result<Verdict, Misfit> {
    let wanted = Leaf::kubelet(round.plane.node);
    let judged = Key::parse(text).and_then(|key| pki::judge_leaf(&wanted, text, &key, trusted, round.now_s));
    pair::age(round, &CLUSTER, judged)
}

/// Links to the newest dated file that will do (a crash came before the link), or makes one.
fn renew(round: &mut Round<'_>, trusted: &str) {
    let dated = round.seen.files.range(place::KUBELET_DATED.to_owned()..);
    let fitting = dated
        .take_while(|(path, _)| path.starts_with(place::KUBELET_DATED))
        .filter_map(|(path, found)| match found {
            Found::File { text, mode } if mode & 0o077 == 0 => Some((path, text)),
            _ => None,
        })
        .filter(|(_, text)| judged(round, text, trusted) == Ok(Verdict::Fits));
    if let Some((target, _)) = fitting.last() {
        let step = Step::Link { path: place::KUBELET_CURRENT.to_owned(), target: target.clone() };
        return round.missing(|_| Ok(step));
    }
    round.missing(|round| {
        let path = dated_path(round.now_s);
        let misfit = |misfit| Trouble::misfit(&path, &misfit, "run again");
        let key = Key::parse(&round.chance.key_pem).map_err(misfit)?;
        let certificate = pair::leaf(round, &Leaf::kubelet(round.plane.node), &CLUSTER, &key, &path)?;
        let text = format!("{certificate}{}", round.chance.key_pem);
        Ok(Step::Write(File { path, mode: SECRET, text }))
    });
}

/// Returns the name that kubelet gives a certificate: kubelet-client-2026-11-20-10-00-00.pem (client-go,
/// util/certificate/certificate_store.go).
fn dated_path(now_s: u64) -> String {
    let second = i64::try_from(now_s).unwrap_or(0);
    let time = OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let month = u8::from(month);
    format!("{}{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}.pem", place::KUBELET_DATED)
}
