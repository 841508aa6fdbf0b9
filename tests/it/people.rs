// SPDX-License-Identifier: Apache-2.0
//! What people see: bars and colours on a terminal, neither elsewhere; completions and man pages that other programs read.

use std::fs;
use std::process::Command;

use crate::bake::shop::{KILN, Shop};
use crate::disk::bases::{Layout, run};

/// Runs a bake on a terminal of its own, by script(1), and returns what the terminal was sent.
fn on_terminal(shop: &Shop, words: &str, variables: &[(&str, &str)]) -> String {
    let mut script = Command::new("script");
    script.args(["-qec", &format!("'{KILN}' {words}"), "/dev/null"]).current_dir(shop.folder.path());
    script.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm-256color");
    script.env("XDG_CACHE_HOME", &shop.cache).env("HOME", shop.folder.path());
    script.envs(variables.iter().copied()).stdin(std::process::Stdio::null());
    String::from_utf8_lossy(&script.output().unwrap().stdout).into_owned()
}

/// Returns whether a text sets colours or weights (ECMA-48, SGR). Other sequences move the cursor.
fn has_colours(text: &str) -> bool {
    let sequences = text.split("\x1b[").skip(1);
    sequences.into_iter().any(|rest| {
        let end = rest.find(|letter: char| !(letter.is_ascii_digit() || letter == ';'));
        end.is_some_and(|end| rest[end..].starts_with('m'))
    })
}

#[test]
fn colours_are_for_terminals_alone_and_never_with_no_color() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let bake = "bake image/node.yaml -o out";
    let seen = on_terminal(&shop, bake, &[]);
    assert!(seen.contains("\x1b[1moutputs:\x1b[0m"), "{seen:?}");
    assert!(seen.contains("\x1b[32mup to date\x1b[0m"), "{seen:?}");
    // Nobody vouches for a local file.
    assert!(seen.contains("\x1b[33mfirst-use"), "{seen:?}");
    let failed = on_terminal(&shop, "inspect nothing.raw", &[]);
    assert!(failed.starts_with("\x1b[1m\x1b[31mkiln:\x1b[0m can't open nothing.raw: "), "{failed:?}");

    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        for words in [bake, "inspect nothing.raw"] {
            let seen = on_terminal(&shop, words, &variables);
            assert!(!has_colours(&seen), "{variables:?}: {seen:?}");
        }
    }
    let elsewhere = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]).output().unwrap();
    let both = [elsewhere.stdout, elsewhere.stderr].concat();
    assert!(!both.contains(&0x1b), "{}", String::from_utf8_lossy(&both));
}

#[test]
fn a_lab_before_any_image_says_how_to_bake_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(KILN).args(["lab", "up"]).current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let hint = "kiln: there is no image target/lab/kiln-lab.raw; image/bake-lab bakes target/lab/kiln-lab.raw, kiln bake any \
                other\n";
    assert_eq!((said.as_ref(), output.status.code()), (hint, Some(1)));
}

#[test]
fn bars_are_drawn_on_a_terminal() {
    let shop = Shop::with_cold_cache(Layout::Former);
    let seen = on_terminal(&shop, "bake image/node.yaml -o out", &[]);
    for piece in ["writing raw image", "writing qcow2 image", "\u{2588}", "4.43 GiB", "\x1b[2K"] {
        assert!(seen.contains(piece), "{piece:?} is not in {seen:?}");
    }
    assert!(seen.contains("writing raw image: done"), "{seen:?}");
    // The same as lines, where nobody can redraw.
    let shop = Shop::with_cold_cache(Layout::Former);
    let output = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("writing raw image ...\n") && said.contains("writing raw image: done\n"), "{said}");
    assert!(!said.contains('\u{2588}') && !said.contains('\r'), "{said}");
}

/// All verbs of the program, with those below them, as its own help lists them.
fn verbs(above: &[&str]) -> Vec<String> {
    let help = run(Command::new(KILN).args(above).arg("--help"));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands.take_while(|line| !line.is_empty()).filter_map(|line| {
        // Names stand two blanks in; their texts go on further in.
        let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?;
        name.split(' ').next().filter(|name| *name != "help")
    });
    names.map(str::to_owned).collect()
}

#[test]
fn every_verb_has_a_man_page_without_a_complaint() {
    let folder = tempfile::tempdir().unwrap();
    run(Command::new(KILN).arg("man").arg(folder.path()));
    let pages: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    for verb in verbs(&[]) {
        assert!(pages.contains(&format!("kiln-{verb}.1")), "{verb}: {pages:?}");
    }
    for verb in verbs(&["cache"]) {
        assert!(pages.contains(&format!("kiln-cache-{verb}.1")), "{verb}: {pages:?}");
    }
    for page in &pages {
        let mut groff = Command::new("groff");
        let output =
            groff.args(["-man", "-Tutf8", "-ww", "-z"]).arg(folder.path().join(page)).output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && complaints.is_empty(), "{page}: {complaints}");
    }
    let text = run(Command::new("groff")
        .args(["-man", "-Tascii", "-P-cbou"])
        .arg(folder.path().join("kiln-bake.1")));
    assert!(text.contains("--offline") && text.contains("Use nothing but the cache"), "{text}");
}

#[test]
fn bash_completes_verbs_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("kiln");
    fs::write(&script, run(Command::new(KILN).args(["completions", "bash"]))).unwrap();
    let completed = |words: &str| {
        let code = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _kiln kiln \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; \
             complete -p kiln; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        run(Command::new("bash").args(["--norc", "-c", &code]))
    };
    let found = completed("kiln ba");
    assert!(found.contains("-F _kiln") && found.lines().any(|line| line == "bake"), "{found}");
    assert!(completed("kiln bake --off").lines().any(|line| line == "--offline"));
    assert!(completed("kiln cache g").lines().any(|line| line == "gc"));
    for shell in ["elvish", "powershell"] {
        let script = run(Command::new(KILN).args(["completions", shell]));
        assert!(verbs(&[]).iter().all(|verb| script.contains(verb.as_str())), "{shell}");
    }
}

#[test]
fn fish_completes_verbs_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("kiln.fish");
    fs::write(&script, run(Command::new(KILN).args(["completions", "fish"]))).unwrap();
    let completed = |line: &str| {
        let code = format!("source '{}'; complete -C '{line}'", script.display());
        run(Command::new("fish").args(["--no-config", "-c", &code]).env("HOME", folder.path()))
    };
    // A candidate, a tab, what it is for.
    for (line, word) in [("kiln ba", "bake\t"), ("kiln bake --off", "--offline\t"), ("kiln cache g", "gc\t")]
    {
        assert!(completed(line).lines().any(|found| found.starts_with(word)), "{line}");
    }
}

/// zsh completes for its line editor alone, so one of its own terminals types the words. What it types does not hold the
/// word that is waited for.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty typist "PS1='> ' zsh -f -i"
zpty -w typist "stty -echo; fpath=('$1' \$fpath); autoload -U compinit; compinit -u -D; echo rea''dy"
zpty -r -m typist said '*ready*'
zpty -w -n typist "$2"$'\t'
zpty -r -m typist said "*$3*" && print found
"#;

#[test]
fn zsh_completes_verbs_and_options() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("_kiln"), run(Command::new(KILN).args(["completions", "zsh"]))).unwrap();
    for (line, word) in
        [("kiln ba", "kiln bake"), ("kiln bake --off", "--offline"), ("kiln cache g", "kiln cache gc")]
    {
        let mut typed = Command::new("timeout");
        typed.args(["60", "zsh", "-f", "-c", ZSH, "zsh"]).arg(folder.path()).args([line, word]);
        assert_eq!(run(&mut typed), "found\n", "{line}");
    }
}

/// proc(5), full(4): every write to it fails as on a full disk.
#[test]
fn a_result_that_nobody_takes_is_told_and_no_panic() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for words in [
        &["schema"][..],
        &["completions", "bash"],
        &["cache", "list"],
        &["cache", "list", "--format", "json"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut kiln = Command::new(KILN);
        kiln.args(words).env("XDG_CACHE_HOME", folder.path()).stdout(full());
        let output = kiln.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(
            said.contains("can't write to standard output: No space left on device"),
            "{words:?}: {said}"
        );
        // Who takes no words either is told by the exit code.
        assert_eq!(kiln.stdout(full()).stderr(full()).status().unwrap().code(), Some(1), "{words:?}");
    }
    let mut enough = Command::new("sh");
    enough.args(["-c", "(\"$0\" schema; echo $? >&2) | head -1"]).arg(KILN);
    let output = enough.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "0\n");
}
