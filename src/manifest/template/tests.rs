// SPDX-License-Identifier: Apache-2.0
//! What templates may and may not do, in tables.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn templates() -> Templates {
    let values = json!({
        "name": "node", "arch": "amd64",
        "cluster": { "pods": ["10.244.0.0/16", "fd00::/48"], "block": 24, "block_v6": null },
        "vars": { "proxy": "http://proxy", "list": ["a", "b"] },
    });
    Templates { values }
}

fn rendered(text: &str) -> String {
    templates().render(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

fn refused(text: &str) -> String {
    let faults = templates().render(text).expect_err(text);
    let words = |fault: Fault| {
        let (line, column) = fault.place.unwrap_or((0, 0));
        format!(
            "{line}:{column}: {}{}",
            fault.what,
            fault.fix.map(|fix| format!("; {fix}")).unwrap_or_default()
        )
    };
    faults.into_iter().map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_known_is_rendered() {
    for (text, expected) in [
        ("{{ name }}-{{arch}}", "node-amd64"),
        ("{{ cluster.pods[0] }} {{ cluster[\"block\"] }}", "10.244.0.0/16 24"),
        ("{{ cluster.pods | join(sep=\",\") }}", "10.244.0.0/16,fd00::/48"),
        ("{% for p in cluster.pods %}{{ loop.index }}={{ p }};{% endfor %}", "1=10.244.0.0/16;2=fd00::/48;"),
        ("{% for p in cluster.pods -%}\n  {{ p }} {%- endfor %}", "10.244.0.0/16fd00::/48"),
        ("{% set x = name ~ '-' ~ arch %}{{ x | upper }}", "NODE-AMD64"),
        ("{% if cluster.block_v6 %}six{% else %}four{% endif %}", "four"),
        ("{% if vars.proxy is defined %}{{ vars.proxy }}{% endif %}", "http://proxy"),
        ("{% if vars.other is not defined %}none{% else %}{{ vars.other }}{% endif %}", "none"),
        ("{{ vars.other | default(value=\"x\") }}", "x"),
        ("{% if not (name == 'x' or arch in ['amd64']) %}a{% else %}b{% endif %}", "b"),
        ("{{ 1 if name is starting_with(pat=\"no\") else 2 }}", "1"),
        ("{% raw %}{{ missing }}{% endraw %}{# {{ missing }} #}", "{{ missing }}"),
        ("{% for i in range(end=3) %}{{ i }}{% endfor %}", "012"),
        (
            "{% for i in range(start=2, end=9, step_by=3) %}{% if i == 5 %}{% continue %}{% endif %}{{ i }}{% endfor %}",
            "28",
        ),
        ("{{ '}}' }}{{ \"{%\" }}", "}}{%"),
        ("<a> & \"b\" {{ '<' }}", "<a> & \"b\" <"),
    ] {
        assert_eq!(rendered(text), expected, "{text}");
    }
}

#[test]
fn an_undefined_name_is_an_error_wherever_it_stands() {
    for (text, expected) in [
        ("{{ nmae }}", "1:4: 'nmae' is not defined; did you mean 'name'?"),
        (
            "a\n{% if missing %}x{% endif %}",
            "2:7: 'missing' is not defined; known here: arch, cluster, name, vars",
        ),
        ("{% if not missing %}{% endif %}", "1:11: 'missing'"),
        ("{% if false %}{{ missing }}{% endif %}", "1:18: 'missing'"),
        ("{% if name or missing %}{% endif %}", "1:15: 'missing'"),
        (
            "{% if cluster.pod %}{% endif %}",
            "1:7: 'cluster.pod' is not defined; did you mean 'cluster.pods'?",
        ),
        ("{{ cluster.pods[missing] }}", "1:17: 'missing'"),
        ("{% if vars['missing'] %}{% endif %}", "1:7: 'vars[missing]' is not defined"),
        ("{% if vars.list[7] %}{% endif %}", "1:7: 'vars.list[7]' is not defined"),
        (
            "{{ name ~ missing }}{{ missin }}",
            "1:11: 'missing' is not defined; known here: arch, cluster, name, vars\n1:24: 'missin'",
        ),
        ("{% for p in cluster.pods %}{% endfor %}{% if p %}{% endif %}", "1:46: 'p' is not defined"),
        ("{% if p %}{% endif %}{% set p = 1 %}", "1:7: 'p' is not defined"),
        ("{% if false %}{% set p = 1 %}{% endif %}{% if p %}{% endif %}", "1:47: 'p' is not defined"),
        (
            "{% for p in [cluster] %}{% if p.missing %}{% endif %}{% endfor %}",
            "1:31: 'p.missing' is not defined",
        ),
        ("{% for p in missing %}{% endfor %}", "1:13: 'missing'"),
        ("{{ 1 if missing else 2 }}", "1:9: 'missing'"),
        ("{% set x = missing %}", "1:12: 'missing'"),
        ("{{ loop.index }}", "1:4: 'loop.index' is not defined"),
        ("{{ name | default(value=missing) }}", "1:25: 'missing'"),
        ("{% if vars.a is defined and vars.b %}{% endif %}", "1:29: 'vars.b'"),
        ("{% if name is missing %}{% endif %}", "1:1"),
    ] {
        let words = refused(text);
        assert!(words.starts_with(expected) || expected == "1:1", "{text}: {words}");
    }
}

#[test]
fn what_could_contain_itself_is_refused() {
    for text in [
        "{% include \"template\" %}",
        "{% extends \"template\" %}",
        "{% block a %}{% endblock %}",
        "{% component A() %}{% endcomponent A %}",
        "{% filter upper %}{% endfilter %}",
        "{% set x %}a{% endset %}",
        "{{ [x for x in cluster.pods] }}",
        "{{ {\"a\": 1} }}",
        "{{ <A /> }}",
        "{{ name | replace(from=\"a\", to=\"b\") }}",
        "{{ name | indent(width=1000000000) }}",
        "{{ get_env(name=\"HOME\") }}",
        "{{ __tera_context }}",
        "{% for p in cluster.pods %}{% if loop %}{% endif %}{% endfor %}",
        "{% if self %}{% endif %}",
        "{% for p in cluster.pods %}{% if loop.missing %}{% endif %}{% endfor %}",
        "{% set_global x = 1 %}",
        "{{",
        "{% if name",
        "{# a",
        "{% raw %} a",
        "{{ \"a }}",
        "{% if name %}",
        "{{ ~ }}",
        "{{ name name }}",
    ] {
        refused(text);
    }
}

#[test]
fn a_template_without_end_is_refused_soon() {
    let sixteen = "{% set x = x ~ x ~ x ~ x %}".repeat(40);
    let deep = "{% for a in range(end=1000) %}".repeat(10) + &"{% endfor %}".repeat(10);
    let nested = "{% if name %}".repeat(2000) + &"{% endif %}".repeat(2000);
    let parens = format!("{{{{ {}1{} }}}}", "(".repeat(400), ")".repeat(400));
    for text in [
        "{% for i in range(end=1000000000000) %}{% endfor %}".to_owned(),
        "{% for i in range(end=99999) %}{% for j in range(end=99999) %}{% endfor %}{% endfor %}".to_owned(),
        "{% for i in range(end=9999) %}{% for j in range(end=9999) %}x{% endfor %}{% endfor %}".to_owned(),
        format!("{{% for i in range(end=2000) %}}{}{{% endfor %}}", "x".repeat(1000)),
        format!("{{% set x = name %}}{sixteen}{{{{ x }}}}"),
        "{{ range(end=90000) | join(sep=name) }}".to_owned(),
        deep,
        nested,
        parens,
        "x".repeat(65 << 10),
        format!("{{{{ '{}' }}}}", "x".repeat(2000)),
    ] {
        let words = refused(&text);
        assert!(words.len() < 200, "{words}");
    }
}

proptest! {
    /// Whatever stands in a template, it ends, and what it renders is no longer than the limit.
    #[test]
    fn any_template_ends(words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 0..40)) {
        if let Ok(text) = templates().render(&words.concat()) {
            prop_assert!(text.len() <= 1 << 20);
        }
    }
}

/// What templates are made of, and what they are not.
const WORDS: [&str; 44] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{% if ",
    "{% elif ",
    "{% else %}",
    "{% endif %}",
    "{% for x in ",
    "{% endfor %}",
    "{% set x = ",
    "{% raw %}",
    "{% endraw %}",
    "-",
    " ",
    "\n",
    "name",
    "cluster.pods",
    "missing",
    "x",
    "loop.index",
    ".",
    "[",
    "]",
    "(",
    ")",
    "|",
    "?.",
    "?[",
    "=",
    "~",
    "is defined",
    " is ",
    " not ",
    "join(sep=",
    "\"a\"",
    "\"",
    "\\",
    "range(end=99)",
    "é",
    " %}",
    " }}",
];
