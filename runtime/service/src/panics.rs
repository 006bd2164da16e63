//! What a task does that everything else depends on, when something in it panics.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// Why something panicked, as far as it says.
#[derive(Debug, thiserror::Error)]
#[error("a panic: {0}")]
pub(crate) struct Panicked(pub(crate) String);

/// Runs a future that may panic. What it has changed half-way is for the caller to
/// put in order.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| Panicked(text_of(&*panic)))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it does not say why".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_that_says_why() {
        assert_eq!(caught(async { 7 }).await.expect("no panic"), 7);
        let number = 7;
        for (panicked, expected) in [
            (caught(async { panic!("as it is") }).await, "as it is"),
            (caught(async { panic!("number {number}") }).await, "number 7"),
            (caught(async { std::panic::panic_any(7) }).await, "it does not say why"),
        ] {
            let Panicked(text) = panicked.expect_err("it panics");
            assert_eq!(text, expected);
        }
    }
}
