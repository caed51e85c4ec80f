//! A future that runs beside another one and is left alone until it is woken itself.

use futures_util::task::AtomicWaker;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls its future only after that has been woken.
///
/// A stream's task wakes for every chunk of bytes, its payment once per unit. Without this each chunk would pay for
/// a look at the payment's timer too.
pub(crate) struct Aside<F> {
    future: F,
    bell: Arc<Bell>,
    /// The bell, as the future knows it.
    waker: Waker,
    /// Whom the bell wakes.
    task: Option<Waker>,
}

struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F> Aside<F> {
    /// Sets a future aside; it is polled once at the start, as every future.
    pub(crate) fn new(future: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: AtomicWaker::new() });
        Self { future, waker: Waker::from(Arc::clone(&bell)), bell, task: None }
    }
}

impl<F: Future + Unpin> Future for Aside<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let moved = !this.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if moved {
            this.task = Some(cx.waker().clone());
        }
        if !moved && !this.bell.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // In this order, because a ring takes the registered waker with it: what rang before the swap is seen by the
        // poll below, what rings after the registration wakes the task, which comes here again; between the two
        // the flag stays up for the next visit.
        this.bell.rung.swap(false, Ordering::AcqRel);
        this.bell.task.register(cx.waker());
        Pin::new(&mut this.future).poll(&mut Context::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;
    use tokio::sync::Notify;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn it_is_polled_when_woken_and_only_then() {
        let polls = AtomicU32::new(0);
        let mut timers = Box::pin(async {
            for _ in 0..3 {
                sleep(Duration::from_mins(1)).await;
            }
        });
        let aside = Aside::new(poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            timers.as_mut().poll(cx)
        }));
        let busy = async {
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = busy => {}
            () = aside => {}
        }
        assert_eq!(polls.load(Ordering::Relaxed), 4, "at the start, and when a timer fired");
    }

    #[tokio::test]
    async fn it_follows_its_task() {
        let notify = Arc::new(Notify::new());
        let waiting = Arc::clone(&notify);
        let mut aside = Aside::new(Box::pin(async move { waiting.notified().await }));
        assert!(futures_util::poll!(&mut aside).is_pending());
        // From another task now: the bell must wake that one.
        let moved = tokio::spawn(aside);
        tokio::task::yield_now().await;
        notify.notify_one();
        tokio::time::timeout(Duration::from_secs(5), moved).await.expect("woken").unwrap();
    }
}
