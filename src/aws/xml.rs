// SPDX-License-Identifier: Apache-2.0
//! An answer in XML as a tree: elements and texts, no attributes, no entities but the five that XML has.

use quick_xml::Reader;
use quick_xml::events::Event;

/// EC2's answers are some ten deep.
const DEPTH_MAX: usize = 32;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    /// Without white space at its ends.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Returns the first child of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the text of the first child of this name, unless it is empty.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.find(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }

    /// Returns the items of the list `name`.
    pub(super) fn items(&self, name: &str) -> &[Self] {
        self.find(name).map_or(&[], |list| &list.children)
    }
}

/// Returns the root.
///
/// # Errors
/// In words, when the text is no XML, or too deep.
pub(super) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) if open.len() <= DEPTH_MAX => open.push(named(start.local_name().as_ref())),
            Event::Start(_) => return Err(format!("it is more than {DEPTH_MAX} deep")),
            Event::Empty(empty) => last(&mut open).children.push(named(empty.local_name().as_ref())),
            Event::Text(text) => last(&mut open).text += &text,
            Event::GeneralRef(reference) => last(&mut open).text += &character(&reference)?,
            Event::End(_) => {
                let mut done = open.pop().expect("the reader has checked names");
                done.text = done.text.trim().to_owned();
                last(&mut open).children.push(done);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match (open.len(), open.pop().and_then(|mut top| top.children.pop())) {
        (1, Some(root)) => Ok(root),
        _ => Err("it ends too early".to_owned()),
    }
}

fn named(name: &str) -> Element {
    Element { name: name.to_owned(), ..Element::default() }
}

fn last(open: &mut [Element]) -> &mut Element {
    open.last_mut().expect("the outermost is never closed")
}

fn character(name: &str) -> Result<String, String> {
    let number = name.strip_prefix('#').map(|number| match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    });
    let found = match (number, name) {
        (Some(number), _) => number.ok().and_then(char::from_u32),
        (None, "amp") => Some('&'),
        (None, "lt") => Some('<'),
        (None, "gt") => Some('>'),
        (None, "apos") => Some('\''),
        (None, "quot") => Some('"'),
        _ => None,
    };
    found.map(String::from).ok_or_else(|| format!("it names an entity '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn elements_texts_lists_and_references() {
        let text = "<?xml version=\"1.0\"?>\n<A xmlns=\"http://x/\"><b> a &lt;&#38;&#x26; c </b><set><item><v>1</v></item><item/></set></A>";
        let root = parse(text).unwrap();
        assert_eq!((root.name.as_str(), root.text_of("b")), ("A", Some("a <&& c")));
        let items = root.items("set");
        assert_eq!((items.len(), items[0].text_of("v"), items[1].text_of("v")), (2, Some("1"), None));
    }

    #[test]
    fn what_is_no_answer_is_told_and_never_panics() {
        for text in
            ["", "x", "<a>", "<a></b>", "</a>", "<a>&nbsp;</a>", "<a>&#x110000;</a>", &"<a>".repeat(99)]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
