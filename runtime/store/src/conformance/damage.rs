//! What can't be read is told, and nothing else suffers. Each backend has its own way to
//! spoil something, so each calls these cases itself.

use std::sync::Arc;

use dacapo_model::ids::RunKey;

use super::fixtures::*;
use crate::Store;
use crate::error::StoreError;

/// Of several children one has a start that `spoil` makes unreadable.
pub async fn a_parent_that_can_not_be_read_is_no_run_without_parent(
    store: Arc<dyn Store>,
    spoil: impl AsyncFnOnce(RunKey),
) {
    let owned = Owned::of(store).await;
    let (parent, whole, spoilt) =
        (execution("order-1", 1), execution("order-2", 2), execution("order-3", 3));
    let its = parent_execution("order-1", parent.key.run_id);
    let children = [&whole, &spoilt].map(|child| start_of_child(child, its.clone()));
    owned.commit(children.into_iter().chain([start(&parent)])).await.expect("commits");
    spoil(spoilt.key).await;
    for keys in [vec![spoilt.key], vec![parent.key, whole.key, spoilt.key]] {
        let read = owned.store.find_parents(&keys).await;
        assert!(
            matches!(read, Err(StoreError::Corrupt { table: "history_events", .. })),
            "{read:?}"
        );
    }
    let found = owned.store.find_parents(&[parent.key, whole.key]).await.expect("these are whole");
    assert_eq!(found, [(whole.key.run_id, its)]);
}
