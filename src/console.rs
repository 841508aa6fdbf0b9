// SPDX-License-Identifier: Apache-2.0
//! What a console says, as plain text.

/// Takes out carriage returns, bells and the control sequences of colours, cursors and titles (ECMA-48).
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\u{1b}' => skip_sequence(&mut rest),
            '\t' | '\n' => plain.push(letter),
            control if control.is_control() => {}
            letter => plain.push(letter),
        }
    }
    plain
}

fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        // CSI: parameters up to a final letter.
        Some('[') => drop(rest.find(|letter| ('@'..='~').contains(letter))),
        // OSC: a text up to a bell, or to ESC \, whose second half is skipped as a sequence of its own.
        Some(']') => {
            let end = rest.find(|letter| ['\u{7}', '\u{1b}'].contains(letter));
            if end == Some('\u{1b}') {
                rest.next();
            }
        }
        // A character set: one more letter.
        Some('(' | ')') => drop(rest.next()),
        _ => {}
    }
}

/// The words of first boot on a console: those of its last try, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    process: String,
    /// They.
    pub lines: Vec<String>,
}

/// More than first boot says of a try.
const LINES_MAX: usize = 40;

impl Words {
    /// Takes a plain line of the console, `kiln-firstboot[PROCESS]: kiln-firstboot: WORDS` if it is one of them.
    pub fn line(&mut self, line: &str) {
        let Some((process, said)) = line.split_once(FROM).and_then(|(_, rest)| rest.split_once("]: ")) else {
            return;
        };
        if process != self.process {
            process.clone_into(&mut self.process);
            self.lines.clear();
        }
        if self.lines.len() < LINES_MAX {
            self.lines.push(said.strip_prefix(ITSELF).unwrap_or(said).to_owned());
        }
    }
}

/// How the journal names whose line it is.
const FROM: &str = "kiln-firstboot[";
/// How the program begins its own lines.
const ITSELF: &str = "kiln-firstboot: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_last_try_are_kept() {
        let mut words = Words::default();
        for line in [
            "[   9.1] kiln-firstboot[610]: kiln-firstboot: the API server does not answer",
            "[   9.2] systemd[1]: kiln-firstboot.service: Scheduled restart",
            "[  15.1] kiln-firstboot[660]: kiln-firstboot: no layer: api.endpoint: is missing",
            "[  15.2] kiln-firstboot[660]: kiln-firstboot: no layer: api.ca: is missing",
        ] {
            words.line(line);
        }
        assert_eq!(words.lines, ["no layer: api.endpoint: is missing", "no layer: api.ca: is missing"]);
    }

    #[test]
    fn colours_titles_and_cursors_go() {
        let text = "\u{1b}[0;32m  OK  \u{1b}[0m] a\u{1b}]0;title\u{7}b\u{1b}]3008;x\u{1b}\\c\u{1b}(B\r\n\u{1b}[2J\tend\u{1b}";
        assert_eq!(plain(text), "  OK  ] abc\n\tend");
    }
}
