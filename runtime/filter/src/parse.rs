//! The first step: from text to a syntax tree. Knows the grammar, and no field.

use std::ops::RangeInclusive;

use winnow::Parser;
use winnow::combinator::{alt, cut_err, eof, opt, peek, repeat, separated};
use winnow::error::{AddContext, ErrMode, ModalResult, ParserError};
use winnow::stream::{LocatingSlice, Location as _, Stateful, Stream as _};
use winnow::token::{literal as symbol_text, none_of, one_of, take_while};

use crate::error::{FilterError, choice};
use crate::syntax::{
    Comparison, Expression, Literal, LiteralValue, Name, Operator, OrderClause, Query, Term,
};

/// Bytes of a filter at most.
pub const FILTER_BYTES_MAX: usize = 8 * 1024;
/// How deep parentheses and `NOT` may be nested.
pub const DEPTH_MAX: usize = 32;
/// Comparisons of one filter at most.
pub const TERMS_MAX: usize = 100;
/// Values of one `IN` at most.
pub const ITEMS_MAX: usize = 200;

/// Words that are no field unless they are in backquotes.
pub(crate) const RESERVED: &[&str] = &[
    "AND",
    "ASC",
    "BETWEEN",
    "BY",
    "DESC",
    "FALSE",
    "IN",
    "IS",
    "NOT",
    "NULL",
    "OR",
    "ORDER",
    "STARTS_WITH",
    "TRUE",
];

type Input<'t> = Stateful<LocatingSlice<&'t str>, Counts>;
type Parsed<T> = ModalResult<T, SyntaxError>;

/// What is bounded.
#[derive(Debug, Clone, Default)]
struct Counts {
    depth: usize,
    terms: usize,
}

/// Reads the text of a filter. An empty one has no condition.
pub fn parse(text: &str) -> Result<Query, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        let message =
            format!("the filter has {} bytes; at most {FILTER_BYTES_MAX} are allowed", text.len());
        return Err(FilterError { column: 1, message });
    }
    let is_refused = |character: char| character.is_control() && !character.is_whitespace();
    if let Some((at, character)) = text.char_indices().find(|(_, it)| is_refused(*it)) {
        let message = format!("{character:?} can't stand in a filter");
        return Err(FilterError::at(text, at, message));
    }
    let mut input = Stateful { input: LocatingSlice::new(text), state: Counts::default() };
    match query.parse_next(&mut input) {
        Ok((condition, order)) => Ok(Query { text: text.to_owned(), condition, order }),
        Err(ErrMode::Backtrack(error) | ErrMode::Cut(error)) => Err(error.told(text)),
        // Only streams that go on have this.
        Err(ErrMode::Incomplete(_)) => Err(FilterError::at(text, text.len(), "it has no end")),
    }
}

fn query(input: &mut Input<'_>) -> Parsed<(Option<Expression>, Option<OrderClause>)> {
    blank.parse_next(input)?;
    let begins_with_order = alt((keyword("ORDER"), eof.void()));
    if opt(peek(begins_with_order)).parse_next(input)?.is_some() {
        let order = opt(order).parse_next(input)?;
        eof.context("the end").parse_next(input)?;
        return Ok((None, order));
    }
    let condition = any_of.parse_next(input)?;
    let order = opt(order).parse_next(input)?;
    let allowed: &[_] =
        if order.is_some() { &["the end"] } else { &["AND", "OR", "ORDER BY", "the end"] };
    eof.context(allowed).parse_next(input)?;
    Ok((Some(condition), order))
}

fn order(input: &mut Input<'_>) -> Parsed<OrderClause> {
    keyword("ORDER").parse_next(input)?;
    let (_, field) = cut_err((keyword("BY"), name)).parse_next(input)?;
    let directions = (
        keyword("ASC").value(false),
        keyword("DESC").value(true),
        eof.context("the end").value(false),
    );
    let is_descending = cut_err(alt(directions)).parse_next(input)?;
    Ok(OrderClause { field, is_descending })
}

fn any_of(input: &mut Input<'_>) -> Parsed<Expression> {
    let parts: Vec<_> = separated(1.., cut_err(all_of), keyword("OR")).parse_next(input)?;
    Ok(one_or(parts, Expression::Or))
}

fn all_of(input: &mut Input<'_>) -> Parsed<Expression> {
    let parts: Vec<_> = separated(1.., cut_err(factor), keyword("AND")).parse_next(input)?;
    Ok(one_or(parts, Expression::And))
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}

fn factor(input: &mut Input<'_>) -> Parsed<Expression> {
    alt((negation, group, term)).parse_next(input)
}

fn negation(input: &mut Input<'_>) -> Parsed<Expression> {
    let at = input.current_token_start();
    keyword("NOT").parse_next(input)?;
    nested(at, cut_err(factor)).map(|negated| Expression::Not(Box::new(negated))).parse_next(input)
}

fn group(input: &mut Input<'_>) -> Parsed<Expression> {
    let at = input.current_token_start();
    symbol("(").parse_next(input)?;
    let inner = nested(at, any_of).parse_next(input)?;
    let end: &[_] = &["AND", "OR", ")"];
    cut_err((symbol_text(")"), blank).context(end)).parse_next(input)?;
    Ok(inner)
}

/// One level deeper, if there may be one.
fn nested<'t, T>(
    at: usize,
    mut inner: impl Parser<Input<'t>, T, ErrMode<SyntaxError>>,
) -> impl Parser<Input<'t>, T, ErrMode<SyntaxError>> {
    move |input: &mut Input<'t>| {
        if input.state.depth == DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} levels deep");
            return Err(ErrMode::Cut(SyntaxError::saying(at, message)));
        }
        input.state.depth += 1;
        let parsed = inner.parse_next(input)?;
        input.state.depth -= 1;
        Ok(parsed)
    }
}

fn term(input: &mut Input<'_>) -> Parsed<Expression> {
    let field = name.parse_next(input)?;
    input.state.terms += 1;
    if input.state.terms > TERMS_MAX {
        let message = format!("a filter has at most {TERMS_MAX} comparisons");
        return Err(ErrMode::Cut(SyntaxError::saying(field.at, message)));
    }
    let at = input.current_token_start();
    let (operator, is_negated) = cut_err(operator).parse_next(input)?;
    let term = Expression::Term(Term { field, operator, at });
    Ok(if is_negated { Expression::Not(Box::new(term)) } else { term })
}

/// With whether it is negated.
fn operator(input: &mut Input<'_>) -> Parsed<(Operator, bool)> {
    alt((
        compare.map(|operator| (operator, false)),
        set_operator.map(|operator| (operator, false)),
        (keyword("NOT"), cut_err(set_operator)).map(|(_, operator)| (operator, true)),
        (keyword("IS"), cut_err(null)).map(|(_, is_negated)| (Operator::IsNull, is_negated)),
    ))
    .parse_next(input)
}

fn null(input: &mut Input<'_>) -> Parsed<bool> {
    let negated = (keyword("NOT"), cut_err(keyword("NULL"))).value(true);
    alt((keyword("NULL").value(false), negated)).parse_next(input)
}

fn compare(input: &mut Input<'_>) -> Parsed<Operator> {
    let comparison = alt((
        symbol("=").value(Comparison::Equal),
        symbol("!=").value(Comparison::NotEqual),
        symbol(">=").value(Comparison::GreaterOrEqual),
        symbol(">").value(Comparison::Greater),
        symbol("<=").value(Comparison::LessOrEqual),
        symbol("<").value(Comparison::Less),
    ))
    .parse_next(input)?;
    let value = cut_err(literal).parse_next(input)?;
    Ok(Operator::Compare(comparison, value))
}

/// Those that `NOT` may stand before.
fn set_operator(input: &mut Input<'_>) -> Parsed<Operator> {
    let between =
        (literal, keyword("AND"), literal).map(|(from, _, to)| Operator::Between(from, to));
    alt((
        (keyword("IN"), cut_err(items)).map(|(_, items)| Operator::In(items)),
        (keyword("BETWEEN"), cut_err(between)).map(|(_, between)| between),
        (keyword("STARTS_WITH"), cut_err(literal)).map(|(_, text)| Operator::StartsWith(text)),
    ))
    .parse_next(input)
}

fn items(input: &mut Input<'_>) -> Parsed<Vec<Literal>> {
    symbol("(").parse_next(input)?;
    let items: Vec<Literal> = separated(1.., cut_err(literal), symbol(",")).parse_next(input)?;
    let end: &[_] = &[",", ")"];
    (symbol_text(")"), blank).context(end).parse_next(input)?;
    match items.get(ITEMS_MAX) {
        Some(item) => {
            let message = format!("IN has at most {ITEMS_MAX} values");
            Err(ErrMode::Cut(SyntaxError::saying(item.at, message)))
        }
        None => Ok(items),
    }
}

fn name(input: &mut Input<'_>) -> Parsed<Name> {
    let at = input.current_token_start();
    let is_free =
        |word: &&str| !RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved));
    let plain = word.verify(is_free).map(str::to_owned);
    let text = alt((plain, quoted('`'))).context("a field").parse_next(input)?;
    blank.parse_next(input)?;
    Ok(Name { text, at })
}

fn literal(input: &mut Input<'_>) -> Parsed<Literal> {
    const EXPECTED: &str = "a text in quotes, a number, true or false";
    let at = input.current_token_start();
    if opt(peek(keyword("NULL"))).parse_next(input)?.is_some() {
        let message = "nothing equals NULL: ask with IS NULL or IS NOT NULL";
        return Err(ErrMode::Cut(SyntaxError::saying(at, message)));
    }
    let value = alt((
        quoted('\'').map(LiteralValue::Text),
        quoted('"').map(LiteralValue::Text),
        number.map(|number: &str| LiteralValue::Number(number.to_owned())),
        keyword("true").value(LiteralValue::Bool(true)),
        keyword("false").value(LiteralValue::Bool(false)),
    ))
    .parse_next(input);
    let value = value.map_err(|error: ErrMode<SyntaxError>| match error {
        ErrMode::Backtrack(error) => {
            ErrMode::Backtrack(SyntaxError { expected: vec![EXPECTED], ..error })
        }
        other => other,
    })?;
    blank.parse_next(input)?;
    Ok(Literal { value, at })
}

fn number<'t>(input: &mut Input<'t>) -> Parsed<&'t str> {
    let digits = || take_while(1.., |it: char| it.is_ascii_digit());
    let sign = || opt(one_of(['+', '-']));
    let exponent = (one_of(['e', 'E']), sign(), digits());
    let at = input.current_token_start();
    let number =
        (sign(), digits(), opt(('.', digits())), opt(exponent)).take().parse_next(input)?;
    if opt(peek(word)).parse_next(input)?.is_some() {
        let message = "neither a number nor a text: a text is written in quotes";
        return Err(ErrMode::Cut(SyntaxError::saying(at, message)));
    }
    Ok(number)
}

/// What is between two quotes. Two of them inside stand for one.
fn quoted<'t>(quote: char) -> impl Parser<Input<'t>, String, ErrMode<SyntaxError>> {
    move |input: &mut Input<'t>| {
        let at = input.current_token_start();
        one_of([quote]).parse_next(input)?;
        let inside = alt((none_of([quote]), (quote, quote).value(quote)));
        let text: String = repeat(0.., inside).parse_next(input)?;
        one_of([quote]).parse_next(input).map_err(|_: ErrMode<SyntaxError>| {
            let message = format!("what begins here has no closing {quote}");
            ErrMode::Cut(SyntaxError::saying(at, message))
        })?;
        Ok(text)
    }
}

fn word<'t>(input: &mut Input<'t>) -> Parsed<&'t str> {
    take_while(1.., is_of_word).parse_next(input)
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

/// In capitals or not, and what is blank after it.
fn keyword<'t>(keyword: &'static str) -> impl Parser<Input<'t>, (), ErrMode<SyntaxError>> {
    let is_it = move |word: &&str| word.eq_ignore_ascii_case(keyword);
    (word.verify(is_it), blank).void().context(keyword)
}

fn symbol<'t>(symbol: &'static str) -> impl Parser<Input<'t>, (), ErrMode<SyntaxError>> {
    (symbol_text(symbol), blank).void().context(symbol)
}

fn blank(input: &mut Input<'_>) -> Parsed<()> {
    take_while(0.., char::is_whitespace).void().parse_next(input)
}

/// Where the text can't be read further, and what could stand there.
#[derive(Debug, Clone)]
struct SyntaxError {
    at: usize,
    expected: Vec<&'static str>,
    /// Instead of what was expected.
    message: Option<String>,
}

impl SyntaxError {
    fn saying(at: usize, message: impl Into<String>) -> Self {
        Self { at, expected: Vec::new(), message: Some(message.into()) }
    }

    fn told(self, text: &str) -> FilterError {
        let Self { at, mut expected, message } = self;
        let message = message.unwrap_or_else(|| {
            let mut seen = Vec::new();
            expected.retain(|it| {
                !seen.contains(it) && {
                    seen.push(*it);
                    true
                }
            });
            format!("expected {}, found {}", choice(&expected), found(text.get(at..).unwrap_or("")))
        });
        FilterError::at(text, at, message)
    }
}

/// The beginning of the rest, for a message.
fn found(rest: &str) -> String {
    const SHOWN: RangeInclusive<usize> = 1..=24;
    let length = rest.chars().take_while(|it| is_of_word(*it)).count();
    let length = length.clamp(*SHOWN.start(), *SHOWN.end());
    let shown: String = rest.chars().take(length).collect();
    if shown.is_empty() { "the end".to_owned() } else { format!("`{shown}`") }
}

impl<'t> ParserError<Input<'t>> for SyntaxError {
    type Inner = Self;

    fn from_input(input: &Input<'t>) -> Self {
        Self { at: input.current_token_start(), expected: Vec::new(), message: None }
    }

    /// Of two ways that failed, the one that came further knows more.
    fn or(mut self, other: Self) -> Self {
        match self.at.cmp(&other.at) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal => {
                self.expected.extend(other.expected);
                self
            }
        }
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

impl<'t> AddContext<Input<'t>, &'static [&'static str]> for SyntaxError {
    fn add_context(
        mut self,
        input: &Input<'t>,
        start: &<Input<'t> as winnow::stream::Stream>::Checkpoint,
        expected: &'static [&'static str],
    ) -> Self {
        let mut begin = input.clone();
        begin.reset(start);
        // Else something inside was expected.
        if self.at == begin.current_token_start() && self.message.is_none() {
            self.expected = expected.to_vec();
        }
        self
    }
}

impl<'t> AddContext<Input<'t>, &'static str> for SyntaxError {
    fn add_context(
        mut self,
        input: &Input<'t>,
        start: &<Input<'t> as winnow::stream::Stream>::Checkpoint,
        expected: &'static str,
    ) -> Self {
        let mut begin = input.clone();
        begin.reset(start);
        if self.at == begin.current_token_start() && self.message.is_none() {
            self.expected = vec![expected];
        }
        self
    }
}

#[cfg(test)]
mod tests;
