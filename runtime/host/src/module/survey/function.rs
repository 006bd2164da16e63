//! What makes one function costly to compile.
//!
//! A compiler asks of each local what it is at each place where the paths of the
//! program meet: the work grows with locals *times* blocks, and with locals times
//! loops inside of each other it can't be undone afterwards.

use wasmparser::{BinaryReaderError, FunctionBody, Operator};

/// Bytes of one function's code.
const BYTES_MAX: usize = 1024 * 1024;

/// Locals of one function. Code that was not optimised has thousands.
const LOCALS_MAX: u64 = 20_000;

/// Blocks inside of each other. A `switch` has one for each case.
const NESTING_MAX: usize = 10_000;

/// Locals times the deepest loops inside of each other. 2,000 locals in 50 loops are
/// allowed; compilers give hand-written programs some hundreds in five.
const LOCALS_TIMES_LOOPS_MAX: u64 = 100_000;

/// Locals times blocks. The loops of interpreters have some millions.
const LOCALS_TIMES_BLOCKS_MAX: u64 = 50_000_000;

/// Why a function is refused.
pub(super) enum Problem {
    /// It is no function.
    Invalid(BinaryReaderError),
    /// What it has too much of, as the end of a sentence.
    TooComplex(String),
}

impl From<BinaryReaderError> for Problem {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid(error)
    }
}

/// Reads a function once.
pub(super) fn check(body: &FunctionBody<'_>) -> Result<(), Problem> {
    bound("bytes of code", body.as_bytes().len(), BYTES_MAX)?;
    let mut locals = 0_u64;
    for group in body.get_locals_reader()? {
        let (count, _) = group?;
        locals = locals.saturating_add(u64::from(count));
    }
    bound("locals", locals, LOCALS_MAX)?;

    let mut blocks = 0_u64;
    // For each block that is open, whether it is a loop.
    let mut open = Vec::new();
    let (mut loops, mut loops_max) = (0_u64, 0_u64);
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        match operators.read()? {
            Operator::Loop { .. } => {
                open.push(true);
                blocks += 1;
                loops += 1;
                loops_max = loops_max.max(loops);
            }
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                open.push(false);
                blocks += 1;
            }
            Operator::End if open.pop() == Some(true) => loops -= 1,
            _ => {}
        }
        bound("blocks inside of each other", open.len(), NESTING_MAX)?;
    }
    let times = |what, count: u64, max| match locals.saturating_mul(count) {
        cost if cost > max => {
            Err(Problem::TooComplex(format!("has {locals} locals and {count} {what}")))
        }
        _ => Ok(()),
    };
    times("loops inside of each other", loops_max, LOCALS_TIMES_LOOPS_MAX)?;
    times("blocks", blocks, LOCALS_TIMES_BLOCKS_MAX)
}

fn bound<T: PartialOrd + std::fmt::Display>(what: &str, count: T, max: T) -> Result<(), Problem> {
    if count <= max {
        return Ok(());
    }
    Err(Problem::TooComplex(format!("has {count} {what}; at most {max} are allowed")))
}
