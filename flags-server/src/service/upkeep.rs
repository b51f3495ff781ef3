//! What has to be done about tokens as time goes by.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Author, Service, now};
use crate::limits::LAST_USE_INTERVAL;

/// Ends secrets at their time, and stores when tokens were last used; until `stop`.
pub(crate) async fn run(service: Arc<Service>, stop: CancellationToken) {
    let mut next_store = Instant::now() + LAST_USE_INTERVAL;
    while !stop.is_cancelled() {
        let present = now();
        // The wall clock may be set: it is looked at again at `next_store` at the latest.
        let wake = match service.tokens.end_what_is_over(present) {
            None => next_store,
            Some(end) => {
                let millis = end.as_millis().saturating_sub(present.as_millis());
                let wait = Duration::from_millis(millis.try_into().unwrap_or_default());
                next_store.min(Instant::now() + wait.min(LAST_USE_INTERVAL))
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = service.tokens.changed.notified() => {}
            () = sleep_until(wake) => {}
        }
        if Instant::now() >= next_store {
            store_last_use(&service).await;
            next_store = Instant::now() + LAST_USE_INTERVAL;
        }
    }
    store_last_use(&service).await;
}

/// One operation for all tokens. One that does not come about is made up for by the next.
async fn store_last_use(service: &Service) {
    let used = service.tokens.used();
    if used.is_empty() {
        return;
    }
    let instants: Vec<_> = used.iter().map(|(token, at)| (token.id.clone(), *at)).collect();
    let stored = service.write(Author::server(), move |unit| {
        for (id, at) in &instants {
            unit.tx.use_token(id, *at)?;
        }
        Ok(())
    });
    match stored.await {
        Ok(()) => service.tokens.stored(&used),
        Err(fault) => tracing::warn!(?fault, "when tokens were last used is not stored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::start_until;

    #[tokio::test(start_paused = true)]
    async fn the_last_use_of_a_token_is_stored_now_and_then_and_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (service, _) = start_until(&dir, CancellationToken::new());
        crate::service::tests::store_token(&service).await;
        let last_use = async || {
            let token = service.read(|view| Ok(view.token("t")?)).await.unwrap();
            token.unwrap().last_used_at
        };
        let upkeep = tokio::spawn(run(Arc::clone(&service), stop.clone()));
        let begin = now();
        service.tokens.find("secret", begin).unwrap();
        assert_eq!(last_use().await, None, "a request does not write");
        while last_use().await.is_none() {
            tokio::time::sleep(LAST_USE_INTERVAL).await;
        }
        assert_eq!(last_use().await, Some(begin));
        let later = flags_core::Timestamp::from_millis(begin.as_millis() + 5);
        service.tokens.find("secret", later).unwrap();
        stop.cancel();
        upkeep.await.unwrap();
        assert_eq!(last_use().await, Some(later));
    }
}
