//! Writes that come while others are on their way share the next transaction, and go on side by side in it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use tokio::sync::oneshot;

use super::error::{has_met_another, silent, unanswered};
use super::rounds::Rounds;
use super::server::Connection;
use super::{CommitSent, OPERATION_WAIT_MAX, Postgres, RUNS_MAX};
use crate::clock::chance_permille;
use crate::store::StoreError;
use crate::store::parts::{Part, Parts};
use crate::store::sql::Work;

/// A write of any kind.
pub(super) trait Job: Send {
    fn run<'a>(&'a mut self, part: &'a Part<'a, Rounds<'a>>) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Tells the caller what came of it.
    fn end(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Typed<W: Work> {
    work: W,
    answer: Option<W::Answer>,
    tell: oneshot::Sender<Result<W::Answer, StoreError>>,
}

impl<W: Work> Job for Typed<W> {
    fn run<'a>(&'a mut self, part: &'a Part<'a, Rounds<'a>>) -> BoxFuture<'a, Result<(), StoreError>> {
        async {
            self.answer = Some(self.work.run(part).await?);
            Ok(())
        }
        .boxed()
    }

    fn end(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { answer, tell, .. } = *self;
        // The caller may be gone.
        let _ = tell.send(outcome.and_then(|()| answer.ok_or(StoreError::Closed)));
    }
}

impl Postgres {
    /// Writes, all or nothing, in one transaction with whatever else waits to be written in this way.
    pub(in crate::store) async fn write_together<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        let (tell, told) = oneshot::channel();
        if let Some(mut server) = self.writes.wait(Box::new(Typed { work, answer: None, tell }))? {
            let postgres = self.clone();
            self.tasks.spawn(async move {
                while let Some(group) = server.next(usize::MAX, |_| 0) {
                    postgres.write_group(group).await;
                }
            });
        }
        told.await.unwrap_or_else(|_| Err(unanswered(silent())))
    }

    /// Writes a group. What fails over one of them is tried again with each alone.
    async fn write_group(&self, group: Vec<Box<dyn Job>>) {
        let mut group = group;
        for run in 1.. {
            let keep = CommitSent::default();
            let Some((jobs, outcome)) = self.run_group(group, keep.clone()).await else { return };
            group = jobs;
            match outcome {
                Err(
                    StoreError::Locked(_) | StoreError::TooManyLocks(_) | StoreError::Panicked | StoreError::Data(_),
                ) if group.len() > 1 => {
                    for job in group {
                        Box::pin(self.write_group(vec![job])).await;
                    }
                    return;
                }
                Err(error) if has_met_another(&error) && run < RUNS_MAX => {
                    tokio::time::sleep(Duration::from_millis(u64::from(run * chance_permille() / 20))).await;
                }
                outcome => {
                    let outcome = keep.outcome(outcome);
                    group.into_iter().for_each(|job| job.end(outcome.clone()));
                    return;
                }
            }
        }
    }

    /// Gives the jobs back, unless nobody knows what became of them.
    async fn run_group(
        &self,
        mut group: Vec<Box<dyn Job>>,
        commit: CommitSent,
    ) -> Option<(Vec<Box<dyn Job>>, Result<(), StoreError>)> {
        let pool = self.pool.clone();
        let exchange = async move {
            let outcome = match pool.get().await {
                Ok(mut lent) => {
                    let outcome = write_all(&mut lent, &mut group, &commit).await;
                    lent.give_back();
                    outcome
                }
                Err(error) => Err(error),
            };
            Ok((group, outcome))
        };
        self.spawn_bounded(OPERATION_WAIT_MAX, exchange).await.ok()
    }
}

async fn write_all(
    connection: &mut Connection,
    group: &mut [Box<dyn Job>],
    commit: &CommitSent,
) -> Result<(), StoreError> {
    let session = connection.transaction().await?;
    let (rounds, parts) = (Rounds::new(&session), Parts::default());
    let run = group.iter_mut().enumerate().map(async |(number, job)| {
        let part = parts.part(&rounds, number);
        let done = AssertUnwindSafe(job.run(&part)).catch_unwind().await;
        done.unwrap_or(Err(StoreError::Panicked))
    });
    rounds.drive(try_join_all(run)).await?;
    rounds.write_counts().await?;
    commit.set();
    session.commit().await
}
