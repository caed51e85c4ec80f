//! Commands of several tasks that leave in one write. Who comes first leads: it lets everything run that is ready to run, and then
//! sends what all of that has asked for.

use crate::redis::{Cmd, Pipeline, Value};
use std::future::poll_fn;
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::oneshot;
use tollwire_ledger::Error;

/// Commands that will leave together.
#[derive(Default)]
pub(crate) struct Joint(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    commands: Vec<Cmd>,
    /// For all commands but the first, which is the leader's own.
    replies: Vec<oneshot::Sender<Reply>>,
}

/// What those are told who do not lead.
pub(crate) enum Reply {
    Answer(Result<Value, Error>),
    /// Their leader went away: here is the command again. Whether it ran is not known.
    Again(Cmd),
}

/// What somebody is who joins.
pub(crate) enum Part<'a> {
    Leads(Leader<'a>),
    Follows(oneshot::Receiver<Reply>),
}

/// Sends for all. If it is dropped without an answer, the others have their commands back.
pub(crate) struct Leader<'a> {
    joint: &'a Joint,
    commands: Pipeline,
    replies: Vec<oneshot::Sender<Reply>>,
    /// Whether others still join.
    gathers: bool,
}

impl Joint {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a command, which can be sent again.
    pub(crate) fn join(&self, command: Cmd) -> Part<'_> {
        let mut waiting = self.waiting();
        let leads = waiting.commands.is_empty();
        waiting.commands.push(command);
        if leads {
            let (commands, replies) = (Pipeline::new(), Vec::new());
            return Part::Leads(Leader { joint: self, commands, replies, gathers: true });
        }
        let (reply, answer) = oneshot::channel();
        waiting.replies.push(reply);
        Part::Follows(answer)
    }
}

impl Leader<'_> {
    /// Waits for others, and says what is to be sent.
    pub(crate) async fn gathered(&mut self) -> &Pipeline {
        after_the_ready().await;
        self.gather();
        &self.commands
    }

    fn gather(&mut self) {
        if !take(&mut self.gathers) {
            return;
        }
        let waiting = take(&mut *self.joint.waiting());
        self.commands = Pipeline::with_capacity(waiting.commands.len());
        for command in waiting.commands {
            self.commands.add_command(command);
        }
        self.replies = waiting.replies;
    }

    /// Gives everybody an answer; also the leader's own.
    pub(crate) fn answer(mut self, answers: Result<Vec<Value>, Error>) -> Result<Value, Error> {
        let none = || Error::Unavailable("Redis gave no answer".to_owned());
        let mut answers = answers.map(Vec::into_iter);
        let mut next = || match &mut answers {
            Ok(answers) => answers.next().ok_or_else(none),
            Err(error) => Err(error.clone()),
        };
        let own = next();
        for reply in take(&mut self.replies) {
            // Whoever is gone needs none.
            let _gone = reply.send(Reply::Answer(next()));
        }
        own
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.gather();
        for (reply, command) in take(&mut self.replies).into_iter().zip(self.commands.cmd_iter().skip(1)) {
            let _gone = reply.send(Reply::Again(command.clone()));
        }
    }
}

/// Lets everything run first that is ready to run on this thread: a task that wakes itself comes last.
async fn after_the_ready() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::cmd;
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    fn named(name: &str) -> Cmd {
        cmd(name)
    }

    fn names(commands: &Pipeline) -> Vec<String> {
        let packed = commands.cmd_iter().map(Cmd::get_packed_command);
        packed.map(|packed| String::from_utf8(packed).unwrap().split("\r\n").nth(2).unwrap().into()).collect()
    }

    /// Asks, and says how many left together.
    async fn ask(joint: &Joint, name: String) -> (Value, Option<usize>) {
        match joint.join(named(&name)) {
            Part::Leads(mut leader) => {
                let sent = names(leader.gathered().await);
                let answers = sent.iter().map(|name| Value::SimpleString(name.clone())).collect();
                (leader.answer(Ok(answers)).unwrap(), Some(sent.len()))
            }
            Part::Follows(reply) => match reply.await.unwrap() {
                Reply::Answer(answer) => (answer.unwrap(), None),
                Reply::Again(_) => panic!("nobody went away"),
            },
        }
    }

    #[tokio::test]
    async fn what_is_asked_at_once_leaves_together_and_each_has_its_own_answer() {
        let joint = Joint::default();
        for _ in 0..2 {
            let asked = (0..5).map(|number| ask(&joint, format!("C{number}")));
            let told = join_all(asked).await;
            for (number, (answer, sent)) in told.into_iter().enumerate() {
                assert_eq!(answer, Value::SimpleString(format!("C{number}")));
                assert_eq!(sent, (number == 0).then_some(5));
            }
        }
    }

    #[tokio::test]
    async fn an_error_is_everybodys() {
        let joint = Joint::default();
        let Part::Leads(mut leader) = joint.join(named("A")) else { panic!("the first leads") };
        let Part::Follows(reply) = joint.join(named("B")) else { panic!("the second follows") };
        assert_eq!(names(leader.gathered().await), ["A", "B"]);
        assert_eq!(leader.answer(Err(Error::Lost)), Err(Error::Lost));
        assert!(matches!(reply.await, Ok(Reply::Answer(Err(Error::Lost)))));
        let Part::Leads(mut leader) = joint.join(named("C")) else { panic!("it begins anew") };
        let Part::Follows(reply) = joint.join(named("D")) else { panic!("the second follows") };
        assert_eq!(leader.gathered().await.len(), 2);
        assert!(matches!(leader.answer(Ok(vec![])), Err(Error::Unavailable(_))));
        assert!(matches!(reply.await, Ok(Reply::Answer(Err(_)))));
    }

    #[tokio::test]
    async fn a_leader_that_goes_away_gives_commands_back() {
        let joint = Joint::default();
        for gathers in [true, false] {
            let Part::Leads(mut leader) = joint.join(named("A")) else { panic!("the first leads") };
            let Part::Follows(reply) = joint.join(named("B")) else { panic!("the second follows") };
            if !gathers {
                assert_eq!(leader.gathered().await.len(), 2);
            }
            drop(leader);
            let Ok(Reply::Again(command)) = reply.await else { panic!("it was not answered") };
            assert!(ask(&joint, "C".into()).now_or_never().is_none(), "it waits for others, and is gone");
            let Part::Leads(mut leader) = joint.join(command) else { panic!("nobody leads") };
            assert_eq!(names(leader.gathered().await), ["B"]);
        }
    }
}
