//! Deliveries owed to endpoints that the configuration no longer names: no worker
//! sends them or gives them up, so they are said aloud.

use tracing::warn;

use super::App;
use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    deliver::Deliver,
    notification::Notification,
    store::{EndpointState, Sqlite, Store, StoreError},
};

impl App {
    /// Asked at start and after a reload, when an endpoint may have gone.
    pub(super) async fn tell_of_orphans(&self) {
        if let Err(error) = self.look_for_orphans(clock::now()).await {
            warn!(%error, "nobody could be told of deliveries without an endpoint");
        }
    }

    async fn look_for_orphans(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut notices = Vec::new();
        for EndpointState { endpoint, ready, oldest, .. } in self.store.endpoints().await? {
            if ready == 0 || self.config.endpoints.contains_key(&endpoint) {
                continue;
            }
            let found = format!("the configuration does not name it, and deliveries wait for it: {ready}");
            warn!(%endpoint, "{found}");
            let task = Deliver::<Sqlite>::task(&endpoint);
            self.board.beat(&task, now);
            self.board.note(&task, Some(found));
            let lines = vec![
                format!("Waiting are {ready} deliveries. Nobody sends them, and they are kept."),
                format!("What to do: name `{endpoint}` under `endpoints` again, and they are sent."),
            ];
            let title = format!("Endpoint {endpoint} is gone from the configuration and is still owed alerts");
            let notice = Notification::notice(Severity::High, title, lines, now);
            let occasion = format!("orphan {endpoint} {oldest:?}");
            notices.extend(self.generation.borrow().topics.notice(&notice, &occasion, false));
        }
        self.store.publish(notices).await?;
        self.committed.send_replace(());
        Ok(())
    }
}
