//! What a component may cost to be compiled: the shape of its functions.
//!
//! A compiler's time and memory do not grow with the bytes of a function alone. It tracks every
//! local through every loop around it, and every value through every branch behind it, so a file of
//! some hundred kilobytes can ask for any amount of memory, and a compilation cannot be stopped. So
//! each function is measured before. The largest functions of interpreters (`CPython`,
//! `SpiderMonkey`) are far below these limits.

use wasmparser::{FunctionBody, Operator, Parser, Payload};

/// The most bytes of one function.
const MAX_BYTES: u64 = 1 << 20;
/// The most locals of a function, times the deepest nesting of its loops.
const MAX_LOOPED: u64 = 1_000_000;
/// The most branches of a function, times its bytes.
const MAX_BRANCHED: u64 = 1 << 34;

/// Whether the functions of the component can be compiled with an acceptable effort.
///
/// One that is not well formed passes: the compiler describes its fault better.
///
/// # Errors
/// The first function that is too large, and which limit it exceeds.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut number: u64 = 0;
    for part in Parser::new(0).parse_all(bytes) {
        let Ok(part) = part else { return Ok(()) };
        if let Payload::CodeSectionEntry(body) = part {
            number += 1;
            if let Some(reason) = fault(&body) {
                return Err(format!(
                    "its function {number} would take too much to compile: {reason}"
                ));
            }
        }
    }
    Ok(())
}

/// Why a function cannot be compiled; none if it can, or if it is not well formed.
fn fault(body: &FunctionBody<'_>) -> Option<String> {
    let bytes = u64::try_from(body.range().len()).unwrap_or(u64::MAX);
    if bytes > MAX_BYTES {
        return Some(format!(
            "it has {bytes} bytes; at most {MAX_BYTES} are allowed"
        ));
    }
    let locals = body
        .get_locals_reader()
        .ok()?
        .into_iter()
        .try_fold(0_u64, |sum, local| {
            Some(sum.saturating_add(local.ok()?.0.into()))
        })?;
    let (mut branches, mut deepest) = (0_u64, 0_u64);
    // For each open block, how many loops are around what is inside it.
    let mut open: Vec<u64> = vec![];
    for operator in body.get_operators_reader().ok()? {
        let around = open.last().copied().unwrap_or(0);
        match operator.ok()? {
            Operator::Loop { .. } => {
                open.push(around + 1);
                deepest = deepest.max(around + 1);
            }
            Operator::Block { .. } => open.push(around),
            Operator::If { .. } => {
                open.push(around);
                branches += 1;
            }
            Operator::End => drop(open.pop()),
            Operator::BrIf { .. } => branches += 1,
            Operator::BrTable { targets } => branches += u64::from(targets.len()) + 1,
            _ => {}
        }
    }
    let looped = locals.saturating_mul(deepest);
    if looped > MAX_LOOPED {
        return Some(format!(
            "it has {locals} locals and {deepest} nested loops; the product of both may be {MAX_LOOPED}"
        ));
    }
    (branches.saturating_mul(bytes) > MAX_BRANCHED).then(|| {
        format!(
            "it has {branches} branches in {bytes} bytes; the product of both may be {MAX_BRANCHED}"
        )
    })
}
