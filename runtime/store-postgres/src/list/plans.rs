//! Lists that are said to be quick find their runs by an index, on a table that is large enough
//! for the planner to have a choice.

use dacapo_filter::{AttributeType, AttributeTypes, TERMS_MAX, compile};
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::NamespaceName;
use dacapo_store::execution::{ExecutionFilter, ExecutionStore as _};
use sqlx::{Connection as _, Executor as _, PgConnection, Postgres, QueryBuilder};

use super::List;

#[path = "../../tests/support/mod.rs"]
mod support;

/// 40,000 runs, of which a hundredth are open, half are of one type, some are children, a hundred
/// are activities without a workflow; each with two search attributes.
const FILL: &str = r#"
    INSERT INTO workflow_executions (
        workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest, status,
        started_at, closed_at, search_attributes, parent_workflow_id, parent_run_id,
        root_workflow_id, root_run_id
    )
    SELECT workflow_hash('default', id), gen_random_uuid(), 'default', id,
           CASE WHEN n % 2 = 0 THEN 'shop.order' ELSE 'type-' || n % 999 END, sha256('module'),
           CASE WHEN n % 100 = 0 THEN 'running' WHEN n % 50 = 1 THEN 'failed' ELSE 'completed' END,
           now() - n * interval '1 minute',
           CASE WHEN n % 100 <> 0 THEN now() - n * interval '1 minute' END,
           jsonb_build_object(
               'customer', jsonb_build_object('type', 'Keyword', 'value', 'customer-' || n % 9000),
               'amount', jsonb_build_object('type', 'Double', 'value', n)
           ),
           CASE WHEN n % 100 = 7 THEN 'order-' || n / 1000 END,
           CASE WHEN n % 100 = 7 THEN gen_random_uuid() END,
           CASE WHEN n % 100 = 7 THEN 'order-' || n / 1000 END,
           CASE WHEN n % 100 = 7 THEN gen_random_uuid() END
    FROM (
        SELECT n, CASE WHEN n % 400 = 3 THEN 'dacapo:activity:' ELSE 'order-' END || n AS id
        FROM generate_series(0, 39999) AS n
    ) AS numbered;
    ANALYZE;
"#;

/// Which statement of a list is looked at.
#[derive(Clone, Copy)]
enum Way {
    /// The one for all that have no condition on attributes.
    Plain,
    /// The first for attributes.
    Newest,
    /// The second for attributes.
    Indexed,
}

fn written(text: &str) -> ExecutionFilter {
    let types = [("customer", AttributeType::Keyword), ("amount", AttributeType::Double)];
    let types: AttributeTypes =
        types.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    let checked = compile(text, &types).unwrap_or_else(|error| panic!("{text}: {error}"));
    ExecutionFilter { filter: checked.filter, order: checked.order, ..ExecutionFilter::default() }
}

async fn explain(connection: &mut PgConnection, mut query: QueryBuilder<Postgres>) -> String {
    let lines = query.build_query_scalar::<String>().persistent(false).fetch_all(connection).await;
    lines.expect("explains").join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_lists_use_their_indexes() {
    support::on_a_fresh_database(|_, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        connection.execute(FILL).await.expect("fills");
        let namespace = NamespaceName::new("default").expect("a name");
        let all = ExecutionFilter::default();
        let status = ExecutionFilter { statuses: vec![ExecutionStatus::Failed], ..all.clone() };
        let activities =
            ExecutionFilter { builtin: Some(BuiltinWorkflow::Activity), ..all.clone() };
        let cases = [
            (all, "workflow_executions_lists", Way::Plain),
            (status, "workflow_executions_status", Way::Plain),
            (activities, "workflow_executions_lists", Way::Plain),
            (written("ExecutionStatus = 'Running'"), "workflow_executions_status", Way::Plain),
            (written("ExecutionStatus = 'Blocked'"), "workflow_executions_status", Way::Plain),
            (written("WorkflowType = 'none'"), "workflow_executions_type", Way::Plain),
            (written("WorkflowId STARTS_WITH 'order-123'"), "workflow_executions_id", Way::Plain),
            (written("ORDER BY WorkflowId"), "workflow_executions_id", Way::Plain),
            (written("ORDER BY CloseTime DESC"), "workflow_executions_closed", Way::Plain),
            (written("ORDER BY CloseTime"), "workflow_executions_closed", Way::Plain),
            (written("ORDER BY StartTime"), "workflow_executions_lists", Way::Plain),
            (written("ParentWorkflowId = 'order-7'"), "workflow_executions_parent", Way::Plain),
            (written("RootWorkflowId = 'order-7'"), "workflow_executions_root", Way::Plain),
            (written("customer = 'customer-7'"), "workflow_executions_lists", Way::Newest),
            (written("customer = 'customer-7'"), "workflow_executions_attributes", Way::Indexed),
            (
                written("customer = 'customer-7' AND amount > 3"),
                "workflow_executions_attributes",
                Way::Indexed,
            ),
        ];
        for (filter, index, way) in cases {
            let list = List { namespace: &namespace, filter: &filter, after: None, limit: 101 };
            let query = match way {
                Way::Plain => list.statement("EXPLAIN "),
                Way::Newest => list.newest_statement("EXPLAIN "),
                Way::Indexed => list.indexed_statement("EXPLAIN "),
            };
            let plan = explain(&mut connection, query).await;
            assert!(plan.contains(index), "{filter:?}: no {index}\n{plan}");
            assert!(!plan.contains("Seq Scan on workflow_executions"), "{filter:?}\n{plan}");
        }
    })
    .await;
}

/// The newest 10,000 are looked at first: those that match behind them are not forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_attributes_are_found_page_by_page_also_among_the_oldest_runs() {
    support::on_a_fresh_database(|store, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        connection.execute(FILL).await.expect("fills");
        let namespace = NamespaceName::new("default").expect("a name");
        let filter = written("customer = 'customer-7'");
        let mut pages: Vec<Vec<String>> = Vec::new();
        let mut after = None;
        loop {
            let page = store.list_executions(&namespace, &filter, after.as_ref(), 2).await;
            let page = page.expect("lists");
            let Some(last) = page.last() else { break };
            after = filter.cursor(last);
            pages.push(page.iter().map(|it| it.execution.workflow_id.to_string()).collect());
        }
        let expected: [Vec<String>; 3] = [
            vec!["order-7".to_owned(), "order-9007".to_owned()],
            vec!["order-18007".to_owned(), "order-27007".to_owned()],
            vec!["order-36007".to_owned()],
        ];
        assert_eq!(pages, expected);
        let oldest = written("customer = 'customer-3999' AND amount = 39999");
        let found = store.list_executions(&namespace, &oldest, None, 2).await.expect("lists");
        assert_eq!(found[0].execution.workflow_id.as_str(), "order-39999");
    })
    .await;
}

/// Else a hundred conditions take the planner seconds, whatever there is to find.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_with_many_conditions_has_few_joins() {
    support::on_a_fresh_database(|store, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        connection.execute(FILL).await.expect("fills");
        let namespace = NamespaceName::new("default").expect("a name");
        let fields = [
            ("Tags", "="),
            ("Tags", "!="),
            ("ModuleName", "="),
            ("ModuleName", "!="),
            ("RootWorkflowId", "="),
            ("WorkflowId", "STARTS_WITH"),
            ("customer", "="),
        ];
        for (field, operator) in fields {
            let term = |number| format!("{field} {operator} 'order-{number}'");
            let terms: Vec<_> = (0..TERMS_MAX).map(term).collect();
            let filter = written(&terms.join(" AND "));
            let list = List { namespace: &namespace, filter: &filter, after: None, limit: 101 };
            let plan = explain(&mut connection, list.statement("EXPLAIN ")).await;
            let is_join = |line: &&str| line.contains(" Join  (") || line.contains("Loop  (");
            let joins = plan.lines().filter(is_join).count();
            if field == "Tags" {
                assert!(joins <= 4, "{joins} joins\n{plan}");
            }
            store.list_executions(&namespace, &filter, None, 101).await.expect("in time");
        }
    })
    .await;
}

#[test]
fn only_what_the_index_of_attributes_finds_is_asked_of_it() {
    let asks = |text: &str| super::names_an_attribute(&written(text).filter.expect("a filter"));
    assert!(asks("customer = 'a'"));
    assert!(asks("amount > 1 AND (customer = 'a' OR customer = 'b')"));
    assert!(!asks("customer != 'a'"));
    assert!(!asks("amount > 1"));
    assert!(!asks("customer = 'a' OR WorkflowType = 'b'"));
    assert!(!asks("customer IS NULL"));
}
