use crate::{
    list::{Genre, Mutant, Place, Span},
    rewrite::{Rewritten, rewrite},
    tree,
};

/// Mutants of that text: kind, where it stands in the first line, and what stands there in its place.
fn mutants(text: &str, places: &[(Genre, &str, &str)]) -> Vec<Mutant> {
    let mutants = (1..).zip(places).map(|(number, (genre, at, replacement))| {
        let start = Place { line: 1, column: text.find(at).unwrap() + 1 };
        let (file, name, replacement) = (String::new(), String::new(), (*replacement).to_owned());
        Mutant { number, file, name, genre: *genre, replacement, span: Span { start } }
    });
    mutants.collect()
}

fn rewritten(text: &str, places: &[(Genre, &str, &str)]) -> Rewritten {
    rewrite(text, &mutants(text, places).iter().collect::<Vec<_>>()).unwrap()
}

fn with(text: &str, places: &[(Genre, &str, &str)]) -> String {
    rewritten(text, places).text.replace("crate::switched::on", "on")
}

#[test]
fn an_operator_stands_beside_the_other_one() {
    let text = "fn f() { g(a || b + 1 == c) }";
    let mutants = [(Genre::BinaryOperator, "||", "&&"), (Genre::BinaryOperator, "==", "!=")];
    let inner = "(if on(2) {(b + 1) != (c)} else {b + 1 == c})";
    let expected = format!("fn f() {{ g((if on(1) {{(a) && (b + 1 == c)}} else {{a || {inner}}})) }}");
    assert_eq!(with(text, &mutants), expected);
    let text = "fn f() { a += !b; }";
    let mutants = [(Genre::BinaryOperator, "+=", "-="), (Genre::UnaryOperator, "!", "")];
    let expected = "fn f() { (if on(1) {(a) -= (!b)} else {a += (if on(2) {b} else {!b})}); }";
    assert_eq!(with(text, &mutants), expected);
}

#[test]
fn a_function_gives_a_value_at_its_start() {
    let text = "fn f() -> bool { g() }";
    let mutants = [(Genre::FnValue, "g()", "true"), (Genre::FnValue, "g()", "false")];
    let expected = "fn f() -> bool {if on(1) { return true; }if on(2) { return false; } g() }";
    assert_eq!(with(text, &mutants), expected);
}

#[test]
fn an_arm_is_left_out_by_its_guard() {
    let text = "fn f() { match x { A => 1, B if c || d => 2, _ => 3 } }";
    let mutants = [(Genre::MatchArm, "A", ""), (Genre::MatchArm, "B", ""), (Genre::MatchArmGuard, "c || d", "true")];
    let expected =
        "fn f() { match x { A if !on(1) => 1, B if !on(2) && ((if on(3) {true} else {c || d})) => 2, _ => 3 } }";
    assert_eq!(with(text, &mutants), expected);
}

#[test]
fn a_field_that_is_left_out_is_the_bases() {
    let text = "fn f() { S { a: 1, b, ..g() } }";
    let mutants = [(Genre::StructField, "a:", ""), (Genre::StructField, "b,", "")];
    let expected = "fn f() { S { a: (if on(1) {(g()).a} else {1}), b: (if on(2) {(g()).b} else {b}), ..g() } }";
    assert_eq!(with(text, &mutants), expected);
}

#[test]
fn what_the_compiler_evaluates_and_what_brings_in_names_stay() {
    let chain = "fn f() { if let A = b && c == d {} }";
    for (text, op) in [("const fn f() -> bool { a == b }", "=="), ("const A: bool = a == b;", "=="), (chain, "&&")] {
        assert_eq!(with(text, &[(Genre::BinaryOperator, op, "!=")]), text);
    }
    let expected = "fn f() { if let A = b && (if on(1) {(c) != (d)} else {c == d}) {} }";
    assert_eq!(with(chain, &[(Genre::BinaryOperator, "==", "!=")]), expected);
}

#[test]
fn an_error_is_blamed_on_the_least_part_that_holds_it() {
    let mutants = [(Genre::FnValue, "a(", "None"), (Genre::BinaryOperator, "==", "!=")];
    let written = rewritten("fn f() { a(b == c) }", &mutants);
    let blamed = |part: &str| {
        let start = written.text.find(part).unwrap();
        tree::blamed(&written, &(start..start + part.len()))
    };
    assert_eq!(blamed("None"), [1]);
    assert_eq!(blamed("!="), [2]);
    assert_eq!(blamed("{b == c}"), [2]);
    assert_eq!(blamed("a("), [1]);
}
