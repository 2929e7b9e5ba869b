//! What a worker may not say when it connects, spoken without the worker library, which would not say it.

use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::{Result, ensure};
use stepfleet_e2e::{Coordinator, Settings, World, activity, refusal, scenario};
use stepfleet_sdk::tonic::codegen::tokio_stream::Stream;
use stepfleet_sdk::tonic::transport::Endpoint;
use stepfleet_sdk::{Error, api};

use api::fleet_service_client::FleetServiceClient;

const SLOTS_MAX: u32 = 65_536;

/// One message, then silence.
#[derive(Debug)]
struct Once(Option<api::WorkerMessage>);

impl Stream for Once {
    type Item = api::WorkerMessage;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .take()
            .map_or(Poll::Pending, |message| Poll::Ready(Some(message)))
    }
}

/// The answer to a Hello with these activities and slots.
async fn hello(
    coordinator: &Coordinator,
    session: u32,
    activities: &[(&str, u32)],
) -> Result<Result<Option<api::CoordinatorMessage>, Error>> {
    let channel = Endpoint::from_shared(coordinator.url())?.connect().await?;
    let activities = activities
        .iter()
        .map(|&(activity, slots)| api::ActivitySlots {
            activity: activity.to_owned(),
            slots,
            max_rate: 0.0,
        })
        .collect();
    let message = api::WorkerMessage {
        hello: Some(api::Hello {
            worker_name: "raw".to_owned(),
            session_id: format!("{session:032x}"),
            activities,
            ..Default::default()
        }),
        ..Default::default()
    };
    let work = async {
        let answer = FleetServiceClient::new(channel)
            .work(Once(Some(message)))
            .await?;
        answer.into_inner().message().await
    };
    Ok(work.await.map_err(Error::from))
}

#[test]
fn an_activity_named_twice_and_slots_beyond_the_limit_are_refused() {
    scenario(async |world: &World| {
        let mut coordinator = Settings::new(world, "coordinator").start(world).await?;
        let arn = activity(&coordinator.client()?, "work").await?;
        activity(&coordinator.client()?, "other").await?;
        let refused: [&[(&str, u32)]; 6] = [
            &[("work", 1), ("work", 1)],
            &[("work", 1), ("other", 1), (&arn, 1)],
            &[("work", SLOTS_MAX + 1)],
            &[("work", SLOTS_MAX), ("other", 1)],
            &[("work", u32::MAX), ("other", u32::MAX)],
            &[("work", 0)],
        ];
        for (session, activities) in (1..).zip(refused) {
            let reason = refusal(hello(&coordinator, session, activities).await?)?;
            ensure!(reason == "ValidationException", "{activities:?}: {reason}");
        }
        let accepted: &[(&str, u32)] = &[("work", SLOTS_MAX - 1), ("other", 1)];
        let answer = hello(&coordinator, 100, accepted).await??;
        let welcome = answer.and_then(|message| message.welcome);
        ensure!(welcome.is_some(), "no welcome");
        ensure!(coordinator.process().ended()?.is_none(), "it ended");
        Ok(())
    });
}
