//! Waiting for several futures of different types at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Awaits all futures at once and returns a tuple of their outputs. Takes up
/// to twelve; [`join_all`](crate::join_all) takes any number of one type.
///
/// The futures are polled in the order in which they are written.
///
/// ```no_run
/// # use dacapo::{Failure, sleep};
/// # use std::time::Duration;
/// # async fn workflow() -> Result<(), Failure> {
/// let (slow, fast) =
///     dacapo::join!(sleep(Duration::from_secs(60)), sleep(Duration::from_secs(1)));
/// slow?;
/// fast
/// # }
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => {
        $crate::__private::Join::join(($($future,)+)).await
    };
}

/// Awaits futures of `Result`s at once and returns a tuple of their values, or
/// the first error that occurs. The others are dropped then, and so cancelled.
///
/// ```no_run
/// # use dacapo::{Failure, sleep};
/// # use std::time::Duration;
/// # async fn workflow() -> Result<(), Failure> {
/// dacapo::try_join!(sleep(Duration::from_secs(60)), sleep(Duration::from_secs(1)))?;
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! try_join {
    ($($future:expr),+ $(,)?) => {
        $crate::__private::TryJoin::try_join(($($future,)+)).await
    };
}

/// A tuple of futures; what [`join!`](crate::join!) expands to.
pub trait Join {
    /// The tuple of outputs.
    type Outputs;

    /// Awaits all.
    fn join(self) -> impl Future<Output = Self::Outputs>;
}

/// A tuple of futures of `Result`s; what [`try_join!`](crate::try_join!)
/// expands to.
pub trait TryJoin {
    /// The tuple of values.
    type Values;
    /// The error that all have in common.
    type Error;

    /// Awaits all, or the first error.
    fn try_join(self) -> impl Future<Output = Result<Self::Values, Self::Error>>;
}

/// One future of a tuple, and its output until all have one.
struct Branch<F: Future> {
    future: Option<Pin<Box<F>>>,
    output: Option<F::Output>,
}

impl<F: Future> Branch<F> {
    fn new(future: impl IntoFuture<IntoFuture = F, Output = F::Output>) -> Self {
        Self { future: Some(Box::pin(future.into_future())), output: None }
    }

    /// Goes on if there is anything left to do. True when there is an output.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(future) = &mut self.future
            && let Poll::Ready(output) = future.as_mut().poll(cx)
        {
            self.future = None;
            self.output = Some(output);
        }
        self.future.is_none()
    }

    fn take(&mut self) -> F::Output {
        self.output.take().expect("a branch is taken once, after it was done")
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Branch<F> {
    fn take_error(&mut self) -> Option<E> {
        self.output.take_if(|output| output.is_err())?.err()
    }
}

macro_rules! tuples {
    ($(($branch:ident $future:ident $value:ident))+) => {
        impl<$($future: IntoFuture),+> Join for ($($future,)+) {
            type Outputs = ($($future::Output,)+);

            async fn join(self) -> Self::Outputs {
                let ($($branch,)+) = self;
                $(let mut $branch = Branch::new($branch);)+
                poll_fn(|cx| {
                    let mut done = true;
                    $(done &= $branch.poll(cx);)+
                    if done { Poll::Ready(($($branch.take(),)+)) } else { Poll::Pending }
                })
                .await
            }
        }

        impl<Error, $($value,)+ $($future,)+> TryJoin for ($($future,)+)
        where
            $($future: IntoFuture<Output = Result<$value, Error>>),+
        {
            type Values = ($($value,)+);
            type Error = Error;

            async fn try_join(self) -> Result<Self::Values, Error> {
                let ($($branch,)+) = self;
                $(let mut $branch = Branch::new($branch);)+
                let all = poll_fn(|cx| {
                    let mut done = true;
                    $(
                        done &= $branch.poll(cx);
                        if let Some(error) = $branch.take_error() {
                            return Poll::Ready(Err(error));
                        }
                    )+
                    if done { Poll::Ready(Ok(($($branch.take(),)+))) } else { Poll::Pending }
                });
                match all.await {
                    Ok(($($branch,)+)) => Ok(($($branch?,)+)),
                    Err(error) => Err(error),
                }
            }
        }
    };
}

tuples!((a A Ta));
tuples!((a A Ta)(b B Tb));
tuples!((a A Ta)(b B Tb)(c C Tc));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td)(e E Te));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td)(e E Te)(f F Tf));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td)(e E Te)(f F Tf)(g G Tg));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td)(e E Te)(f F Tf)(g G Tg)(h H Th));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td)(e E Te)(f F Tf)(g G Tg)(h H Th)(i I Ti));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td)(e E Te)(f F Tf)(g G Tg)(h H Th)(i I Ti)(j J Tj));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td)(e E Te)(f F Tf)(g G Tg)(h H Th)(i I Ti)(j J Tj)(k K Tk));
tuples!((a A Ta)(b B Tb)(c C Tc)(d D Td)(e E Te)(f F Tf)(g G Tg)(h H Th)(i I Ti)(j J Tj)(k K Tk)(l L Tl));
