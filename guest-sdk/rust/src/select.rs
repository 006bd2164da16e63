//! Going on with whichever of several futures ends first.

/// Awaits the first of several futures of different types to end and evaluates
/// what stands beside it. The others are dropped, and so cancelled. If several
/// could end, the one written first wins.
///
/// The arms are code of the function around them: `?`, `return`, `break` and
/// `.await` mean what they mean there. [`race`](crate::race) does the same for
/// two futures without a macro, and [`race_all`](crate::race_all) for any number
/// of one type.
///
/// ```no_run
/// # use std::time::Duration;
/// # use dacapo::{Failure, signals, sleep};
/// # async fn workflow() -> Result<&'static str, Failure> {
/// let (approvals, denials) = (signals::<String>("approve"), signals::<String>("deny"));
/// let outcome = dacapo::select! {
///     by = approvals.recv() => { by?; "approved" },
///     _ = denials.recv() => return Ok("denied"),
///     slept = sleep(Duration::from_secs(86_400)) => { slept?; "too late" },
/// };
/// # Ok(outcome)
/// # }
/// ```
#[macro_export]
macro_rules! select {
    ($($pattern:pat = $future:expr => $then:expr),+ $(,)?) => {
        match $crate::__select_race!($($future,)+).await {
            first => $crate::__select_match!(first; $($pattern => $then,)+),
        }
    };
}

/// The race of all futures, nested to the right.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_race {
    ($future:expr,) => {
        ::std::future::IntoFuture::into_future($future)
    };
    ($future:expr, $($rest:expr,)+) => {
        $crate::race($future, $crate::__select_race!($($rest,)+))
    };
}

/// Who won it.
#[doc(hidden)]
#[macro_export]
macro_rules! __select_match {
    ($first:expr; $pattern:pat => $then:expr,) => {
        match $first {
            $pattern => $then,
        }
    };
    ($first:expr; $pattern:pat => $then:expr, $($patterns:pat => $thens:expr,)+) => {
        match $first {
            $crate::Either::Left($pattern) => $then,
            $crate::Either::Right(rest) => {
                $crate::__select_match!(rest; $($patterns => $thens,)+)
            }
        }
    };
}
