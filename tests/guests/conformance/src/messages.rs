//! Messages.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use dacapo::{Failure, query, signals, sleep, updates, updates_finished, wait_until};
use serde::Deserialize;
use serde_json::Value;

use crate::activities::noop;

#[dacapo::workflow]
pub(crate) async fn signal() -> Result<Value, Failure> {
    signals("go").recv().await
}

#[derive(Deserialize)]
pub(crate) struct Count {
    count: usize,
}

#[dacapo::workflow]
pub(crate) async fn buffered_signals(input: Count) -> Result<Vec<Value>, Failure> {
    signals::<Value>("begin").recv().await?;
    let mut words = Vec::new();
    while words.len() < input.count {
        words.push(signals("word").recv().await?);
    }
    Ok(words)
}

#[dacapo::workflow]
pub(crate) async fn stages() -> Result<(), Failure> {
    let stage = Rc::new(Cell::new("waiting"));
    let seen = Rc::clone(&stage);
    query("stage", move |()| seen.get());
    query("times", |number: u64| 2 * number);
    // Awaiting it needs a waker; starting it is enough to break the rule.
    query("act", |()| {
        let mut sleeping = pin!(sleep(Duration::from_millis(1)));
        sleeping.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    });
    query("crash", |(): ()| -> u32 { panic!("a bug in the query") });
    signals::<Value>("go").recv().await?;
    stage.set("done");
    Ok(())
}

#[dacapo::workflow]
pub(crate) async fn cart() -> Result<Vec<String>, Failure> {
    let items = Rc::new(RefCell::new(Vec::new()));
    let closed = Rc::new(Cell::new(false));
    let add = |items: &RefCell<Vec<String>>, item| {
        let mut items = items.borrow_mut();
        items.push(item);
        items.len()
    };
    let cart = Rc::clone(&items);
    updates("add")
        .validate(|item: &String| match item.as_str() {
            "" => Err(Failure::application("NoItem", "an item has a name")),
            _ => Ok(()),
        })
        .handle(move |item: String| std::future::ready(Ok::<_, Failure>(add(&cart, item))));
    let cart = Rc::clone(&items);
    updates("add_slowly").handle(move |item: String| {
        let cart = Rc::clone(&cart);
        async move {
            noop().await?;
            Ok::<_, Failure>(add(&cart, item))
        }
    });
    let close = Rc::clone(&closed);
    updates("check_out").handle(move |(): ()| {
        close.set(true);
        std::future::ready(Ok::<_, Failure>(()))
    });
    wait_until(|| closed.get()).await?;
    updates_finished().await?;
    Ok(items.take())
}

#[dacapo::workflow]
pub(crate) async fn publishes() -> Result<(), Failure> {
    dacapo::publish("status", &"packing")?;
    signals::<Value>("go").recv().await?;
    dacapo::publish("status", &"shipped")
}
