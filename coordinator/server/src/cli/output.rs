//! Where commands write: results to one sink, remarks and errors to the other. Knows the format, colours, width, time
//! zone and clock, so that nothing else in the CLI asks the process for them.

use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _, Write};

use console::Style;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::args::GlobalArgs;
use super::fault::Fault;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences for people.
    #[default]
    Table,
    /// One JSON document; JSON lines where results arrive over time.
    Json,
}

/// What stays the same during one command.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) format: Format,
    /// Colours on standard output.
    pub(crate) colour: bool,
    /// Colours on standard error.
    pub(crate) colour_remarks: bool,
    /// Columns of the terminal; `None` when standard output is no terminal: nothing is cut then.
    pub(crate) columns: Option<u16>,
    /// Somebody is there who can be asked: standard input and standard error are terminals.
    pub(crate) asks: bool,
    pub(crate) zone: TimeZone,
    pub(crate) now: fn() -> Timestamp,
}

/// The two sinks of a command.
pub(crate) struct Output {
    results: Box<dyn Write + Send>,
    remarks: Box<dyn Write + Send>,
    look: Look,
}

/// Meaning of a coloured word; one place decides the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Busy,
    Warning,
}

impl Look {
    /// What the process' terminal and environment ask for.
    fn detect(format: Format, colour_off: bool) -> Self {
        let stdout = io::stdout().is_terminal();
        let stderr = io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0");
        let off = colour_off || set("NO_COLOR");
        let columns = console::Term::stdout()
            .size_checked()
            .map(|(_, columns)| columns);
        Self {
            format,
            colour: !off && (forced || stdout && !dumb),
            colour_remarks: !off && (forced || stderr && !dumb),
            columns: columns.filter(|_| stdout),
            asks: io::stdin().is_terminal() && stderr,
            zone: TimeZone::system(),
            now: wall_clock,
        }
    }
}

impl Output {
    /// Writes to the process' standard output and standard error, as the flags and the environment ask.
    pub(crate) fn new(global: &GlobalArgs) -> Self {
        let look = Look::detect(global.format, global.no_color);
        Self::over(Box::new(io::stdout()), Box::new(io::stderr()), look)
    }

    /// Writes to any two sinks.
    pub(crate) fn over(
        results: Box<dyn Write + Send>,
        remarks: Box<dyn Write + Send>,
        look: Look,
    ) -> Self {
        Self {
            results,
            remarks,
            look,
        }
    }

    pub(crate) fn look(&self) -> &Look {
        &self.look
    }

    pub(crate) fn is_json(&self) -> bool {
        self.look.format == Format::Json
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.look.now)()
    }

    /// A line of the result.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<(), Fault> {
        let text = format!("{line}\n");
        self.results
            .write_all(text.as_bytes())
            .and_then(|()| self.results.flush())
            .map_err(Fault::Output)
    }

    /// The result as one JSON document, indented.
    pub(crate) fn document(&mut self, value: &impl Serialize) -> Result<(), Fault> {
        let text = serde_json::to_string(value).map_err(|error| Fault::Output(error.into()))?;
        self.line(super::payload::pretty(&text))
    }

    /// That something is gone.
    pub(crate) fn deleted(&mut self, what: &str, arn: &str, name: &str) -> Result<(), Fault> {
        if self.is_json() {
            return self.document(&serde_json::json!({ "deleted": arn }));
        }
        self.line(format!("deleted {what} {name}"))
    }

    /// One JSON value on one line.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Fault> {
        let text = serde_json::to_string(value).map_err(|error| Fault::Output(error.into()))?;
        self.line(text)
    }

    /// Bytes of the result as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.results
            .write_all(bytes)
            .and_then(|()| self.results.flush())
            .map_err(Fault::Output)
    }

    /// A sentence beside the result. Lost remarks harm nobody, so errors are dropped.
    pub(crate) fn remark(&mut self, line: impl fmt::Display) {
        let _ = writeln!(self.remarks, "{line}");
    }

    /// The answer of whoever sits at the terminal; none when nobody does.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Option<String>, Fault> {
        if !self.look.asks {
            return Ok(None);
        }
        let _ = write!(self.remarks, "{question}");
        let _ = self.remarks.flush();
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.map_err(Fault::file("standard input"))?;
        Ok(Some(answer.trim().to_owned()))
    }

    /// A word of the result in its colour.
    pub(crate) fn paint(&self, tone: Tone, text: impl fmt::Display) -> String {
        style(tone, self.look.colour).apply_to(text).to_string()
    }

    /// A word of a remark in its colour.
    pub(crate) fn paint_remark(&self, tone: Tone, text: impl fmt::Display) -> String {
        style(tone, self.look.colour_remarks)
            .apply_to(text)
            .to_string()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("look", &self.look)
            .finish_non_exhaustive()
    }
}

fn style(tone: Tone, colour: bool) -> Style {
    let style = Style::new().force_styling(colour);
    match tone {
        Tone::Plain => style,
        Tone::Strong => style.bold(),
        Tone::Faint => style.dim(),
        Tone::Good => style.green(),
        Tone::Bad => style.red(),
        Tone::Busy => style.cyan(),
        Tone::Warning => style.yellow(),
    }
}

fn set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The only clock of the CLI: ages and deadlines are shown against it, nothing is decided by it.
fn wall_clock() -> Timestamp {
    Timestamp::now()
}
