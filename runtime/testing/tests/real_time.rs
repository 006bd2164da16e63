//! Skipping changes nothing but the time it takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dacapo_guest_build::Messages;
use dacapo_host::{
    ACTIVITIES_BYTES_MAX, ActivityConfig, Compiler, Host, HostConfig, MODULES_BYTES_MAX,
};
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::{IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{EventId, ModuleName, NamespaceName, TypeName};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_service::Runtime;
use dacapo_service::clock::SystemClock;
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::{RunRef, StartOptions, StartRequest};
use dacapo_service::tenancy::Principal;
use dacapo_store::memory::MemoryStore;
use dacapo_testing::TestEnv;
use serde_json::{Value, json};

const WORKFLOWS: [(&str, &str); 3] = [
    ("timers", r#"{"millis":[30,40,50]}"#),
    ("race", r#"{"millis":[900,30]}"#),
    ("flaky", r#"{"options":{"initial_interval_millis":20},"succeed_at":3}"#),
];

struct NoSource;

#[async_trait::async_trait]
impl dacapo_engine::guest::ModuleSource for NoSource {
    async fn module_bytes(
        &self,
        digest: ModuleDigest,
    ) -> Result<Vec<u8>, dacapo_engine::guest::ModuleLoadError> {
        Err(dacapo_engine::guest::ModuleLoadError { digest, source: None })
    }
}

/// Everything but times and ids, and results, which may be measured times.
fn comparable(events: &[HistoryEvent]) -> Vec<(EventId, &'static str, Option<Payload>)> {
    events
        .iter()
        .map(|event| {
            let payload = event.attributes.payload().filter(|(what, _)| *what != "result");
            let payload = payload.map(|(_, payload)| payload.clone());
            (event.id, event.attributes.type_name(), payload)
        })
        .collect()
}

async fn in_real_time(component: &PathBuf, workflow: &str, input: &str) -> Vec<HistoryEvent> {
    let bytes = std::fs::read(component).expect("it was built");
    let config = HostConfig {
        cache_dir: component.with_file_name("dacapo-testing"),
        limits: Limits::default(),
        instances_max: 4,
        modules_bytes_max: MODULES_BYTES_MAX,
        activities_bytes_max: ACTIVITIES_BYTES_MAX,
        activities: ActivityConfig::default(),
        compiler: Compiler::Here,
    };
    // The upload leaves the module compiled, so nobody asks the source.
    let host = Host::new(config, Arc::new(NoSource)).expect("a host");
    let runtime = Runtime::start(
        Arc::new(MemoryStore::new()),
        Arc::new(host),
        Arc::new(SystemClock),
        ServiceConfig::default(),
    )
    .await
    .expect("a runtime");
    let namespace = NamespaceName::new("default").expect("valid");
    let tenant = runtime.tenant(Principal::Local, &namespace).expect("it is there");
    let name = ModuleName::new("steps").expect("valid");
    tenant.upload_module(&name, bytes.into()).await.expect("uploaded");
    let request = StartRequest {
        workflow_type: TypeName::new(workflow).expect("valid"),
        workflow_id: None,
        request_id: None,
        input: Payload::new(input.to_owned()),
        module: None,
        reuse_policy: IdReusePolicy::default(),
        conflict_policy: Some(IdConflictPolicy::default()),
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        options: StartOptions::default(),
        signal: None,
        update: None,
    };
    let started = tenant.start_run(request).await.expect("started");
    let run = RunRef { workflow_id: started.workflow_id, run_id: None };
    let result = tenant.run_result(&run, Duration::from_secs(60)).await.expect("answered");
    assert!(result.closing.is_some(), "{result:?}");
    tenant.run_history(&run, EventId::FIRST, 100).await.expect("a history").events
}

#[tokio::test]
async fn a_workflow_has_the_same_history_with_skipping_as_in_real_time() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let built =
        dacapo_guest_build::build(&root.join("tests/guests/steps"), None, Messages::Kept).await;
    let component = built.expect("it compiles").remove(0).component;
    for (workflow, input) in WORKFLOWS {
        let env = TestEnv::builder().component(&component).start().await.expect("an environment");
        let input_json: Value = serde_json::from_str(input).expect("JSON");
        assert_eq!(json!(input_json).to_string(), input, "as the kit sends it");
        let run = env.start(workflow, &input_json).await.expect("started");
        let _: Value = run.result().await.expect("completed");
        let skipped = run.history().await.expect("a history");
        let real = in_real_time(&component, workflow, input).await;
        assert_eq!(comparable(skipped.events()), comparable(&real), "{workflow}");
    }
}
