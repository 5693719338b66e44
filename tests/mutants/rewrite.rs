//! A file with its mutants built in, each behind its switch.
//!
//! | what is changed | `x` is written as |
//! |---|---|
//! | an operator | `(if on(7) {(a) != (b)} else {a == b})` |
//! | a guard | `(if on(7) {true} else {guard})` |
//! | an arm | `pattern if !on(7) => …` |
//! | a field | `field: (if on(7) {(base).field} else {value})` |
//! | a function | `{if on(7) { return value; } …` |
//!
//! What is evaluated by the compiler (constants, `const fn`) has no switches. What else does not compile so, the compiler says.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use syn::{
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    Failed,
    list::{Genre, Mutant, Place},
};

/// A file with switches.
pub struct Rewritten {
    pub text: String,
    /// Which mutants stand where in the text. An error in one of these places is theirs.
    pub marks: Vec<Mark>,
    /// The mutants that are built in.
    pub placed: BTreeSet<u32>,
}

/// A part of the text, and whose it is.
pub struct Mark {
    pub range: Range<usize>,
    pub numbers: Vec<u32>,
}

/// Builds the mutants into the text of their file.
pub fn rewrite(text: &str, mutants: &[&Mutant]) -> Result<Rewritten, Failed> {
    let file = syn::parse_file(text)?;
    let mut wanted = BTreeMap::<_, Vec<&Mutant>>::new();
    for mutant in mutants {
        wanted.entry((mutant.genre, mutant.span.start)).or_default().push(mutant);
    }
    let mut rewriter = Rewriter { text, wanted, ..Rewriter::default() };
    rewriter.visit_file(&file);
    Ok(rewriter.written())
}

enum Piece {
    Text(String),
    Begin(usize),
    End(usize),
}

#[derive(Default)]
struct Rewriter<'t> {
    text: &'t str,
    wanted: BTreeMap<(Genre, Place), Vec<&'t Mutant>>,
    /// What is put in: where, and whether it opens something that ends later.
    pieces: Vec<(usize, bool, Piece)>,
    /// Whose the parts are that pieces begin and end.
    marked: Vec<Vec<u32>>,
}

/// What stands where a mutant is on.
type Other = (u32, String);

impl Rewriter<'_> {
    fn written(mut self) -> Rewritten {
        // What ends comes before what begins there. The rest stays in order: outer ones begin first, inner ones end first.
        self.pieces.sort_by_key(|(at, opens, _)| (*at, *opens));
        let placed = self.marked.iter().flatten().copied().collect();
        let (mut out, mut done) = (String::new(), 0);
        let mut marks: Vec<_> = self.marked.into_iter().map(|numbers| Mark { range: 0..0, numbers }).collect();
        for (at, _, piece) in self.pieces {
            out.push_str(&self.text[done..at]);
            done = at;
            match piece {
                Piece::Text(text) => out.push_str(&text),
                Piece::Begin(mark) => marks[mark].range.start = out.len(),
                Piece::End(mark) => marks[mark].range.end = out.len(),
            }
        }
        out.push_str(&self.text[done..]);
        Rewritten { text: out, marks, placed }
    }

    /// The mutants of that kind that begin there.
    fn at(&self, genre: Genre, part: &impl Spanned) -> Vec<Other> {
        let start = part.span().start();
        let place = Place { line: start.line, column: start.column + 1 };
        let found = self.wanted.get(&(genre, place)).into_iter().flatten();
        found.map(|mutant| (mutant.number, mutant.replacement.clone())).collect()
    }

    fn source(&self, part: &impl Spanned) -> &str {
        &self.text[part.span().byte_range()]
    }

    fn put(&mut self, at: usize, opens: bool, piece: Piece) {
        self.pieces.push((at, opens, piece));
    }

    fn write(&mut self, at: usize, opens: bool, text: impl Into<String>) {
        self.put(at, opens, Piece::Text(text.into()));
    }

    /// Begins a part that is theirs.
    fn begin(&mut self, at: usize, numbers: Vec<u32>) -> usize {
        self.marked.push(numbers);
        self.put(at, true, Piece::Begin(self.marked.len() - 1));
        self.marked.len() - 1
    }

    /// A part that is theirs as it stands.
    fn mark(&mut self, range: Range<usize>, numbers: Vec<u32>) {
        let mark = self.begin(range.start, numbers);
        self.put(range.end, false, Piece::End(mark));
    }

    /// Puts an expression behind the switches of what may stand in its place; its own parts are looked at in between.
    fn switch(&mut self, range: Range<usize>, others: Vec<Other>, inner: impl FnOnce(&mut Self)) {
        if others.is_empty() {
            return inner(self);
        }
        let Range { start, end } = range;
        let whole = self.begin(start, others.iter().map(|(number, _)| *number).collect());
        self.write(start, true, "(");
        for (number, other) in others {
            self.write(start, true, format!("if {} {{", on(number)));
            let mark = self.begin(start, vec![number]);
            self.write(start, true, other);
            self.put(start, true, Piece::End(mark));
            self.write(start, true, "} else ");
        }
        self.write(start, true, "{");
        inner(self);
        self.write(end, false, "})");
        self.put(end, false, Piece::End(whole));
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if signature.constness.is_some() {
            return;
        }
        let Range { start, end } = block.span().byte_range();
        let others = block.stmts.first().map_or_else(Vec::new, |first| self.at(Genre::FnValue, first));
        // An error that is nobody's else in the function is of what it returns.
        self.mark(start..end, others.iter().map(|(number, _)| *number).collect());
        for (number, value) in others {
            self.write(start + 1, true, format!("if {} {{ return ", on(number)));
            let mark = self.begin(start + 1, vec![number]);
            self.write(start + 1, true, value);
            self.put(start + 1, true, Piece::End(mark));
            self.write(start + 1, true, "; }");
        }
        self.visit_block(block);
    }
}

impl<'ast> Visit<'ast> for Rewriter<'_> {
    fn visit_expr_binary(&mut self, expr: &'ast syn::ExprBinary) {
        // What `let` brings in is in scope on its right: such a chain stays as it is.
        let is_chain = has_let(&expr.left) || has_let(&expr.right);
        let others = if is_chain { Vec::new() } else { self.at(Genre::BinaryOperator, &expr.op) };
        let (left, right) = (self.source(&expr.left), self.source(&expr.right));
        let others = others.into_iter().map(|(number, op)| (number, format!("({left}) {op} ({right})"))).collect();
        self.switch(expr.span().byte_range(), others, |this| visit::visit_expr_binary(this, expr));
    }

    fn visit_expr_unary(&mut self, expr: &'ast syn::ExprUnary) {
        let others = self.at(Genre::UnaryOperator, &expr.op);
        let without = self.source(&expr.expr).to_owned();
        let others = others.into_iter().map(|(number, _)| (number, without.clone())).collect();
        self.switch(expr.span().byte_range(), others, |this| visit::visit_expr_unary(this, expr));
    }

    fn visit_expr_match(&mut self, expr: &'ast syn::ExprMatch) {
        // Without an arm the others may not be all there is: that is said of what is matched.
        let numbers =
            expr.arms.iter().flat_map(|arm| self.at(Genre::MatchArm, arm)).map(|(number, _)| number).collect();
        self.mark(expr.expr.span().byte_range(), numbers);
        visit::visit_expr_match(self, expr);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let left_out: Vec<_> = self.at(Genre::MatchArm, arm).into_iter().map(|(number, _)| number).collect();
        let stays: Vec<_> = left_out.iter().map(|number| format!("!{}", on(*number))).collect();
        let stays = stays.join(" && ");
        match &arm.guard {
            Some((_, guard)) => {
                let Range { start, end } = guard.span().byte_range();
                let is_left_out = !left_out.is_empty();
                if is_left_out {
                    let mark = self.begin(start, left_out);
                    self.write(start, true, format!("{stays} && "));
                    self.put(start, true, Piece::End(mark));
                    self.write(start, true, "(");
                }
                let others = self.at(Genre::MatchArmGuard, guard);
                self.switch(start..end, others, |this| this.visit_expr(guard));
                if is_left_out {
                    self.write(end, false, ")");
                }
            }
            None if left_out.is_empty() => {}
            None => {
                let end = arm.pat.span().byte_range().end;
                self.mark(arm.pat.span().byte_range(), left_out);
                self.write(end, false, format!(" if {stays}"));
            }
        }
        self.visit_expr(&arm.body);
    }

    fn visit_expr_struct(&mut self, expr: &'ast syn::ExprStruct) {
        let Some(base) = expr.rest.as_deref() else { return visit::visit_expr_struct(self, expr) };
        let base_text = self.source(base).to_owned();
        for field in &expr.fields {
            let syn::Member::Named(name) = &field.member else { continue };
            let (others, range) = (self.at(Genre::StructField, field), field.expr.span().byte_range());
            if field.colon_token.is_none() && !others.is_empty() {
                self.write(range.start, true, format!("{name}: "));
            }
            let others = others.into_iter().map(|(number, _)| (number, format!("({base_text}).{name}"))).collect();
            self.switch(range, others, |this| this.visit_expr(&field.expr));
        }
        self.visit_expr(base);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
    }

    // What the compiler evaluates.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
}

fn on(number: u32) -> String {
    format!("crate::switched::on({number})")
}

/// Whether it is a condition that brings in names.
fn has_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(expr) => has_let(&expr.left) || has_let(&expr.right),
        _ => false,
    }
}
