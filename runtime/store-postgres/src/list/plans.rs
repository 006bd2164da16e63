//! Lists that are said to be quick find their runs by an index, on a table that is large enough
//! for the planner to have a choice.

use dacapo_filter::{AttributeType, AttributeTypes, compile};
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::NamespaceName;
use dacapo_store::execution::ExecutionFilter;
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
