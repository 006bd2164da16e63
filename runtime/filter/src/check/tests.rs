use dacapo_model::attributes::{RunAttributes, SearchAttribute};
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{NamespaceName, RunId, RunKey, TypeName, WorkflowHash, WorkflowId};
use dacapo_model::module::ModuleDigest;
use dacapo_model::search_attribute::{InvalidName, SearchAttributeName};
use dacapo_model::time::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::RunFacts;
use crate::parse::parse;

fn attributes() -> AttributeTypes {
    BTreeMap::from([
        ("customer".to_owned(), AttributeType::Keyword),
        ("amount".to_owned(), AttributeType::Double),
        ("items".to_owned(), AttributeType::Int),
        ("vip".to_owned(), AttributeType::Bool),
        ("due".to_owned(), AttributeType::Datetime),
        ("colours".to_owned(), AttributeType::KeywordList),
    ])
}

fn compiled(text: &str) -> Result<Checked, FilterError> {
    check(&parse(text)?, &attributes())
}

fn error(text: &str) -> String {
    compiled(text).expect_err(text).to_string()
}

/// A run that closed after 90 s with some attributes.
fn run() -> Execution {
    let namespace = NamespaceName::new("default").expect("a name");
    let workflow_id = WorkflowId::new("order-17").expect("an id");
    let set = |name: &str, value| (name.to_owned(), value);
    let search_attributes = BTreeMap::from([
        set("customer", SearchAttribute::Keyword("ada".to_owned())),
        set("amount", SearchAttribute::Double(12.5)),
        set("vip", SearchAttribute::Bool(true)),
        set("colours", SearchAttribute::KeywordList(vec!["red".to_owned(), "blue".to_owned()])),
        // It was of another type once.
        set("items", SearchAttribute::Keyword("3".to_owned())),
    ]);
    let tags = ["late", "vip"].map(|tag| tag.parse().expect("a tag")).into();
    Execution {
        key: RunKey {
            hash: WorkflowHash::of(&namespace, &workflow_id),
            run_id: RunId(Uuid::from_u128(7)),
        },
        namespace,
        workflow_id,
        workflow_type: TypeName::new("shop.order").expect("a name"),
        module_digest: ModuleDigest::of(b"module"),
        request_id: None,
        status: ExecutionStatus::TimedOut,
        blocked: None,
        attributes: RunAttributes { search_attributes, tags, ..RunAttributes::default() },
        started_at: Timestamp::from_micros(1_700_000_000_000_000),
        closed_at: Some(Timestamp::from_micros(1_700_000_090_000_000)),
        delayed_until: None,
        parent: None,
        history_size: None,
        task_queue: None,
    }
}

fn matches(text: &str) -> bool {
    let run = run();
    let facts = RunFacts { execution: &run, modules: vec![("shop", 1), ("shop", 3)] };
    let checked = compiled(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    checked.filter.is_none_or(|filter| filter.matches(&facts))
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let cases = [
        (
            "Priority = 'a'",
            "column 1: `Priority` is neither a field nor a registered search attribute; the fields are WorkflowId, RunId, WorkflowType, ExecutionStatus, StartTime, ExecutionTime, CloseTime, ExecutionDuration, HistoryLength, HistorySizeBytes, ParentWorkflowId, RootWorkflowId, ModuleName, ModuleVersion, ModuleDigest, TaskQueue and Tags",
        ),
        ("Wrokflow = 'a'", "column 1: `Wrokflow` is no field; did you mean `WorkflowId`?"),
        (
            "vip = true AND WrokflowId = 'a'",
            "column 16: `WrokflowId` is no field; did you mean `WorkflowId`?",
        ),
        ("workflowid = 'a'", "column 1: `workflowid` is no field; did you mean `WorkflowId`?"),
        ("custommer = 'a'", "column 1: `custommer` is no field; did you mean `customer`?"),
        (
            "ExecutionStatus > 'Running'",
            "column 17: `ExecutionStatus` is a status, which compares with =, !=, IN and IS NULL, not with >",
        ),
        (
            "vip BETWEEN true AND false",
            "column 5: `vip` is true or false, which compares with =, !=, IN and IS NULL, not with BETWEEN",
        ),
        (
            "StartTime STARTS_WITH '2026'",
            "column 11: `StartTime` is a time, which compares with =, !=, <, <=, >, >=, IN, BETWEEN and IS NULL, not with STARTS_WITH",
        ),
        (
            "colours STARTS_WITH 'r'",
            "column 9: `colours` is a list of texts, which compares with =, !=, IN and IS NULL, not with STARTS_WITH",
        ),
        (
            "ExecutionStatus = 'Runing'",
            "column 19: 'Runing' is not a status: 'Running', 'Blocked', 'Completed', 'Failed', 'Canceled', 'Terminated', 'ContinuedAsNew' or 'TimedOut'; `ExecutionStatus` is a status",
        ),
        (
            "StartTime > 'yesterday'",
            "column 13: 'yesterday' is not a time in the years 0 to 9999 such as '2026-01-31T08:30:00Z'; `StartTime` is a time",
        ),
        (
            "due < '+10000-01-01T00:00:00Z'",
            "column 7: '+10000-01-01T00:00:00Z' is not a time in the years 0 to 9999 such as '2026-01-31T08:30:00Z'; `due` is a time",
        ),
        (
            "due < '9999-12-31T23:59:59-01:00'",
            "column 7: '9999-12-31T23:59:59-01:00' is not a time in the years 0 to 9999 such as '2026-01-31T08:30:00Z'; `due` is a time",
        ),
        (
            "StartTime > 17",
            "column 13: 17 is not a time in the years 0 to 9999 such as '2026-01-31T08:30:00Z'; `StartTime` is a time",
        ),
        ("customer = 17", "column 12: 17 is not a text: write it in quotes; `customer` is a text"),
        (
            "items IN (1, '2')",
            "column 14: '2' is not a whole number from -2^63 to 2^63 - 1, without quotes; `items` is a whole number",
        ),
        (
            "items = 9223372036854775808",
            "column 9: 9223372036854775808 is not a whole number from -2^63 to 2^63 - 1, without quotes; `items` is a whole number",
        ),
        (
            "amount = 1e999",
            "column 10: 1e999 is not a finite number, without quotes; `amount` is a number",
        ),
        (
            "ExecutionDuration > 'long'",
            "column 21: 'long' is not a duration such as '1h30m' or '01:30:00', or a number of nanoseconds; `ExecutionDuration` is a duration",
        ),
        (
            "RunId = 'x'",
            "column 9: 'x' is not a run id such as '01234567-89ab-cdef-0123-456789abcdef'; `RunId` is a run id",
        ),
        (
            "ORDER BY HistoryLength",
            "column 10: a list can't be ordered by `HistoryLength`, only by StartTime, CloseTime or WorkflowId",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text}");
    }
}

/// With as many letters as a filter has room for, and as many names as there can be.
#[test]
fn a_long_name_is_refused_at_once_and_not_repeated() {
    let name = "a".repeat(crate::FILTER_BYTES_MAX - 4);
    let named = |number| (format!("{}{number:02}", "a".repeat(62)), AttributeType::Int);
    let attributes = (0..100).map(named).collect();
    let refused = check(&parse(&format!("{name}=''")).expect("parses"), &attributes);
    let message = refused.expect_err("no field").to_string();
    assert!(message.contains("… (8188 bytes)` is neither a field nor"), "{message}");
    assert!(message.len() < 500, "{message}");
    let ordered = error(&format!("ORDER BY {}", &name[20..]));
    assert!(ordered.len() < 200, "{ordered}");
}

/// Else there would be attributes that no filter can ask for.
#[test]
fn no_search_attribute_has_the_name_of_a_field_or_a_word_of_the_language() {
    let fields = Field::BUILT_IN.each_ref().map(Field::name);
    for name in fields.iter().chain(crate::parse::RESERVED) {
        for name in [name.to_string(), name.to_lowercase(), name.to_uppercase()] {
            let refused = SearchAttributeName::new(name.clone());
            assert!(matches!(refused, Err(InvalidName::Taken { .. })), "{name}");
        }
    }
}

#[test]
fn every_operator_means_what_it_says() {
    for text in [
        "",
        "WorkflowId = 'order-17'",
        "WorkflowId != 'order-18' AND WorkflowId > 'order-16' AND WorkflowId <= 'order-17'",
        "WorkflowId STARTS_WITH 'order-'",
        "WorkflowId NOT STARTS_WITH 'Order-'",
        "RunId = '00000000-0000-0000-0000-000000000007'",
        "ExecutionStatus IN ('Running', 'timed_out')",
        "ExecutionStatus NOT IN ('Running')",
        "StartTime = '2023-11-14T22:13:20Z' AND StartTime = '2023-11-15T00:13:20+02:00'",
        "StartTime BETWEEN '2023-11-14T22:13:20Z' AND '2023-11-14T22:13:21Z'",
        "StartTime NOT BETWEEN '2023-11-14T22:13:21Z' AND '2023-11-14T22:13:22Z'",
        "CloseTime IS NOT NULL AND ParentWorkflowId IS NULL",
        "ExecutionDuration = '1m30s' AND ExecutionDuration = '00:01:30'",
        "ExecutionDuration = 90000000000 AND ExecutionDuration < '1m30s 1us'",
        "ModuleName = 'shop' AND ModuleVersion = 3 AND ModuleVersion != 2",
        "amount = 12.5 AND amount > -1e3 AND amount BETWEEN 12 AND 13",
        "vip = true AND vip != false",
        "colours = 'red' AND colours = 'blue' AND colours != 'green' AND colours IN ('x', 'blue')",
        "Tags = 'vip' AND Tags = 'late' AND Tags != 'urgent' AND Tags IN ('x', 'late')",
        "Tags NOT IN ('urgent', 'Vip') AND Tags IS NOT NULL",
        "NOT (WorkflowId = 'a' OR WorkflowId = 'b')",
    ] {
        assert!(matches(text), "{text}");
    }
}

#[test]
fn a_run_without_a_value_matches_neither_a_condition_nor_its_opposite() {
    for text in [
        "due = '2023-11-14T22:13:20Z'",
        "due != '2023-11-14T22:13:20Z'",
        "NOT due > '2023-11-14T22:13:20Z'",
        "due NOT IN ('2023-11-14T22:13:20Z')",
        // The type was another one when the value was set.
        "items = 3",
        "items != 3",
        "items IS NOT NULL",
    ] {
        assert!(!matches(text), "{text}");
    }
    assert!(matches("due IS NULL AND items IS NULL"));
    assert!(matches("due = '2023-11-14T22:13:20Z' OR NOT customer = 'bob'"));
}

fn expressions() -> impl Strategy<Value = Expression> {
    let terms = prop::sample::select(vec![
        "customer = 'ada'",
        "customer != 'ada'",
        "customer IN ('bob', 'ada')",
        "amount < 12.5",
        "amount >= 12.5",
        "amount BETWEEN 1 AND 20",
        "due > '2023-11-14T22:13:20Z'",
        "due BETWEEN '2023-11-14T22:13:20Z' AND '2024-11-14T22:13:20Z'",
        "due IS NULL",
        "colours = 'red'",
        "colours NOT IN ('red')",
        "Tags = 'urgent'",
    ]);
    let terms = terms.prop_map(|text| parse(text).expect("parses").condition.expect("a term"));
    terms.prop_recursive(5, 40, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several().prop_map(Expression::And),
            several().prop_map(Expression::Or),
            inner.prop_map(|negated| Expression::Not(Box::new(negated))),
        ]
    })
}

/// SQL's logic of three values, by its definition.
fn outcome(expression: &Expression, of_term: &impl Fn(&Term) -> Option<bool>) -> Option<bool> {
    let outcomes = |parts: &[Expression]| -> Vec<_> {
        parts.iter().map(|part| outcome(part, of_term)).collect()
    };
    let all = |outcomes: Vec<Option<bool>>| match () {
        () if outcomes.contains(&Some(false)) => Some(false),
        () if outcomes.contains(&None) => None,
        () => Some(true),
    };
    match expression {
        Expression::And(parts) => all(outcomes(parts)),
        Expression::Or(parts) => {
            all(outcomes(parts).into_iter().map(|it| it.map(|it| !it)).collect()).map(|it| !it)
        }
        Expression::Not(negated) => outcome(negated, of_term).map(|it| !it),
        Expression::Term(term) => of_term(term),
    }
}

proptest! {
    #[test]
    fn moving_not_to_the_terms_changes_no_answer(expression in expressions()) {
        let run = run();
        let facts = RunFacts { execution: &run, modules: vec![] };
        let attributes = attributes();
        let checker = Checker { text: "", attributes: &attributes };
        let of_term = |term: &Term| {
            let is = |expected| checker.term(term, expected).expect("checks").matches(&facts);
            match (is(true), is(false)) {
                (true, true) => panic!("{term:?} is true and false"),
                (true, false) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            }
        };
        let filter = checker.filter(&expression, true).expect("checks");
        prop_assert_eq!(filter.matches(&facts), outcome(&expression, &of_term) == Some(true));
    }
}
