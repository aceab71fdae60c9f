//! `pod submit`: starts an execution and leaves it to the manager.

use clap::Args;

use super::{
    connection::ManagerOptions,
    console::{self, print_line},
    exit_code::describe_end,
    failure::{Exit, Failure},
    input, reconnect,
    relay::wait_for_end,
    settings::SubjectOptions,
    subject::Subject,
    suggestions,
};

/// Starts an execution, prints its id, and leaves it to the manager
///
/// What cannot be installed is told by the execution itself: it ends as failed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod submit thumbs cat.png          Prints the id: 17
  pod logs -f $(pod submit ./search query)
  pod status 17                      How it is: one word
  pod submit --wait . 7              Prints the id, and exits as `run` does

It needs a manager that stays: `pod serve`, or one that --server or POD names.")]
pub(crate) struct Submit {
    /// A directory that holds main.sh (and, if it needs one, install.sh), or the name of an activity. Where there are
    /// both, ./NAME is the directory and activity:NAME the activity
    #[arg(value_name = "DIR|ACTIVITY")]
    what: String,

    /// The argument for main.sh; `-` reads it from stdin. One that begins with a dash comes after `--`
    #[arg(value_name = "INPUT|-", allow_negative_numbers = true)]
    input: Option<String>,

    /// Wait until it has ended, and exit with the exit code of the program
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    subject: SubjectOptions,

    #[command(flatten)]
    manager: ManagerOptions,
}

impl Submit {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let subject = Subject::of(&self.what, &self.subject, &self.manager.excluded())?;
        let input = input::read(self.input)?;
        let client = self.manager.client().await?;
        let prepared = subject.prepare(&client).await?;
        let key = uuid::Uuid::new_v4().to_string();
        let id = match client.start(&prepared.name, prepared.revision(), input.as_deref(), &key).await {
            Ok(execution) => execution.id,
            Err(error) => return Err(suggestions::subject_failure(&client, &prepared.name, error).await),
        };
        print_line(id.to_string())?;
        if !self.wait {
            return Ok(Exit::DONE);
        }
        let execution = wait_for_end(&reconnect::for_wait(&client), id).await?;
        let (exit, sentence) = describe_end(&execution);
        sentence.into_iter().for_each(console::note);
        Ok(exit)
    }
}
