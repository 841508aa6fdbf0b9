// SPDX-License-Identifier: Apache-2.0
//! Render: a checked template by tera, on a limited fuel and into a limited output.
//!
//! Fuel is counted in bytes of work: a turn of a loop burns the template's length, a name burns its value's size, `range`
//! what it makes. No value that a template keeps is longer than `KEPT_MAX_BYTES`, so an expression (1 KiB at most) makes no
//! more than a few MiB.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value as Json;
use tera::{Context, Error, ErrorKind, Kwargs, State, Tera, TeraResult, Value};

use super::names::Checked;
use super::{Fault, fault, place};

/// Half a second of work; a settings file takes a thousandth.
const FUEL_BYTES: u64 = 64 << 20;
/// Longer than any value of a setting.
const KEPT_MAX_BYTES: usize = 16 << 10;
/// The limit of every text that goes into an image.
const OUTPUT_MAX_BYTES: usize = 1 << 20;
/// A whole number in tera's list of values.
const NUMBER_BYTES: u64 = 32;

/// The only template there is.
const NAME: &str = "template";
/// How the guard of a name ends its message.
const NOT_DEFINED: &str = "is not defined";

/// Renders `text` with its guards.
pub fn render(text: &str, checked: &Checked, values: &Json) -> Result<String, Fault> {
    let guarded = guarded(text, &checked.guards);
    let fuel = Fuel(Arc::new(AtomicU64::new(FUEL_BYTES)));
    let mut tera = Tera::new();
    equip(&mut tera, &fuel, text.len());
    let failed = |error: Error| explain(text, checked, &fuel, &error);
    tera.add_raw_template(NAME, &guarded).map_err(failed)?;
    let known = tera.get_template_variables(NAME).map_err(failed)?;
    if let Some(name) = known.iter().find(|name| !checked.roots.contains(**name)) {
        let offset = text.find(name).unwrap_or(0);
        return Err(fault(
            text,
            offset,
            format!("'{name}' is used in a way kiln can't check"),
            "write it more simply",
        ));
    }
    let context = Context::from_serialize(values).map_err(failed)?;
    let mut output = Bounded::default();
    let result = tera.render_to(NAME, &context, &mut output);
    if output.is_full {
        return Err(fault(text, 0, "the template renders more than 1 MiB", "make its loops shorter"));
    }
    result.map_err(failed)?;
    Ok(String::from_utf8(output.bytes).expect("tera writes texts"))
}

/// Puts the guards into the template.
fn guarded(text: &str, guards: &[(usize, String)]) -> String {
    let mut whole = String::with_capacity(text.len() * 2);
    let mut from = 0;
    for (offset, guard) in guards {
        whole.push_str(&text[from..*offset]);
        whole.push_str(guard);
        from = *offset;
    }
    whole + &text[from..]
}

/// Returns the offset in the template of an offset in the guarded one.
fn original(offset: usize, guards: &[(usize, String)]) -> usize {
    let mut added = 0;
    for (at, guard) in guards {
        if at + added >= offset {
            break;
        }
        added += guard.len().min(offset - at - added);
    }
    offset - added
}

#[derive(Clone)]
struct Fuel(Arc<AtomicU64>);

impl Fuel {
    fn burn(&self, bytes: u64) -> TeraResult<()> {
        let burnt = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        burnt.map(drop).map_err(|_| {
            self.0.store(0, Ordering::Relaxed);
            Error::message("out of fuel")
        })
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// Registers the guards, and bounded stand-ins for what could make much out of little.
fn equip(tera: &mut Tera, fuel: &Fuel, text_bytes: usize) {
    let turns = fuel.clone();
    let turn_bytes = text_bytes as u64 + NUMBER_BYTES;
    tera.register_function("kiln_turn", move |_: Kwargs, _: &State| -> TeraResult<String> {
        turns.burn(turn_bytes).map(|()| String::new())
    });
    let names = fuel.clone();
    tera.register_filter(
        "kiln_defined",
        move |value: Value, kwargs: Kwargs, _: &State| -> TeraResult<Value> {
            if value.is_undefined() {
                return Err(Error::message(format!("'{}' {NOT_DEFINED}", kwargs.must_get::<&str>("name")?)));
            }
            names.burn(size(&value)).map(|()| value)
        },
    );
    tera.register_filter("kiln_kept", |value: Value, _: Kwargs, _: &State| -> TeraResult<Value> {
        if size(&value) > KEPT_MAX_BYTES as u64 {
            return Err(Error::message("a value that 'set' keeps has more than 16 KiB"));
        }
        Ok(value)
    });
    tera.register_filter("join", join);
    let ranges = fuel.clone();
    tera.register_function("range", move |kwargs: Kwargs, _: &State| range(&kwargs, &ranges));
}

/// As tera's own, with a bounded result.
fn join(list: &[Value], kwargs: Kwargs, _: &State) -> TeraResult<String> {
    let sep = kwargs.get::<&str>("sep")?.unwrap_or_default();
    let mut joined = String::new();
    for (index, value) in list.iter().enumerate() {
        joined.push_str(if index == 0 { "" } else { sep });
        joined.push_str(&value.to_string());
        if joined.len() > KEPT_MAX_BYTES {
            return Err(Error::message("'join' makes more than 16 KiB"));
        }
    }
    Ok(joined)
}

/// As tera's own, paid from the fuel before it is made.
fn range(kwargs: &Kwargs, fuel: &Fuel) -> TeraResult<Vec<i64>> {
    let (start, end) = (kwargs.get::<i64>("start")?.unwrap_or(0), kwargs.must_get::<i64>("end")?);
    let step = kwargs.get::<i64>("step_by")?.unwrap_or(1);
    let step = usize::try_from(step).ok().filter(|step| *step > 0);
    let step = step.ok_or_else(|| Error::message("'step_by' of 'range' is not above 0"))?;
    let len = end.checked_sub(start).map_or(u64::MAX, |len| u64::try_from(len).unwrap_or(0)) / step as u64;
    fuel.burn(len.saturating_add(1).saturating_mul(NUMBER_BYTES))?;
    Ok((start..end).step_by(step).collect())
}

/// Returns about how many bytes a value takes.
fn size(value: &Value) -> u64 {
    if let Some(text) = value.as_str() {
        return NUMBER_BYTES + text.len() as u64;
    }
    let items = value.as_array().map(|items| items.iter().map(size).sum::<u64>());
    let fields = value.as_map().map(|map| map.values().map(size).sum::<u64>());
    NUMBER_BYTES + items.unwrap_or(0) + fields.unwrap_or(0)
}

/// An output that refuses more than its limit.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_MAX_BYTES {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells of an error of tera at its place in the template as it was written.
fn explain(text: &str, checked: &Checked, fuel: &Fuel, error: &Error) -> Fault {
    let (what, offset) = match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            let offset = original(report.span().range.start, &checked.guards);
            // A guard reports at the end of its name.
            let start = checked.starts.get(&offset).filter(|_| report.message().ends_with(NOT_DEFINED));
            (lower_first(report.message()), Some(start.copied().unwrap_or(offset)))
        }
        _ => (lower_first(&error.to_string()), None),
    };
    let place = offset.map(|offset| place(text, offset));
    if fuel.is_empty() {
        let what = "the template does not come to an end in reasonable time".to_owned();
        return Fault { place, what, fix: Some("make its loops shorter".to_owned()) };
    }
    Fault { place, what, fix: None }
}

fn lower_first(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end_matches('.');
    let mut letters = line.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
