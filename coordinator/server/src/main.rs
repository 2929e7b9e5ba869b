//! The `stepfleet` binary: coordinator and command line.

mod arn;
mod auth;
mod aws;
mod callbacks;
mod catalog;
mod cli;
mod clock;
mod config;
mod connections;
mod control;
mod entropy;
mod evaluation;
mod express;
mod face;
mod fatal;
mod fleet;
mod functions;
mod http;
mod integrations;
mod matching;
mod metrics;
mod namespaces;
mod net;
mod observe;
mod outbound;
mod partition;
mod rpc;
mod serve;
mod service;
mod shared;
mod task;
mod telemetry;
mod token;
mod writer;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command, DevArgs, Output, ServerArgs};
use config::outbound::Http;
use config::{Args, Config};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let result = match cli.command {
        Command::Dev(args) => {
            dev_config(&args).and_then(|config| runtime.block_on(Box::pin(start(config))))
        }
        Command::Server(args) => match server_config(&args) {
            Ok(config) if args.print_config => {
                print(&config.to_toml());
                Ok(())
            }
            Ok(config) => runtime.block_on(Box::pin(start(config))),
            Err(error) => Err(error),
        },
        Command::Restore(args) => {
            runtime.block_on(Box::pin(serve::restore(&args.file, &args.data)))
        }
        Command::Client(command) => {
            let mut output = Output::new(&cli.global);
            return ExitCode::from(runtime.block_on(Box::pin(cli::run(
                &command,
                &cli.global,
                &mut output,
            ))));
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn start(config: Config) -> anyhow::Result<()> {
    telemetry::init(&config.log)?;
    serve::serve(config).await
}

fn dev_config(args: &DevArgs) -> anyhow::Result<Config> {
    let mut defaults = Config {
        disk_reserve_bytes: 64 << 20,
        // Its endpoints and its secrets are the developer's own.
        http: Http {
            private_addresses: true,
            plain: true,
            reveal_secrets: true,
            ..Http::default()
        },
        ..Config::default()
    };
    if let Some(region) = &args.region {
        defaults.arn.region.clone_from(region);
    }
    if let Some(account) = &args.account {
        defaults.arn.account.clone_from(account);
    }
    let flags = Args {
        listen: Some(args.listen),
        data: Some(args.data.clone()),
        ephemeral: args.ephemeral,
        partitions: args.partitions.map(u16::try_from).transpose()?,
        log_level: args.log.clone(),
        access_keys: args.access_keys.clone(),
        integrations: args.integrations.clone(),
        ..Args::default()
    };
    let mut config = Config::load_over(defaults, &flags, std::env::vars_os())?;
    config.callbacks.at_listen = true;
    Ok(config)
}

fn server_config(args: &ServerArgs) -> anyhow::Result<Config> {
    let flags = Args {
        config: Some(args.config.clone()),
        listen: args.listen,
        data: args.data.clone(),
        access_keys: args.access_keys.clone(),
        integrations: args.integrations.clone(),
        ..Args::default()
    };
    Ok(Config::load(&flags)?)
}

#[expect(
    clippy::print_stdout,
    reason = "the configuration is what was asked for"
)]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the process ends and says why")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
