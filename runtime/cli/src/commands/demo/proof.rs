//! Checks what the demo claims, against the server and against the shop.

use anyhow::Result;
use serde::Deserialize;

use super::shop::Books;
use crate::client::wire::{HistoryPage, RunResult};
use crate::client::{Client, RunAddress};

/// A claim, and whether it holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) text: String,
    pub(super) holds: bool,
}

/// What the workflow returns.
#[derive(Debug, Deserialize)]
struct Receipt {
    reservation_id: String,
    charge_id: String,
    shipment_id: String,
}

/// Everything that must be true after the run. `followed` is what was seen live,
/// before and after the kill, as the server wrote it.
pub(super) async fn check(
    client: &Client,
    run: &RunAddress,
    followed: &[String],
    reconnects: u32,
    books: &Books,
) -> Result<Vec<Claim>> {
    let result: RunResult =
        client.run_result(run, std::time::Duration::ZERO, true).await?.read()?;
    let recorded = history(client, run).await?;
    Ok(claims(&result, &recorded, followed, reconnects, books))
}

fn claims(
    result: &RunResult,
    recorded: &[String],
    followed: &[String],
    reconnects: u32,
    books: &Books,
) -> Vec<Claim> {
    let receipt =
        result.result.as_ref().and_then(|json| serde_json::from_str::<Receipt>(json.get()).ok());
    let holds_receipt = receipt.is_some_and(|receipt| {
        books.reservations == [receipt.reservation_id]
            && books.charges == [receipt.charge_id]
            && books.shipments == [receipt.shipment_id]
    });
    let has_no_gap =
        recorded.iter().map(|event| event_id(event)).eq((1..=recorded.len()).map(Some));
    let undone = books.released.len() + books.refunded.len();
    let claim = |text: String, holds| Claim { text, holds };
    vec![
        claim(format!("the run is {}", result.status), result.status == "completed"),
        claim(
            format!(
                "its history has {} events without a gap, the same that were seen live",
                recorded.len()
            ),
            has_no_gap && recorded == followed,
        ),
        claim("the server was gone in between, and came back".to_owned(), reconnects > 0),
        claim(
            format!(
                "the shop has {} reservation, {} charge and {} shipment, the ones in the result",
                books.reservations.len(),
                books.charges.len(),
                books.shipments.len()
            ),
            holds_receipt && undone == 0,
        ),
        claim(
            format!(
                "it got {} requests; {} of them were repeats and changed nothing",
                books.requests, books.repeats
            ),
            books.requests - books.repeats == 3,
        ),
    ]
}

fn event_id(event: &str) -> Option<usize> {
    #[derive(Deserialize)]
    struct Position {
        event_id: usize,
    }
    serde_json::from_str::<Position>(event).ok().map(|position| position.event_id)
}

/// The whole history, as it is stored now.
async fn history(client: &Client, run: &RunAddress) -> Result<Vec<String>> {
    let mut events = Vec::new();
    let mut from = Some(1);
    while let Some(first) = from {
        let page: HistoryPage = client.run_history(run, first).await?.read()?;
        events.extend(page.events.iter().map(|event| event.get().to_owned()));
        from = page.next.filter(|next| *next > first);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(shipment: &str) -> RunResult {
        let text = format!(
            r#"{{"run_id":"r","status":"completed","result":
                {{"reservation_id":"r1","charge_id":"c1","shipment_id":"{shipment}"}}}}"#
        );
        serde_json::from_str(&text).expect("valid")
    }

    fn events(ids: impl IntoIterator<Item = u64>) -> Vec<String> {
        ids.into_iter().map(|id| format!(r#"{{"event_id":{id}}}"#)).collect()
    }

    fn books() -> Books {
        let one = |id: &str| vec![id.to_owned()];
        Books {
            requests: 3,
            reservations: one("r1"),
            charges: one("c1"),
            shipments: one("s1"),
            ..Books::default()
        }
    }

    fn failing(claims: &[Claim]) -> Vec<usize> {
        (0..claims.len()).filter(|at| !claims[*at].holds).collect()
    }

    #[test]
    fn a_run_as_it_should_be_proves_everything() {
        let all = events(1..=4);
        assert!(failing(&claims(&result("s1"), &all, &all, 1, &books())).is_empty());
    }

    #[test]
    fn each_thing_that_can_be_wrong_is_noticed() {
        let all = events(1..=4);
        let lost = claims(&result("s1"), &all, &events([1, 2, 4]), 1, &books());
        assert_eq!(failing(&lost), [1]);
        let gap = claims(&result("s1"), &events([1, 3]), &events([1, 3]), 1, &books());
        assert_eq!(failing(&gap), [1]);
        assert_eq!(failing(&claims(&result("s1"), &all, &all, 0, &books())), [2]);
        assert_eq!(failing(&claims(&result("s2"), &all, &all, 1, &books())), [3]);
        let mut twice = books();
        twice.charges.push("c2".to_owned());
        twice.requests = 4;
        assert_eq!(failing(&claims(&result("s1"), &all, &all, 1, &twice)), [3, 4]);
    }
}
