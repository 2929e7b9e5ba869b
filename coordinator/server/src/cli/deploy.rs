//! `stepfleet deploy`: makes the state machines, activities, versions and aliases of a SAM or CloudFormation template, or
//! of what `cdk synth` wrote, and keeps them as the template says.
//!
//! Data flow: `source` reads files; `template` and `evaluation` say what is wanted, `plan` what is to be done for it
//! (none of the three reads or calls anything); `read` and `apply` speak to the coordinator. Everything that stands in
//! the way is found before anything is changed.

mod apply;
mod conditions;
mod definition;
mod desired;
mod evaluation;
mod fields;
mod inventory;
mod names;
mod order;
mod owner;
mod parameters;
mod plan;
mod problem;
mod read;
mod scope;
mod serverless;
mod show;
mod source;
mod template;
mod yaml;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use stepfleet_sdk::api;

use self::apply::Apply;
use self::desired::Desired;
use self::evaluation::{Evaluation, Given, Out};
use self::inventory::Inventory;
use self::names::Place;
use self::plan::{Action, Plan};
use self::problem::Problems;
use self::show::Shown;
use self::source::{Source, SourceFiles};
use self::template::Template;
use super::client::Client;
use super::fault::{Fault, Outcome};
use super::output::{Output, Tone};

/// A stack's name, as in CloudFormation.
const STACK_CHARS_MAX: usize = 128;

#[derive(Args, Clone, Debug)]
pub(crate) struct DeployArgs {
    /// A template (YAML or JSON) of SAM or CloudFormation, or the folder that `cdk synth` wrote (cdk.out)
    #[arg(value_name = "TEMPLATE", required_unless_present = "delete")]
    template: Option<PathBuf>,
    /// Name of the stack; of cdk.out, which one of its stacks
    #[arg(long, value_name = "NAME", required_unless_present = "template")]
    stack: Option<String>,
    /// A parameter of the template; may be repeated
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(String, String)>,
    /// Leave resources of this type out, e.g. AWS::Lambda::Function or AWS::Lambda::*; may be repeated
    #[arg(long = "skip-type", value_name = "TYPE")]
    skip_types: Vec<String>,
    /// Show what would be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    plan: bool,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    /// Delete everything of the stack
    #[arg(long, conflicts_with_all = ["template", "parameters", "skip_types"])]
    delete: bool,
}

impl DeployArgs {
    pub(crate) fn attempt(&self) -> String {
        match (&self.template, &self.stack) {
            (Some(template), _) => format!("deploy {}", template.display()),
            (None, Some(stack)) => format!("delete the stack {stack}"),
            (None, None) => "deploy".into(),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match &self.template {
            Some(template) => {
                let source = Source::read(template, self.stack.as_deref())?;
                check_stack(&source.stack)?;
                Box::pin(self.deploy(&source, client, output)).await
            }
            None => {
                let stack = self.stack.as_deref().unwrap_or_default();
                check_stack(stack)?;
                Box::pin(self.delete(stack, client, output)).await
            }
        }
    }

    async fn deploy(
        &self,
        source: &Source,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        let status = client.get_status(api::GetStatusRequest {}).await?;
        let place = Place::new(&status.arn_prefix, &source.stack).ok_or_else(|| {
            Fault::Failed(
                "the coordinator is of an older release; deploy needs one like this".into(),
            )
        })?;
        let mut problems = Problems::default();
        let files = SourceFiles {
            source,
            place: &place,
        };
        let mut parameters: BTreeMap<String, String> = source.parameters.clone();
        parameters.extend(self.parameters.iter().cloned());
        let skip = &self.skip_types;
        let template = Template::read(&source.document, skip, &parameters, &mut problems);
        let given = Given {
            place: &place,
            parameters: &parameters,
            files: &files,
            stack_tags: &source.stack_tags,
        };
        let begun = Evaluation::new(&template, given, &mut problems);
        let mut inventory = read::read(client, &source.stack).await?;
        let plan = planned(&begun, client, &mut inventory, &mut problems).await?;
        refuse(&problems, output)?;
        let mut skipped = template.skipped.clone();
        skipped.extend(
            begun
                .left_out()
                .into_iter()
                .map(|(id, kind)| template::Skipped {
                    at: format!("Resources.{id}"),
                    what: format!("{kind} is not made here"),
                }),
        );
        let shown = Shown {
            stack: &source.stack,
            plan: &plan,
            skipped: &skipped,
        };
        shown.tell(output)?;
        if self.ends(&shown, output)? {
            return Ok(Outcome::Done);
        }
        let apply = Apply {
            client,
            inventory: &inventory,
            evaluation: Some(begun),
            stack: &source.stack,
        };
        let evaluation = Box::pin(apply.carry_out(&plan, output)).await?;
        let outputs = evaluation
            .as_ref()
            .map(|evaluation| evaluation.outputs(&mut problems));
        refuse(&problems, output)?;
        if plan.is_empty() && !output.is_json() {
            output.line(format!(
                "nothing to change: the stack {} is as the template says",
                source.stack
            ))?;
        }
        let known = evaluation.map(|evaluation| plan.known(&evaluation));
        let shown = Shown {
            plan: known.as_ref().unwrap_or(&plan),
            ..shown
        };
        told(&shown, outputs.as_deref(), output)
    }

    async fn delete(
        &self,
        stack: &str,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        let inventory = read::read(client, stack).await?;
        let plan = plan::plan_deletion(&inventory, stack);
        let shown = Shown {
            stack,
            plan: &plan,
            skipped: &[],
        };
        if plan.is_empty() {
            output.remark(format!(
                "nothing to delete: there is nothing of a stack {stack}"
            ));
            return told(&shown, Some(&[]), output);
        }
        shown.tell(output)?;
        if self.ends(&shown, output)? {
            return Ok(Outcome::Done);
        }
        let apply = Apply {
            client,
            inventory: &inventory,
            evaluation: None,
            stack,
        };
        Box::pin(apply.carry_out(&plan, output)).await?;
        told(&shown, Some(&[]), output)
    }

    /// Whether it ends with the plan, which is told then. An empty one goes on: it tells the outputs.
    fn ends(&self, shown: &Shown<'_>, output: &mut Output) -> Result<bool, Fault> {
        if shown.plan.is_empty() || self.yes {
            return Ok(false);
        }
        if self.plan {
            told(shown, None, output)?;
            return Ok(true);
        }
        // Who wants a document reads no question.
        let answer = if output.is_json() {
            None
        } else {
            output.ask("Do this? [y/N] ")?
        };
        match answer.map(|answer| answer.to_ascii_lowercase()).as_deref() {
            Some("y" | "yes") => Ok(false),
            Some(_) => Err(Fault::Failed(
                "it was not confirmed; nothing was changed".into(),
            )),
            None => {
                told(shown, None, output)?;
                Err(Fault::Usage(
                    "nothing was changed, because nobody can be asked here: --yes does it, --plan only shows it".into(),
                ))
            }
        }
    }
}

/// Plans until every detail that is needed is there, and looks at the definitions that are new.
async fn planned(
    begun: &Evaluation<'_>,
    client: &Client,
    inventory: &mut Inventory,
    problems: &mut Problems,
) -> Result<Plan, Fault> {
    loop {
        let mut evaluation = begun.clone();
        let mut found = problems.clone();
        let plan = plan::plan(&mut evaluation, inventory, &mut found);
        if !plan.unread.is_empty() {
            read::read_details(client, inventory, plan.unread).await?;
            continue;
        }
        *problems = found;
        evaluation.outputs(problems);
        if problems.is_empty() {
            check_definitions(&evaluation, &plan, client, problems).await?;
        }
        return Ok(plan);
    }
}

/// Errors in definitions shall be known before anything is changed.
async fn check_definitions(
    evaluation: &Evaluation<'_>,
    plan: &Plan,
    client: &Client,
    problems: &mut Problems,
) -> Result<(), Fault> {
    for step in plan.steps.iter().filter(|step| step.action != Action::Keep) {
        let Some(Desired::Machine(machine)) = evaluation.desired(&step.logical_id, problems) else {
            continue;
        };
        let machine_type = if machine.express {
            api::StateMachineType::Express
        } else {
            api::StateMachineType::Standard
        };
        let request = api::ValidateStateMachineDefinitionRequest {
            definition: machine.definition,
            r#type: machine_type.into(),
            include_warnings: false,
        };
        let answer = client.validate_state_machine_definition(request).await?;
        for diagnostic in answer.diagnostics {
            let at = format!("Resources.{}.Properties.Definition", step.logical_id);
            let api::Diagnostic {
                code,
                message,
                location,
                ..
            } = diagnostic;
            problems.add(at, format!("{code}: {message} {location}").trim_end());
        }
    }
    Ok(())
}

/// Tells every problem, if there is one.
fn refuse(problems: &Problems, output: &mut Output) -> Result<(), Fault> {
    if problems.is_empty() {
        return Ok(());
    }
    for problem in problems.iter() {
        let at = output.paint_remark(Tone::Strong, &problem.at);
        output.remark(format!("{at}: {}", problem.what));
    }
    let count = problems.len();
    let words = if count == 1 { "problem" } else { "problems" };
    Err(Fault::Failed(format!(
        "{count} {words}; nothing was changed"
    )))
}

fn told(shown: &Shown<'_>, outputs: Option<&[Out]>, output: &mut Output) -> Result<Outcome, Fault> {
    if output.is_json() {
        output.document(&shown.document(outputs))?;
    } else {
        show::tell_outputs(outputs.unwrap_or_default(), output)?;
    }
    Ok(Outcome::Done)
}

fn check_stack(stack: &str) -> Result<(), Fault> {
    let starts = stack.starts_with(|c: char| c.is_ascii_alphabetic());
    let rest = stack
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if starts && rest && stack.len() <= STACK_CHARS_MAX {
        return Ok(());
    }
    Err(Fault::Usage(format!(
        "'{stack}' is no name of a stack: a letter, then letters, digits and hyphens, at most {STACK_CHARS_MAX}"
    )))
}

fn parse_parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("a parameter is KEY=VALUE".into()),
    }
}
