//! Request bodies that nobody reads.
//!
//! A server that has answered a request whose body is still on its way closes the connection (hyper does), and what then arrives
//! resets it. The reset overtakes the answer (RFC 9112 section 9.6): the router hears of a lost connection where a 421 was said,
//! and has to call the write unknown.

use std::{future::poll_fn, pin::pin, time::Duration};

use http_body::Body;
use tokio::time::timeout;

/// The router sends bodies up to this size whole, behind the head; larger ones it lets stream, and cannot send again anyway.
const MOST: u64 = 64 * 1024;
/// They come at once. Who sends one slowly is not waited for.
const WITHIN: Duration = Duration::from_secs(2);

/// Takes in a body up to 64 KiB, for two seconds at most, and throws it away; of a longer one nothing, or the beginning.
pub(crate) async fn take_in<B: Body>(body: B) {
    if body.is_end_stream() || body.size_hint().lower() > MOST {
        return;
    }
    let mut body = pin!(body);
    let all = async {
        let mut left = MOST;
        while left > 0 {
            let size = poll_fn(|cx| body.as_mut().poll_frame(cx).map(size)).await;
            let Some(size) = size else { return };
            left = left.saturating_sub(size);
        }
    };
    let _ = timeout(WITHIN, all).await;
}

/// The bytes of a piece of a body; none at its end, and where it broke off. A piece of another kind counts, too.
fn size<D: bytes::Buf, E>(frame: Option<Result<http_body::Frame<D>, E>>) -> Option<u64> {
    let size = frame?.ok()?.data_ref().map_or(1, bytes::Buf::remaining);
    Some(u64::try_from(size).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use bytes::Bytes;
    use http_body::{Frame, SizeHint};

    use super::*;

    /// A body of so many pieces of 1000 bytes; behind them comes nothing, and no end either, or its end.
    struct Pieces {
        left: u32,
        taken: std::rc::Rc<std::cell::Cell<u32>>,
        ends: bool,
        says: Option<u64>,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match (self.left, self.ends) {
                (0, true) => Poll::Ready(None),
                (0, false) => Poll::Pending,
                _ => {
                    self.left -= 1;
                    self.taken.set(self.taken.get() + 1);
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; 1000])))))
                }
            }
        }

        fn size_hint(&self) -> SizeHint {
            self.says.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    async fn taken(pieces: u32, ends: bool, says: Option<u64>) -> (u32, Duration) {
        let taken = std::rc::Rc::default();
        let began = tokio::time::Instant::now();
        take_in(Pieces { left: pieces, taken: std::rc::Rc::clone(&taken), ends, says }).await;
        (taken.get(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_body_is_taken_in_whole_and_no_other() {
        let none = Duration::ZERO;
        assert_eq!(taken(3, true, Some(3000)).await, (3, none));
        assert_eq!(taken(3, true, None).await, (3, none), "it does not say how long it is");
        assert_eq!(taken(66, true, Some(66_000)).await, (0, none));
        assert_eq!(taken(1000, true, None).await, (66, none), "more than that nobody waits for");
        assert_eq!(taken(3, false, Some(4000)).await, (3, WITHIN), "nor for one that does not come");
    }
}
