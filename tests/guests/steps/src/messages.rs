//! A workflow that answers queries and takes updates.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use dacapo::{Failure, publish, query, signals, sleep, updates, updates_finished, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::activities::noop;

#[derive(Deserialize)]
pub(crate) struct Cart {
    #[serde(default)]
    pause_millis: u64,
}

#[derive(Default, Serialize)]
struct Content {
    items: Vec<String>,
    closed: bool,
}

/// `{"pause_millis": p}`: sleeps for so long where nobody can ask it, then takes items
/// until it is told to check out, and returns them. It publishes how many there are.
///
/// Updates: `add` an item, `add_slowly` (after an activity), `check_out`, `trap`.
/// Queries: `items`, `count_from` a number on, and what fails: `trap`, `spin`, `act`.
#[dacapo::workflow]
pub(crate) async fn cart(input: Cart) -> Result<Vec<String>, Failure> {
    publish("count", &0)?;
    if input.pause_millis > 0 {
        std::thread::sleep(Duration::from_millis(input.pause_millis));
    }
    let content = Rc::new(RefCell::new(Content::default()));
    answer_queries(&content);
    take_updates(&content);
    wait_until(|| content.borrow().closed).await?;
    updates_finished().await?;
    let items = content.borrow().items.clone();
    Ok(items)
}

fn answer_queries(content: &Rc<RefCell<Content>>) {
    let seen = Rc::clone(content);
    query("items", move |()| seen.borrow().items.clone());
    let seen = Rc::clone(content);
    query("count_from", move |from: usize| seen.borrow().items.len() + from);
    query("trap", |(): ()| -> u32 { panic!("the query is too hard") });
    query("spin", |(): ()| -> u32 {
        loop {
            std::hint::black_box(());
        }
    });
    // Awaiting it needs a waker; starting it is enough to break the rule.
    query("act", |(): ()| {
        let mut sleeping = Box::pin(sleep(Duration::from_secs(1)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        sleeping.as_mut().poll(&mut context).is_ready()
    });
}

fn take_updates(content: &Rc<RefCell<Content>>) {
    let cart = Rc::clone(content);
    updates("add")
        .validate(|item: &String| match item.as_str() {
            "" => Err(Failure::application("NoItem", "an item has a name")),
            _ => Ok(()),
        })
        .handle(move |item: String| {
            let cart = Rc::clone(&cart);
            async move { add(&cart, item) }
        });
    let cart = Rc::clone(content);
    updates("add_slowly").handle(move |item: String| {
        let cart = Rc::clone(&cart);
        async move {
            noop().await?;
            add(&cart, item)
        }
    });
    let cart = Rc::clone(content);
    updates("check_out").handle(move |(): ()| {
        cart.borrow_mut().closed = true;
        std::future::ready(Ok::<_, Failure>(()))
    });
    updates("trap")
        .validate(|(): &()| panic!("the update is too hard"))
        .handle(|(): ()| std::future::ready(Ok::<_, Failure>(())));
}

fn add(cart: &RefCell<Content>, item: String) -> Result<usize, Failure> {
    let mut cart = cart.borrow_mut();
    cart.items.push(item);
    publish("count", &cart.items.len())?;
    Ok(cart.items.len())
}

/// A mistake that a replay shows: it counts how often it is asked (`ask`), which no
/// history knows of, and after the signal `go` runs as many activities. Returns how
/// many.
#[dacapo::workflow]
pub(crate) async fn careless() -> Result<u32, Failure> {
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    query("ask", move |(): ()| {
        count.set(count.get() + 1);
        count.get()
    });
    let _: Value = signals("go").recv().await?;
    let rounds = asked.get();
    for _ in 0..rounds {
        noop().await?;
    }
    Ok(rounds)
}
