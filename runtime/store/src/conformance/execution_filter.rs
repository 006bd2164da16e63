//! Lists and counts with filters: every store finds what the filter says of each run alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dacapo_filter::{AttributeType, AttributeTypes, RunFacts, compile};
use dacapo_model::attributes::{RunAttributes, SearchAttribute};
use dacapo_model::event::{HistorySize, RootExecution};
use dacapo_model::execution::{Execution, ExecutionStatus, ParentRun};
use dacapo_model::ids::{ModuleName, QueueName};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};

use super::fixtures::*;
use crate::Store;
use crate::commit::{ExecutionChange, ExecutionUpdate, RunTransition};
use crate::count::{CountBy, CountGroup, ExecutionCount};
use crate::execution::{ExecutionCursor, ExecutionFilter};
use crate::module::NewModule;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("execution_filter.rs");

/// Runs of the property.
const RUNS: u64 = 120;
/// Filters that they are listed with.
const FILTERS: u64 = 150;
/// Where the numbers begin. Another one is another test, which has to pass as well.
const SEED: u64 = 20_261_129;

/// Numbers that look random and are the same each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).expect("small")].clone()
    }

    fn sometimes(&mut self) -> bool {
        self.below(2) == 0
    }
}

fn attribute_types() -> AttributeTypes {
    let types = [
        ("customer", AttributeType::Keyword),
        ("note", AttributeType::Text),
        ("amount", AttributeType::Double),
        ("items", AttributeType::Int),
        ("vip", AttributeType::Bool),
        ("due", AttributeType::Datetime),
        ("colours", AttributeType::KeywordList),
    ];
    types.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect()
}

const TEXTS: [&str; 7] = ["", "ada", "Ada", "adam", "b", "ä", "it's 100%_"];
/// Also the largest, the smallest, and one with two zeros: what databases make of texts.
const NUMBERS: [f64; 11] =
    [-1.5, 0.0, -0.0, 0.1, 3.0, 1e20, 1e308, -f64::MAX, f64::MIN_POSITIVE, 5e-324, -1e-310];
const INTEGERS: [i64; 5] = [i64::MIN, -1, 0, 7, i64::MAX];
const TAGS: [&str; 5] = ["ada", "Ada", "ä", "it's 100%_", "in review"];
const DAY: i64 = 24 * 3600 * 1_000_000;

fn attributes(numbers: &mut Numbers) -> RunAttributes {
    let mut set = BTreeMap::new();
    let text = |numbers: &mut Numbers| numbers.one(&TEXTS).to_owned();
    let values: [(&str, SearchAttribute); 7] = [
        ("customer", SearchAttribute::Keyword(text(numbers))),
        ("note", SearchAttribute::Text(text(numbers))),
        ("amount", SearchAttribute::Double(numbers.one(&NUMBERS))),
        ("items", SearchAttribute::Int(numbers.one(&INTEGERS))),
        ("vip", SearchAttribute::Bool(numbers.sometimes())),
        ("due", SearchAttribute::Datetime(at(numbers.one(&[0, 1, DAY])))),
        (
            "colours",
            SearchAttribute::KeywordList((0..numbers.below(3)).map(|_| text(numbers)).collect()),
        ),
    ];
    for (name, value) in values {
        // Sometimes it has a type that it was once registered with.
        let value =
            if numbers.below(8) == 0 { SearchAttribute::Keyword(text(numbers)) } else { value };
        if numbers.below(4) != 0 {
            set.insert(name.to_owned(), value);
        }
    }
    let search_attributes = if numbers.below(6) == 0 { BTreeMap::new() } else { set };
    // Half of the runs have none.
    let tags = (0..numbers.below(5).saturating_sub(1)).map(|_| numbers.one(&TAGS));
    let tags = tags.map(|tag| tag.parse().expect("a tag")).collect();
    RunAttributes { search_attributes, tags, ..RunAttributes::default() }
}

fn random_run(numbers: &mut Numbers, number: u64) -> Execution {
    let id = match numbers.below(6) {
        0 => format!("dacapo:activity:{number}"),
        1 => format!("Order-{number}"),
        _ => format!("order-{number}"),
    };
    let status = numbers.one(&ExecutionStatus::ALL);
    let status = if status == ExecutionStatus::Blocked { ExecutionStatus::Running } else { status };
    let started_at = at(numbers.one(&[0, 1, 2, DAY, -DAY, 3 * DAY]));
    let took = numbers.one(&[0, 1, 1_500_000, DAY]);
    Execution {
        workflow_type: type_name(numbers.one(&["shop.order", "shop.refund", "ünï"])),
        module_digest: ModuleDigest::of(numbers.one(&[b"one".as_slice(), b"two", b"gone"])),
        status,
        started_at,
        closed_at: (!status.is_open())
            .then(|| dacapo_model::time::Timestamp::from_micros(started_at.as_micros() + took)),
        attributes: attributes(numbers),
        delayed_until: numbers.sometimes().then(|| at(1)),
        parent: (numbers.below(3) == 0).then(|| ParentRun {
            workflow_id: workflow_id("order-3"),
            run_id: run_id(3),
            root: RootExecution {
                workflow_id: workflow_id(numbers.one(&["order-3", "Order-7"])),
                run_id: run_id(7),
            },
        }),
        history_size: (!status.is_open() && numbers.sometimes())
            .then(|| HistorySize { events: numbers.below(9), bytes: 7 }),
        task_queue: numbers.sometimes().then(|| QueueName::new("ada").expect("a name")),
        ..execution(&id, number.into())
    }
}

/// Its start and, if it is closed, its end.
fn transitions(run: &Execution) -> Vec<RunTransition> {
    let status = ExecutionStatus::Running;
    let open = Execution { status, closed_at: None, history_size: None, ..run.clone() };
    let mut transitions = vec![start(&open)];
    if !run.status.is_open() {
        let execution = ExecutionChange::Update(Box::new(ExecutionUpdate {
            status: run.status,
            blocked: None,
            closed_at: run.closed_at,
            module_digest: None,
            attributes: None,
            tags: None,
            history_size: run.history_size,
        }));
        transitions.push(RunTransition { execution, ..append(run.key, [any_event(2)]) });
    }
    transitions
}

async fn upload(owned: &Owned, name: &str, content: &[u8]) {
    let module = NewModule {
        namespace: default_namespace(),
        name: ModuleName::new(name).expect("a valid name"),
        digest: ModuleDigest::of(content),
        bytes: Bytes::copy_from_slice(content),
        definitions: ModuleDefinitions {
            workflows: vec![type_name("shop.order")],
            activities: vec![],
        },
        created_at: START,
    };
    owned.store.put_module(&owned.ownership, module).await.expect("keeps");
}

/// The text of a condition, nested up to so many levels.
fn random_filter(numbers: &mut Numbers, depth: u64) -> String {
    let inner = |numbers: &mut Numbers| random_filter(numbers, depth - 1);
    match numbers.below(if depth == 0 { 1 } else { 5 }) {
        1 => format!("({} AND {})", inner(numbers), inner(numbers)),
        2 => format!("({} OR {})", inner(numbers), inner(numbers)),
        3 => format!("NOT {}", inner(numbers)),
        _ => random_term(numbers),
    }
}

fn random_term(numbers: &mut Numbers) -> String {
    let text = |numbers: &mut Numbers| format!("'{}'", numbers.one(&TEXTS).replace('\'', "''"));
    let time = |numbers: &mut Numbers| format!("'{}'", at(numbers.one(&[0, 1, 2, DAY, -DAY])));
    let (field, kind) = numbers.one(&[
        ("WorkflowId", 'w'),
        ("WorkflowId", 'w'),
        ("RunId", 'r'),
        ("WorkflowType", 't'),
        ("ExecutionStatus", 's'),
        ("StartTime", 'd'),
        ("ExecutionTime", 'd'),
        ("CloseTime", 'd'),
        ("ExecutionDuration", 'l'),
        ("HistoryLength", 'i'),
        ("HistorySizeBytes", 'i'),
        ("ParentWorkflowId", 'w'),
        ("RootWorkflowId", 'w'),
        ("TaskQueue", 't'),
        ("ModuleName", 'm'),
        ("ModuleVersion", 'v'),
        ("ModuleDigest", 'h'),
        ("Tags", 'G'),
        ("Tags", 'G'),
        ("customer", 't'),
        ("note", 't'),
        ("amount", 'f'),
        ("items", 'i'),
        ("vip", 'b'),
        ("due", 'd'),
        ("colours", 'g'),
    ]);
    let value = |numbers: &mut Numbers| match kind {
        'w' => numbers.one(&["'order-3'", "'order-50'", "'Order-7'", "'order-'", "''"]).to_owned(),
        'r' => format!("'{}'", run_id(numbers.below(RUNS).into())),
        's' => format!("'{}'", numbers.one(&ExecutionStatus::ALL).as_str()),
        'd' => time(numbers),
        'l' => numbers
            .one(&["'1.5s'", "1500000000", "'00:00:01'", "'24h'", "0"])
            .replace("1.5s", "1500ms"),
        'm' => numbers.one(&["'shop'", "'copy'", "'none'"]).to_owned(),
        'v' => numbers.one(&["1", "2", "3"]).to_owned(),
        'h' => format!("'{}'", ModuleDigest::of(numbers.one(&[b"one".as_slice(), b"gone"]))),
        'f' => format!("{:e}", numbers.one(&NUMBERS)),
        'i' => numbers.one(&INTEGERS).to_string(),
        'b' => numbers.sometimes().to_string(),
        'G' => format!("'{}'", numbers.one(&TAGS).replace('\'', "''")),
        _ => text(numbers),
    };
    let is_ordered = matches!(kind, 'w' | 't' | 'd' | 'l' | 'f' | 'i');
    match numbers.below(if matches!(kind, 'w' | 't') {
        10
    } else if is_ordered {
        8
    } else {
        5
    }) {
        0 => format!("{field} = {}", value(numbers)),
        1 => format!("{field} != {}", value(numbers)),
        2 => format!("{field} IN ({}, {})", value(numbers), value(numbers)),
        3 => format!("{field} NOT IN ({}, {})", value(numbers), value(numbers)),
        4 => format!("{field} {}", numbers.one(&["IS NULL", "IS NOT NULL"])),
        5 => format!("{field} BETWEEN {} AND {}", value(numbers), value(numbers)),
        6 | 7 => format!("{field} {} {}", numbers.one(&["<", "<=", ">", ">="]), value(numbers)),
        8 => format!("{field} STARTS_WITH {}", value(numbers)),
        _ => format!("{field} NOT STARTS_WITH {}", value(numbers)),
    }
}

/// With random filters on random runs, in pages and in every order. And the counts are those
/// of the lists.
pub async fn every_filter_finds_the_runs_that_it_is_true_of(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    upload(&owned, "shop", b"one").await;
    upload(&owned, "shop", b"two").await;
    upload(&owned, "copy", b"two").await;
    let mut numbers = Numbers(SEED);
    let runs: Vec<_> = (0..RUNS).map(|number| random_run(&mut numbers, number)).collect();
    owned.commit(runs.iter().flat_map(transitions)).await.expect("commits");
    owned.start(&[&execution_in("other", "order-3", u128::MAX)]).await;
    let modules = owned.store.all_modules().await.expect("lists");
    let mut found = 0;
    for _ in 0..FILTERS {
        let order = numbers.one(&[
            "",
            " ORDER BY StartTime",
            " ORDER BY StartTime DESC",
            " ORDER BY CloseTime",
            " ORDER BY CloseTime DESC",
            " ORDER BY WorkflowId",
            " ORDER BY WorkflowId DESC",
        ]);
        let text = random_filter(&mut numbers, 3) + order;
        let checked = compile(&text, &attribute_types());
        let checked = checked.unwrap_or_else(|error| panic!("{text}: {error}"));
        let filter = ExecutionFilter {
            filter: checked.filter,
            order: checked.order,
            ..ExecutionFilter::default()
        };
        let is_wanted = |run: &&Execution| {
            let its = modules.iter().filter(|module| module.digest == run.module_digest);
            let modules = its.map(|module| (module.name.as_str(), module.version)).collect();
            let facts = RunFacts { execution: run, modules };
            filter.takes_id(&run.workflow_id)
                && filter.filter.as_ref().is_none_or(|filter| filter.matches(&facts))
        };
        let wanted: Vec<_> = runs.iter().filter(is_wanted).collect();
        let count = owned.store.count_executions(&default_namespace(), &filter, None).await;
        let expected = ExecutionCount { group: None, runs: wanted.len() as u64 };
        assert_eq!(count.expect("counts"), [expected], "{text}");
        let page = 1 + u32::try_from(numbers.below(50)).expect("small");
        let listed = list_in_pages(&owned, &filter, page).await;
        assert_eq!(listed, in_order(&wanted, &filter), "{text}");
        found += listed.len();
    }
    assert!(found > 1_000, "{found} runs found: the filters are too narrow to show anything");
}

fn in_order(wanted: &[&Execution], filter: &ExecutionFilter) -> Vec<u128> {
    use dacapo_filter::OrderBy;
    let mut keyed: Vec<_> = wanted
        .iter()
        .filter_map(|run| {
            let (time, id) = match filter.order.map(|order| order.by) {
                None | Some(OrderBy::StartTime) => (run.started_at.as_micros(), ""),
                Some(OrderBy::CloseTime) => (run.closed_at?.as_micros(), ""),
                Some(OrderBy::WorkflowId) => (0, run.workflow_id.as_str()),
            };
            Some((time, id, run.key.run_id.0.as_u128()))
        })
        .collect();
    keyed.sort_unstable();
    if filter.order.is_none_or(|order| order.is_descending) {
        keyed.reverse();
    }
    keyed.into_iter().map(|(_, _, number)| number).collect()
}

async fn list_in_pages(owned: &Owned, filter: &ExecutionFilter, page: u32) -> Vec<u128> {
    let mut numbers = Vec::new();
    let mut after: Option<ExecutionCursor> = None;
    loop {
        let namespace = default_namespace();
        let runs = owned.store.list_executions(&namespace, filter, after.as_ref(), page);
        let runs = runs.await.expect("lists");
        let Some(last) = runs.last() else {
            return numbers;
        };
        after = Some(filter.cursor(last).expect("it is in the list"));
        numbers.extend(runs.iter().map(|listed| listed.execution.key.run_id.0.as_u128()));
    }
}

/// The largest group first, those of one size in the order of their texts or numbers.
pub async fn runs_are_counted_by_what_they_have_in_common(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let none = count_by(&owned, CountBy::ExecutionStatus).await;
    assert_eq!(none, []);
    for number in 1..=5 {
        let run = Execution {
            workflow_type: type_name(["even", "odd"][usize::from(number % 2 == 1)]),
            module_digest: ModuleDigest::of(&[u8::from(number == 5)]),
            started_at: at(if number == 1 { -30_000 * DAY } else { 0 }),
            ..execution(&format!("order-{number}"), number)
        };
        owned.start(&[&run]).await;
        if number <= 2 {
            owned.commit([close(&run, 2)]).await.expect("closes");
        }
    }
    owned.start(&[&execution("dacapo:activity:1", 9)]).await;
    let group = |group, runs| ExecutionCount { group: Some(group), runs };
    let status = CountGroup::Status;
    assert_eq!(
        count_by(&owned, CountBy::ExecutionStatus).await,
        [group(status(ExecutionStatus::Running), 3), group(status(ExecutionStatus::Completed), 2)]
    );
    let named = |name| CountGroup::Type(type_name(name));
    assert_eq!(
        count_by(&owned, CountBy::WorkflowType).await,
        [group(named("odd"), 3), group(named("even"), 2)]
    );
    let module = |content: &[u8]| CountGroup::Module(ModuleDigest::of(content));
    assert_eq!(
        count_by(&owned, CountBy::ModuleDigest).await,
        [group(module(&[0]), 4), group(module(&[1]), 1)]
    );
    // 2023-11-14, and a day before 1970.
    let first = START.as_micros().div_euclid(DAY);
    assert_eq!(
        count_by(&owned, CountBy::StartDay).await,
        [group(CountGroup::Day(first), 4), group(CountGroup::Day(first - 30_000), 1)]
    );
}

async fn count_by(owned: &Owned, by: CountBy) -> Vec<ExecutionCount> {
    let all = ExecutionFilter::default();
    let counts = owned.store.count_executions(&default_namespace(), &all, Some(by)).await;
    counts.expect("counts")
}
