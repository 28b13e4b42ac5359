//! Where in a file each mutant's switch goes, found in its syntax.

use anyhow::{Context, Result};
use std::{mem, ops::Range};
use syn::{
    Expr, ImplItemFn, ItemFn, ReturnType, Signature, TraitItemFn, Type,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::list::{Genre, Mutant};

/// What a switch has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Spot {
    /// Return the replacement at once; after the body's brace.
    Body(usize),
    /// Another text for the expression in this range.
    Expression { range: Range<usize>, text: String },
    /// Pass over the match arm whose guard is in this range.
    Guarded(Range<usize>),
    /// Pass over the match arm whose pattern ends here.
    Arm(usize),
    /// A switch cannot be read there: a constant, or a function that hides its type.
    Fixed,
}

/// A spot for each mutant of one file, and the bodies of its functions.
pub(super) fn find(source: &str, mutants: &[&Mutant]) -> Result<(Vec<Spot>, Vec<Range<usize>>)> {
    let file = syn::parse_file(source).context("syn cannot read it")?;
    let mut finder = Finder {
        source,
        mutants,
        spots: vec![None; mutants.len()],
        chain: Vec::new(),
        constant: false,
        bodies: Vec::new(),
    };
    finder.visit_file(&file);
    finder.values();
    let bodies = finder.bodies.into_iter().map(|(range, _)| range).collect();
    let mut spots = Vec::new();
    for (spot, mutant) in finder.spots.into_iter().zip(mutants) {
        spots.push(spot.with_context(|| format!("nothing there: {}", mutant.told))?);
    }
    Ok((spots, bodies))
}

struct Finder<'a> {
    source: &'a str,
    mutants: &'a [&'a Mutant],
    spots: Vec<Option<Spot>>,
    /// Binary expressions that are each an operand of the one before, and whether `let`
    /// stands in them.
    chain: Vec<(Range<usize>, bool)>,
    constant: bool,
    /// Of functions, and whether a switch can return from them.
    bodies: Vec<(Range<usize>, bool)>,
}

impl Finder<'_> {
    /// Sets the spots of mutants of this genre that begin at this byte.
    fn set(&mut self, genre: Genre, start: usize, spot: impl Fn(&Mutant) -> Spot) {
        for (found, mutant) in self.spots.iter_mut().zip(self.mutants) {
            if mutant.genre == genre && mutant.range.start == start {
                *found = Some(match self.constant {
                    true => Spot::Fixed,
                    false => spot(mutant),
                });
            }
        }
    }

    /// The mutant's text of an expression around it.
    fn expression(&self, range: Range<usize>) -> impl Fn(&Mutant) -> Spot + use<> {
        let text = self.source[range.clone()].to_owned();
        move |mutant| {
            let (from, to) = (mutant.range.start, mutant.range.end);
            let (before, after) = (&text[..from - range.start], &text[to - range.start..]);
            Spot::Expression {
                text: format!("{before}{}{after}", mutant.replacement),
                range: range.clone(),
            }
        }
    }

    /// Values belong to the innermost function.
    fn values(&mut self) {
        for (found, mutant) in self.spots.iter_mut().zip(self.mutants) {
            let of = |range: &Range<usize>| range.contains(&mutant.range.start);
            let inner = self.bodies.iter().filter(|(range, _)| of(range));
            if let Some((range, open)) = inner.min_by_key(|(range, _)| range.len())
                && mutant.genre == Genre::FnValue
            {
                *found = Some(match open {
                    true => Spot::Body(range.start + 1),
                    false => Spot::Fixed,
                });
            }
        }
    }

    fn function(
        &mut self,
        signature: &Signature,
        body: Range<usize>,
        inside: impl FnOnce(&mut Self),
    ) {
        let is_constant = signature.constness.is_some();
        let mut hidden = Hidden(false);
        if let ReturnType::Type(_, returned) = &signature.output {
            hidden.visit_type(returned);
        }
        self.bodies.push((body, !is_constant && !hidden.0));
        self.fixed(is_constant, inside);
    }

    fn fixed(&mut self, constant: bool, inside: impl FnOnce(&mut Self)) {
        let before = mem::replace(&mut self.constant, constant);
        inside(self);
        self.constant = before;
    }
}

fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

/// Looks for `impl Trait`.
struct Hidden(bool);

impl<'a> Visit<'a> for Hidden {
    fn visit_type(&mut self, node: &'a Type) {
        self.0 |= matches!(node, Type::ImplTrait(_));
        visit::visit_type(self, node);
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_fn(&mut self, node: &'a ItemFn) {
        self.function(&node.sig, range(&node.block), |this| {
            visit::visit_item_fn(this, node)
        });
    }

    fn visit_impl_item_fn(&mut self, node: &'a ImplItemFn) {
        self.function(&node.sig, range(&node.block), |this| {
            visit::visit_impl_item_fn(this, node)
        });
    }

    fn visit_trait_item_fn(&mut self, node: &'a TraitItemFn) {
        let body = node.default.as_ref().map_or(0..0, range);
        self.function(&node.sig, body, |this| {
            visit::visit_trait_item_fn(this, node)
        });
    }

    fn visit_item_const(&mut self, node: &'a syn::ItemConst) {
        self.fixed(true, |this| visit::visit_item_const(this, node));
    }

    fn visit_item_static(&mut self, node: &'a syn::ItemStatic) {
        self.fixed(true, |this| visit::visit_item_static(this, node));
    }

    fn visit_impl_item_const(&mut self, node: &'a syn::ImplItemConst) {
        self.fixed(true, |this| visit::visit_impl_item_const(this, node));
    }

    fn visit_expr_repeat(&mut self, node: &'a syn::ExprRepeat) {
        self.visit_expr(&node.expr);
        self.fixed(true, |this| this.visit_expr(&node.len));
    }

    fn visit_type_array(&mut self, node: &'a syn::TypeArray) {
        self.fixed(true, |this| visit::visit_type_array(this, node));
    }

    fn visit_variant(&mut self, node: &'a syn::Variant) {
        self.fixed(true, |this| visit::visit_variant(this, node));
    }

    fn visit_expr_binary(&mut self, node: &'a syn::ExprBinary) {
        let own = range(node);
        let has_let = [&node.left, &node.right]
            .into_iter()
            .any(|side| has_let(side));
        self.chain.push((own.clone(), has_let));
        let (outer, outer_has_let) = self.chain[0].clone();
        let operator = range(&node.op);
        let (here, around) = (self.expression(own), self.expression(outer));
        let before = level(&self.source[operator.clone()]);
        self.set(Genre::BinaryOperator, operator.start, |mutant| {
            // An operator that binds otherwise takes other operands.
            match level(&mutant.replacement) == before {
                true if !has_let => here(mutant),
                false if !outer_has_let => around(mutant),
                _ => Spot::Fixed,
            }
        });
        for side in [&*node.left, &*node.right] {
            if let Expr::Binary(_) = side {
                self.visit_expr(side);
            } else {
                let chain = mem::take(&mut self.chain);
                self.visit_expr(side);
                self.chain = chain;
            }
        }
        self.chain.pop();
    }

    fn visit_expr_unary(&mut self, node: &'a syn::ExprUnary) {
        let expression = self.expression(range(node));
        self.set(Genre::UnaryOperator, range(&node.op).start, expression);
        visit::visit_expr_unary(self, node);
    }

    fn visit_expr_struct(&mut self, node: &'a syn::ExprStruct) {
        for field in &node.fields {
            let expression = self.expression(range(node));
            self.set(Genre::StructField, range(field).start, expression);
        }
        visit::visit_expr_struct(self, node);
    }

    fn visit_arm(&mut self, node: &'a syn::Arm) {
        let pattern = range(&node.pat).end;
        let guard = node.guard.as_ref().map(|(_, guard)| range(guard));
        if let Some(guard) = &guard {
            let expression = self.expression(guard.clone());
            self.set(Genre::MatchArmGuard, guard.start, expression);
        }
        self.set(Genre::MatchArm, range(node).start, |_| match &guard {
            Some(guard) => Spot::Guarded(guard.clone()),
            None => Spot::Arm(pattern),
        });
        visit::visit_arm(self, node);
    }
}

/// Whether `let` stands among the operands, where no parentheses may be put around them.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(node) => has_let(&node.left) || has_let(&node.right),
        _ => false,
    }
}

/// How strongly an operator binds. Source: the Rust Reference, expression precedence.
fn level(operator: &str) -> u8 {
    match operator {
        "*" | "/" | "%" => 8,
        "+" | "-" => 7,
        "<<" | ">>" => 6,
        "&" => 5,
        "^" => 4,
        "|" => 3,
        "==" | "!=" | "<" | ">" | "<=" | ">=" => 2,
        "&&" => 1,
        _ => 0, // `||` and assignments, which stand in no chain with it
    }
}
