use super::*;

fn error(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn an_error_says_where_and_what_could_stand_there() {
    let cases = [
        (
            "WorkflowId",
            "column 11: expected =, !=, >=, >, <=, <, IN, BETWEEN, STARTS_WITH, NOT or IS, found the end",
        ),
        (
            "WorkflowId == 'a'",
            "column 13: expected a text in quotes, a number, true or false, found `=`",
        ),
        (
            "WorkflowId = 'a' WorkflowType = 'b'",
            "column 18: expected AND, OR, ORDER BY or the end, found `WorkflowType`",
        ),
        ("WorkflowId = 'a' AND", "column 21: expected NOT, ( or a field, found the end"),
        ("WorkflowId = 'a' OR OR", "column 21: expected NOT, ( or a field, found `OR`"),
        ("(WorkflowId = 'a'", "column 18: expected AND, OR or ), found the end"),
        ("WorkflowId = 'a')", "column 17: expected AND, OR, ORDER BY or the end, found `)`"),
        (
            "WorkflowId = 'ä' and x = ",
            "column 26: expected a text in quotes, a number, true or false, found the end",
        ),
        ("WorkflowId = 'a", "column 14: what begins here has no closing '"),
        ("`Workflow = 'a'", "column 1: what begins here has no closing `"),
        ("WorkflowId = NULL", "column 14: nothing equals NULL: ask with IS NULL or IS NOT NULL"),
        ("WorkflowId IS 'a'", "column 15: expected NULL or NOT, found `'`"),
        ("WorkflowId IS NOT 3", "column 19: expected NULL, found `3`"),
        ("WorkflowId NOT = 'a'", "column 16: expected IN, BETWEEN or STARTS_WITH, found `=`"),
        ("WorkflowId IN 'a'", "column 15: expected (, found `'`"),
        (
            "WorkflowId IN ()",
            "column 16: expected a text in quotes, a number, true or false, found `)`",
        ),
        ("WorkflowId IN ('a' 'b')", "column 20: expected , or ), found `'`"),
        ("StartTime BETWEEN 'a' OR 'b'", "column 23: expected AND, found `OR`"),
        ("X = 12ab", "column 5: neither a number nor a text: a text is written in quotes"),
        (
            "X = Running",
            "column 5: expected a text in quotes, a number, true or false, found `Running`",
        ),
        ("ORDER StartTime", "column 7: expected BY, found `StartTime`"),
        ("ORDER BY", "column 9: expected a field, found the end"),
        ("ORDER BY StartTime UP", "column 20: expected ASC, DESC or the end, found `UP`"),
        ("ORDER BY StartTime DESC, RunId", "column 24: expected the end, found `,`"),
        ("AND = 1", "column 1: expected NOT, ( or a field, found `AND`"),
        ("X = 'a\u{0}'", "column 7: '\\0' can't stand in a filter"),
        (";", "column 1: expected NOT, ( or a field, found `;`"),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_filter_is_bounded_in_every_direction() {
    let deep = |levels: usize| format!("{}X = 1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse(&deep(DEPTH_MAX)).is_ok());
    assert_eq!(error(&deep(DEPTH_MAX + 1)), "column 33: nested more than 32 levels deep");
    let negated = format!("{}X = 1", "NOT ".repeat(DEPTH_MAX + 1));
    assert_eq!(error(&negated), "column 129: nested more than 32 levels deep");
    let many = |terms: usize| vec!["X = 1"; terms].join(" OR ");
    assert!(parse(&many(TERMS_MAX)).is_ok());
    assert_eq!(error(&many(TERMS_MAX + 1)), "column 901: a filter has at most 100 comparisons");
    let items = |items: usize| format!("X IN ({})", vec!["1"; items].join(","));
    assert!(parse(&items(ITEMS_MAX)).is_ok());
    assert_eq!(error(&items(ITEMS_MAX + 1)), "column 407: IN has at most 200 values");
    let long = format!("X = '{}'", "a".repeat(FILTER_BYTES_MAX));
    assert_eq!(error(&long), "column 1: the filter has 8198 bytes; at most 8192 are allowed");
}

#[test]
fn keywords_have_no_case_and_blanks_do_not_matter() {
    let plain =
        parse("A = 1 AND NOT B IN ('x','y') OR C IS NOT NULL ORDER BY D DESC").expect("parses");
    let other = parse(" A=1\n and not B in ( 'x' , \"y\" )\tor `C` is not null order by D desc ");
    let other = other.expect("parses");
    assert_eq!(shape(&plain), shape(&other));
    assert_eq!(shape(&plain), "Or[And[A= !B IN] !C IS NULL] by D down");
}

#[test]
fn quotes_are_doubled_inside_of_quotes() {
    let parsed = parse("A = 'it''s' AND B = \"say \"\"no\"\"\" AND `a b` = 'x`y'").expect("parses");
    let mut texts = Vec::new();
    if let Some(Expression::And(terms)) = parsed.condition {
        for term in terms {
            if let Expression::Term(Term {
                field, operator: Operator::Compare(_, literal), ..
            }) = term
            {
                texts.push((field.text, literal.value));
            }
        }
    }
    let text = |text: &str| LiteralValue::Text(text.to_owned());
    let name = |name: &str| name.to_owned();
    assert_eq!(
        texts,
        [(name("A"), text("it's")), (name("B"), text("say \"no\"")), (name("a b"), text("x`y"))]
    );
}

#[test]
fn nothing_at_all_is_a_filter_too() {
    for text in ["", "  \n"] {
        let parsed = parse(text).expect("parses");
        assert_eq!((parsed.condition, parsed.order), (None, None));
    }
}

/// Without positions.
fn shape(query: &Query) -> String {
    fn of(expression: &Expression) -> String {
        let all = |parts: &[Expression]| parts.iter().map(of).collect::<Vec<_>>().join(" ");
        match expression {
            Expression::And(parts) => format!("And[{}]", all(parts)),
            Expression::Or(parts) => format!("Or[{}]", all(parts)),
            Expression::Not(negated) => format!("!{}", of(negated)),
            Expression::Term(term) => {
                let operator = term.operator.text();
                let space = if operator.starts_with(char::is_alphabetic) { " " } else { "" };
                format!("{}{space}{operator}", term.field.text)
            }
        }
    }
    let condition = query.condition.as_ref().map_or(String::new(), of);
    let order = query.order.as_ref().map_or(String::new(), |order| {
        let direction = if order.is_descending { "down" } else { "up" };
        format!(" by {} {direction}", order.field.text)
    });
    condition + &order
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_at_one_of_its_characters(
        text in proptest::collection::vec(
            proptest::sample::select(vec![
                "A", "=", "!=", "'x'", "1", "(", ")", "AND", "or", "NOT", "IN", ",", "BETWEEN",
                "IS", "NULL", "ORDER", "BY", "'", "`", "ü", "-1.5e3", "STARTS_WITH", " ",
            ]),
            0..24,
        )
    ) {
        let text = text.join(" ");
        if let Err(error) = parse(&text) {
            proptest::prop_assert!((1..=text.chars().count() + 1).contains(&error.column));
            proptest::prop_assert!(!error.message.contains("expected  "), "{}", error);
        }
    }
}
