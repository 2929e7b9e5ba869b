//! Runs `testdata/*.txt`: a command, `----`, what it printed, an empty line. `UPDATE=1` writes what it prints now.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stepfleet_asl::Payload;
use stepfleet_engine::event::Handle;
use stepfleet_engine::execution::Progress;
use stepfleet_engine::limits::Limits;
use stepfleet_engine::{Attempt, EventId, Input, Rejection, Worker, heartbeat, outstanding};

use crate::render;
use crate::world::{World, compile, failure};

#[derive(Default)]
struct Script {
    definition: String,
    limits: Limits,
    world: Option<World>,
}

#[test]
fn scripts_print_what_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(paths.len() > 10, "the scripts are there");
    let mut differences = String::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let printed = play(&text);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &printed).unwrap();
        } else if printed != text {
            differences += &format!(
                "{}:\n{}\n",
                path.display(),
                first_difference(&text, &printed)
            );
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

fn first_difference(text: &str, printed: &str) -> String {
    let mut printed = printed.lines();
    for (number, line) in (1..).zip(text.lines()) {
        let now = printed.next().unwrap_or("<nothing>");
        if now != line {
            return format!("  line {number}\n  was {line}\n  now {now}");
        }
    }
    format!(
        "  more at the end: {}",
        printed.next().unwrap_or("<nothing>")
    )
}

fn play(text: &str) -> String {
    let mut script = Script::default();
    let mut out = String::new();
    for block in text
        .split("\n\n")
        .map(|block| block.trim_matches('\n'))
        .filter(|b| !b.is_empty())
    {
        if !out.is_empty() {
            out.push('\n');
        }
        let comments = block
            .lines()
            .take_while(|line| line.starts_with('#'))
            .count();
        let command: Vec<&str> = block
            .lines()
            .skip(comments)
            .take_while(|line| *line != "----")
            .collect();
        block
            .lines()
            .take(comments)
            .for_each(|line| out += &format!("{line}\n"));
        if command.is_empty() {
            continue;
        }
        command.iter().for_each(|line| out += &format!("{line}\n"));
        out += "----\n";
        let printed = script.run(&command);
        out += if printed.is_empty() {
            "nothing"
        } else {
            printed.trim_end_matches('\n')
        };
        out.push('\n');
    }
    if let Some(world) = &script.world {
        world.check_replay();
    }
    out
}

impl Script {
    fn run(&mut self, lines: &[&str]) -> String {
        let (verb, rest) = lines[0].split_once(' ').unwrap_or((lines[0], ""));
        match verb {
            "tail" => {
                let (count, rest) = rest.split_once(' ').unwrap();
                let printed = self.run(&[rest]);
                let lines: Vec<&str> = printed.lines().collect();
                let count: usize = count.parse().unwrap();
                lines[lines.len().saturating_sub(count)..].join("\n")
            }
            "definition" => {
                self.definition = lines[1..].join("\n");
                compile(&self.definition);
                "ok".to_owned()
            }
            "limits" => {
                for pair in rest.split(' ') {
                    match pair.split_once('=').unwrap() {
                        ("payload", bytes) => {
                            self.limits.payload_bytes_max = bytes.parse().unwrap()
                        }
                        ("variables", bytes) => {
                            self.limits.variables_bytes_max = bytes.parse().unwrap()
                        }
                        ("history", events) => {
                            self.limits.history_events_max = events.parse().unwrap()
                        }
                        (other, _) => panic!("no limit {other}"),
                    }
                }
                "ok".to_owned()
            }
            "start" => {
                let (world, decision) = World::start(compile(&self.definition), rest, self.limits);
                let text = render::decision(&decision, EventId(0), world.now);
                if let Some(old) = self.world.replace(world) {
                    old.check_replay();
                }
                text
            }
            "restore" => {
                let world = self.world();
                world.check_replay();
                world.restore();
                "ok".to_owned()
            }
            "heartbeat" => heard(self.world(), rest),
            "progress" => progress(self.world()),
            "outstanding" => outstanding(&self.world().execution)
                .iter()
                .map(render::command_line)
                .collect(),
            _ => {
                let input = input(self.world(), verb, rest);
                self.feed(input)
            }
        }
    }

    fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("the script has started")
    }

    fn feed(&mut self, input: Input) -> String {
        let world = self.world();
        let before = world.execution.last_event;
        match world.feed(input) {
            Ok(decision) => render::decision(&decision, before, world.now),
            Err(rejection) => rejected(rejection),
        }
    }
}

fn heard(world: &mut World, rest: &str) -> String {
    let (target, said) = rest.split_once(' ').unwrap_or((rest, ""));
    let said: Option<Arc<str>> = some(said).map(Into::into);
    let beat = heartbeat(
        &mut world.execution,
        attempt(target),
        said.as_ref(),
        world.now,
    );
    beat.map_or_else(rejected, |()| "ok".to_owned())
}

/// What is known of every task's progress.
fn progress(world: &World) -> String {
    let frames = world.execution.frames.iter();
    let said = frames.filter_map(|frame| frame.stay()?.progress.as_deref());
    let line = |it: &Progress| {
        let recorded = if it.is_recorded { "recorded" } else { "soft" };
        format!("{} {recorded}\n", it.details)
    };
    said.map(line).collect()
}

fn rejected(rejection: Rejection) -> String {
    format!("rejected: {rejection:?}")
}

fn input(world: &mut World, verb: &str, rest: &str) -> Input {
    let (target, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let payload = || Payload::parse(rest).expect("the script's payload is JSON");
    match verb {
        "started" => {
            let name = (!rest.is_empty()).then(|| rest.into());
            Input::Started {
                attempt: attempt(target),
                worker: Worker {
                    name,
                    session: None,
                },
            }
        }
        "undelivered" => Input::Undelivered {
            attempt: attempt(target),
        },
        "lost" => Input::WorkerLost {
            attempt: attempt(target),
            cause: None,
        },
        "succeed" => Input::Succeeded {
            attempt: attempt(target),
            output: payload(),
        },
        "begun" => {
            let (handle, output) = rest.split_once(' ').unwrap();
            Input::Begun {
                attempt: attempt(target),
                output: Payload::parse(output).expect("the script's payload is JSON"),
                handle: Handle {
                    text: handle.into(),
                    place: "".into(),
                },
            }
        }
        "submitted" => Input::Submitted {
            attempt: attempt(target),
            output: payload(),
        },
        "fail" => {
            let (error, cause) = rest.split_once(' ').unwrap_or((rest, ""));
            Input::Failed {
                attempt: attempt(target),
                failure: failure(some(error), some(cause)),
            }
        }
        "stop" => Input::Stop(failure(some(target), some(rest))),
        "redrive" => Input::Redrive {
            client_token: some(target).map(Into::into),
        },
        "continue" => Input::Continue,
        "tick" => {
            let ms: i64 = target
                .trim_start_matches('+')
                .trim_end_matches("ms")
                .parse()
                .unwrap_or(0);
            world.now = world.now.plus_ms(ms);
            Input::Tick
        }
        other => panic!("no command {other}"),
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// `entry.attempt.generation`; the last two may be left out. An `s` before the generation: the start of the task.
fn attempt(text: &str) -> Attempt {
    let number = |part: &str| match part.strip_prefix('s') {
        Some(part) => Attempt::START + part.parse::<u32>().unwrap(),
        None => part.parse().unwrap(),
    };
    let mut parts = text.split('.').map(number);
    Attempt {
        entry: EventId(u64::from(parts.next().unwrap())),
        attempt: parts.next().unwrap_or(0),
        generation: parts.next().unwrap_or(0),
    }
}
