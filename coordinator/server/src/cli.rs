//! The command line. Client commands speak gRPC through `stepfleet-sdk` like any other program; `dev`, `server` and
//! `restore` only have their arguments here. Commands write to an [`Output`], never to the process' streams.

mod activity;
mod alias;
mod args;
mod audit;
mod backup;
mod client;
mod credential;
mod deploy;
mod fault;
mod fleet;
mod machine;
mod names;
mod output;
mod pages;
mod payload;
mod policy;
mod run;
mod serve;
mod status;
mod table;
mod tag;
mod task;
mod time;
mod version;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use clap::Subcommand;

pub(crate) use self::args::GlobalArgs;
pub(crate) use self::fault::Fault;
pub(crate) use self::output::Output;
pub(crate) use self::serve::{DevArgs, RestoreArgs, ServerArgs};

use self::client::Client;
use self::fault::Outcome;

/// The whole command line; `args` makes a parser of it.
#[derive(Clone, Debug)]
pub(crate) struct Cli {
    pub(crate) global: GlobalArgs,
    pub(crate) command: Command,
}

/// What the binary is asked to do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve on this machine, with everything in one folder and no config file
    Dev(DevArgs),
    /// Serve by a config file, with TLS and authentication
    Server(ServerArgs),
    /// Make a data folder from a backup
    Restore(RestoreArgs),
    #[command(flatten)]
    Client(ClientCommand),
}

/// Commands that call a coordinator (and `completions`, `audit` and `machine test`, which call nobody).
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// State machines: create, update, list, show, validate, test, delete
    #[command(subcommand)]
    Machine(machine::MachineCommand),
    /// Versions of state machines: publish, list, delete
    #[command(subcommand)]
    Version(version::VersionCommand),
    /// Aliases of state machines, which lead to versions: set, list, show, delete
    #[command(subcommand)]
    Alias(alias::AliasCommand),
    /// Executions: start, watch, list, show, history, stop
    #[command(subcommand)]
    Run(run::ExecutionCommand),
    /// Activities: create, list, show, stats, pause, resume, purge, require, limit, delete
    #[command(subcommand)]
    Activity(activity::ActivityCommand),
    /// Workers: list, show, drain, resume
    #[command(subcommand)]
    Fleet(fleet::FleetCommand),
    /// Tasks that wait for their token: list, success, failure, heartbeat
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Tags of state machines and activities: set, list, remove
    #[command(subcommand)]
    Tag(tag::TagCommand),
    /// Who may work here: issue, list, rotate, revoke
    #[command(subcommand)]
    Credential(credential::CredentialCommand),
    /// The audit log: verify
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// What principals may do: put, list, show, delete, test
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Make and keep what a template of SAM, CloudFormation or CDK describes
    Deploy(deploy::DeployArgs),
    /// Show facts about the coordinator
    Status,
    /// Copy everything into a file while the coordinator works
    Backup(backup::BackupArgs),
    /// Print a completion script for a shell
    Completions(serve::CompletionsArgs),
}

/// Carries out a client command and tells the process' exit code: 0 done, 1 failed (also: the awaited execution did not
/// succeed, the definition is invalid), 2 wrong usage.
pub(crate) async fn run(command: &ClientCommand, global: &GlobalArgs, output: &mut Output) -> u8 {
    match Box::pin(carry_out(command, global, output)).await {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Negative) => 1,
        Err(fault) => {
            fault.report(&command.attempt(), output);
            fault.exit_code()
        }
    }
}

async fn carry_out(
    command: &ClientCommand,
    global: &GlobalArgs,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    if let ClientCommand::Completions(args) = command {
        return serve::completions(args, output);
    }
    if let ClientCommand::Audit(command) = command {
        return command.carry_out(output);
    }
    if let ClientCommand::Machine(command) = command
        && let Some(done) = command.carry_out_alone(output)
    {
        return done;
    }
    let client = Client::connect(global).await?;
    match command {
        ClientCommand::Machine(command) => command.carry_out(&client, output).await,
        ClientCommand::Version(command) => command.carry_out(&client, output).await,
        ClientCommand::Alias(command) => command.carry_out(&client, output).await,
        ClientCommand::Run(command) => command.carry_out(&client, output).await,
        ClientCommand::Activity(command) => command.carry_out(&client, output).await,
        ClientCommand::Fleet(command) => command.carry_out(&client, output).await,
        ClientCommand::Task(command) => command.carry_out(&client, output).await,
        ClientCommand::Tag(command) => command.carry_out(&client, output).await,
        ClientCommand::Audit(command) => command.carry_out(output),
        ClientCommand::Credential(command) => command.carry_out(&client, output).await,
        ClientCommand::Policy(command) => command.carry_out(&client, output).await,
        ClientCommand::Deploy(args) => args.carry_out(&client, output).await,
        ClientCommand::Status => status::status(&client, output).await,
        ClientCommand::Backup(args) => backup::backup(args, &client, output).await,
        ClientCommand::Completions(args) => serve::completions(args, output),
    }
}

impl ClientCommand {
    /// What is attempted, for "cannot …".
    fn attempt(&self) -> String {
        match self {
            Self::Machine(command) => command.attempt(),
            Self::Version(command) => command.attempt(),
            Self::Alias(command) => command.attempt(),
            Self::Run(command) => command.attempt(),
            Self::Activity(command) => command.attempt(),
            Self::Fleet(command) => command.attempt(),
            Self::Audit(command) => command.attempt(),
            Self::Credential(command) => command.attempt(),
            Self::Policy(command) => command.attempt(),
            Self::Task(command) => command.attempt(),
            Self::Tag(command) => command.attempt(),
            Self::Deploy(args) => args.attempt(),
            Self::Status => "show the status".into(),
            Self::Backup(args) => format!("back up to {}", args.file.display()),
            Self::Completions(_) => "print completions".into(),
        }
    }
}

/// `KEY=VALUE` of a tag.
fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("a tag is KEY=VALUE".into()),
    }
}

/// `KEY=VALUE` or `KEY` of a label.
fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err("a label is KEY=VALUE or KEY".into());
    }
    Ok((key.to_owned(), value.to_owned()))
}
