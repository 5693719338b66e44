//! tokio's `Notify` as its documentation promises it, of parts that loom can reorder: who has asked to be notified hears of every
//! `notify_waiters` behind that, even before it waits. (tokio's own is made of such parts in its own tests alone.)

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use loom::sync::Mutex;

/// Wakes all who wait.
#[derive(Debug, Default)]
pub(crate) struct Notify(Mutex<Waiters>);

#[derive(Debug, Default)]
struct Waiters {
    /// How often all were woken.
    times: usize,
    wakers: Vec<Waker>,
}

/// Ends with the first `notify_waiters` behind its making.
pub(crate) struct Notified<'n> {
    notify: &'n Notify,
    before: usize,
}

impl Notify {
    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified { notify: self, before: self.waiters(|waiters| waiters.times) }
    }

    pub(crate) fn notify_waiters(&self) {
        let wakers = self.waiters(|waiters| {
            waiters.times += 1;
            std::mem::take(&mut waiters.wakers)
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    fn waiters<T>(&self, act: impl FnOnce(&mut Waiters) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.notify.waiters(|waiters| {
            if waiters.times != self.before {
                return Poll::Ready(());
            }
            waiters.wakers.push(context.waker().clone());
            Poll::Pending
        })
    }
}
