//! The workflow on the real runtime, with time that skips ahead.

use dacapo_testing::{TestEnv, TestError};
use serde_json::json;

#[tokio::test]
async fn a_guest_is_greeted_after_a_while() -> Result<(), TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    let run = env.start("greet", &json!({"name": "Ada", "patience_secs": 86_400})).await?;
    assert_eq!(run.result::<String>().await?, "Hello, Ada!");
    env.replay(&run.history().await?).await
}
