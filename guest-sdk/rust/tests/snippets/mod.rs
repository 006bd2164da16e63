//! The expressions that the tables of the README show, word by word.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use dacapo::{
    ActivityCall, ActivityOptions, CancellationScope, CancellationType, ChildCall, Failure,
    ParentClosePolicy, RetryPolicy, SearchValue, activity_info, cancelled, complete_later,
    continue_as_new, continue_as_new_suggested, continued_failure, external, heartbeat,
    heartbeat_details, history_length, http, is_cancel_requested, memo, patched, publish, query,
    retry, saga, search_attributes, shielded, side_effect, signals, sleep, spawn, updates,
    updates_finished, upsert_memo, upsert_search_attributes, version, wait_cancel_requested,
    wait_until, with_timeout, workflow_info,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    cents: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Receipt {
    id: String,
}

#[derive(Deserialize)]
struct Approval {
    by: String,
}

type Item = String;

#[dacapo::activity]
fn charge(order: Order) -> Result<Receipt, Failure> {
    Ok(Receipt { id: order.cents.to_string() })
}

#[dacapo::activity]
fn refund(receipt: Receipt) -> Result<(), Failure> {
    drop(receipt.id);
    Ok(())
}

#[dacapo::activity]
fn clean_up() -> Result<(), Failure> {
    Ok(())
}

#[dacapo::workflow]
async fn ship(order: Order) -> Result<Receipt, Failure> {
    Ok(Receipt { id: order.cents.to_string() })
}

async fn activities(order: &Order) -> Result<Vec<Receipt>, Failure> {
    let by_name = ActivityCall::<Receipt>::named("charge", &order).await?;
    let on_a_queue =
        ActivityCall::<Receipt>::named("charge", &order).task_queue("payments").await?;
    let elsewhere = ActivityCall::<Receipt>::named("charge", &order).module("payments").await?;
    drop(
        ActivityCall::<Receipt>::named("charge", &order)
            .task_queue("payments")
            .priority(1)
            .fairness_key("tenant-7")
            .fairness_weight(2.0),
    );
    let order = order.clone();
    let plain = charge(order).await?;
    let order = Order { cents: 1 };
    let limit = Duration::from_secs(10);
    let with_options = charge(order)
        .options(
            ActivityOptions::new()
                .start_to_close(limit)
                .retry(RetryPolicy::new().maximum_attempts(3)),
        )
        .await?;
    drop(ActivityOptions::new().cancellation(CancellationType::WaitCancellationCompleted));
    Ok(vec![by_name, plain, with_options, on_a_queue, elsewhere])
}

async fn children(order: Order, receipt: Receipt) -> Result<(), Failure> {
    ChildCall::<Receipt>::named("bill", &order).module("billing").await?;
    let limit = Duration::from_secs(10);
    ship(order.clone())
        .run_timeout(limit)
        .execution_timeout(limit)
        .start_delay(limit)
        .retry(RetryPolicy::new())
        .memo("note", &"urgent")
        .search_attribute("cents", 1)
        .await?;
    let again = order.clone();
    ship(order).workflow_id("ship-17").parent_close_policy(ParentClosePolicy::Abandon).await?;
    let order = again.clone();
    ship(order).await?;
    let order = again;
    let child = ship(order).start().await?;
    child.signal("hurry", &receipt).await?;
    child.cancel();
    child.result().await?;
    external("order-17").signal("paid", &receipt).await?;
    external("order-17").cancel("too late").await?;
    let id = "order-17";
    external(id).run("a run id").cancel("too late").await
}

async fn control(
    votes: Rc<Cell<u32>>,
    duration: Duration,
    receipt: Receipt,
) -> Result<(), Failure> {
    let future = sleep(duration);
    spawn(future).await?;
    wait_until(|| votes.get() >= 3).await?;
    let policy = RetryPolicy::new();
    retry(policy, async || clean_up().await).await?;
    saga(async |saga| {
        saga.compensate_with(refund(receipt));
        Ok::<_, Failure>(())
    })
    .await?;
    sleep(duration).await?;
    version("id", 0, 1);
    patched("id");
    side_effect("name", || 17)?;
    shielded(clean_up()).await?;
    is_cancel_requested();
    let scope = CancellationScope::new();
    let future = sleep(duration);
    scope.run(future).await?;
    scope.cancel("why");
    let future = sleep(duration);
    with_timeout(duration, future).await?;
    Err(cancelled().await)
}

async fn messages(items: Rc<RefCell<Vec<Item>>>, status: &str) -> Result<String, Failure> {
    let approval = signals::<Approval>("approved").recv().await?;
    if let Err(invalid) = signals::<Item>("item").recv_raw().await?.decode() {
        invalid.bytes();
    }
    let added = Rc::clone(&items);
    query("count", move |()| items.borrow().len());
    publish("status", &status)?;
    updates("add").validate(|_: &Item| Ok(())).handle(move |item: Item| async move {
        drop(item);
        Ok::<_, Failure>(())
    });
    drop(added);
    updates_finished().await?;
    Ok(approval.by)
}

async fn over_again<T: Serialize>(input: T, round: u32) -> Result<(), Failure> {
    if continue_as_new_suggested() {
        return continue_as_new(&input).await;
    }
    let limit = Duration::from_secs(10);
    continue_as_new(&input).run_timeout(limit).memo("round", &round).await
}

fn said<T: DeserializeOwned>() -> Result<Option<T>, Failure> {
    upsert_memo("step", "packing")?;
    upsert_search_attributes([("customer", SearchValue::keyword("c-17"))]);
    search_attributes();
    let step = memo::<T>("step")?;
    Ok(step)
}

fn failures(failure: &Failure) -> Failure {
    if failure.is_type("CardDeclined") || failure.is_cancelled() || failure.chain().count() > 1 {
        return Failure::application("CardDeclined", "no funds").non_retryable();
    }
    Failure::application("CardDeclined", "no funds").retry_after(Duration::from_secs(1))
}

fn attempt(row: u64) -> Result<Option<u64>, Failure> {
    heartbeat(&row)?;
    if wait_cancel_requested(Duration::from_secs(1)) {
        complete_later();
    }
    let seen = heartbeat_details::<u64>()?;
    workflow_info();
    continued_failure();
    history_length();
    Ok(seen)
}

fn request(url: &str, order: &Order) -> Result<Receipt, Failure> {
    let key = activity_info().idempotency_key();
    let receipt = http::post(url)
        .header("idempotency-key", &key)
        .json(&order)
        .send()?
        .error_for_status()?
        .json()?;
    Ok(receipt)
}
