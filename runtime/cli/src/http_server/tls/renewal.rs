//! Takes a new certificate without a restart, and says when one is due.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::{Tls, unix_now};

/// How often it is looked whether the files have changed.
const LOOK: Duration = Duration::from_secs(5);

/// What is left when it is time to renew a certificate.
const DUE: Duration = Duration::from_secs(14 * DAY);

const DAY: u64 = 24 * 60 * 60;

impl Tls {
    /// Looks at the files every few seconds, and at once when SIGHUP asks for it, for as
    /// long as the server lives.
    pub(crate) async fn keep_up_to_date(self: Arc<Self>) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refused = None;
        let mut warned_at = 0;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = hangup.recv() => {}
            }
            let tls = Arc::clone(&self);
            // A disk may be slow, and connections wait for nobody.
            let looked = tokio::task::spawn_blocking(move || tls.look()).await;
            match looked.map_err(anyhow::Error::from).flatten() {
                Ok(is_new) => {
                    refused = None;
                    if is_new {
                        self.say_how_long("the new TLS certificate is in use");
                    }
                }
                // Said once, not at each look.
                Err(error) => {
                    let problem = format!("{error:#}");
                    if refused.as_ref() != Some(&problem) {
                        tracing::error!(
                            error = problem,
                            "the new TLS certificate is not taken; the former one stays in use"
                        );
                        refused = Some(problem);
                    }
                }
            }
            let now = unix_now();
            if now.saturating_sub(warned_at) >= DAY {
                warned_at = now;
                self.warn_if_due(now);
            }
        }
    }

    /// Says until when the certificate is good.
    pub(super) fn say_how_long(&self, what: &str) {
        let left = self.expires_at().saturating_sub(unix_now());
        tracing::info!(days_left = left / DAY, "{what}");
    }

    fn warn_if_due(&self, now: u64) {
        let left = Duration::from_secs(self.expires_at().saturating_sub(now));
        if left < DUE {
            let days_left = left.as_secs() / DAY;
            tracing::warn!(
                days_left,
                file = %self.files.certificate.display(),
                "the TLS certificate of the server is due for renewal; a new one is taken without \
                 a restart"
            );
        }
    }
}
