//! What an expression reads, found by walking its tree: free variables, members of `$states`, and our functions.

use std::collections::BTreeSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::value::with_stack;

/// A member of the reserved variable `$states`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatesMember {
    /// The state's input.
    Input,
    /// The result of a Task, Parallel or Map state.
    Result,
    /// What a catcher caught.
    ErrorOutput,
    /// The context object.
    Context,
}

/// What an expression reads from its surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Variables that the expression itself does not bind, without `$`; `states` and the functions are not among them.
    pub variables: BTreeSet<String>,
    /// Members of `$states`, named as `$states.input`.
    pub states: BTreeSet<StatesMember>,
    /// Whether `$states` is read in another way, so that any member may be needed.
    pub states_whole: bool,
    /// Functions that are called or passed on, the expression's own excluded. A variable that was assigned under the
    /// name of a function hides it, so these names may turn out to be variables.
    pub functions: BTreeSet<String>,
}

impl StatesMember {
    /// Every member, in the order in which `$states` holds them.
    pub const ALL: [StatesMember; 4] = [
        StatesMember::Input,
        StatesMember::Result,
        StatesMember::ErrorOutput,
        StatesMember::Context,
    ];

    /// The name after `$states.`.
    pub fn name(self) -> &'static str {
        match self {
            StatesMember::Input => "input",
            StatesMember::Result => "result",
            StatesMember::ErrorOutput => "errorOutput",
            StatesMember::Context => "context",
        }
    }
}

impl Reads {
    /// Whether the member may be read.
    pub fn reads(&self, member: StatesMember) -> bool {
        self.states_whole || self.states.contains(&member)
    }

    pub(super) fn of(tree: &AstNode) -> Reads {
        let mut walk = Walk::default();
        walk.scopes.push(BTreeSet::new());
        walk.node(tree);
        walk.reads
    }
}

/// Names of the language's functions; a variable of such a name that is not bound is the function.
const FUNCTIONS: &[&str] = &[
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "eval",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "hash",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parse",
    "parseInteger",
    "partition",
    "power",
    "random",
    "range",
    "reduce",
    "replace",
    "reverse",
    "round",
    "shuffle",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "uuid",
    "zip",
];

/// The walk keeps the names that the expression has bound, innermost block last.
#[derive(Default)]
struct Walk {
    scopes: Vec<BTreeSet<String>>,
    reads: Reads,
}

impl Walk {
    /// Trees nest as deep as the parser allows, so the stack grows on demand.
    fn node(&mut self, node: &AstNode) {
        with_stack(|| self.enter(node));
    }

    fn enter(&mut self, node: &AstNode) {
        match node {
            AstNode::Variable(name) => self.variable(name),
            AstNode::Function {
                name,
                args,
                is_builtin,
            } => self.call(name, *is_builtin, args),
            AstNode::Call { procedure, args } => {
                self.node(procedure);
                self.nodes(args);
            }
            AstNode::Path { steps } => self.path(steps),
            AstNode::Binary {
                op: BinaryOp::ColonEqual,
                lhs,
                rhs,
            } => self.binding(lhs, rhs),
            AstNode::Binary { lhs, rhs, .. } => {
                self.node(lhs);
                self.node(rhs);
            }
            AstNode::Lambda { params, body, .. } => self.scoped(params, std::slice::from_ref(body)),
            AstNode::Block(nodes) => self.scoped(&[], nodes),
            AstNode::Array(nodes) | AstNode::ArrayGroup(nodes) => self.nodes(nodes),
            AstNode::Object(pairs) => self.pairs(pairs),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input);
                self.pairs(pattern);
            }
            AstNode::Conditional {
                condition,
                then_branch,
                else_branch,
            } => {
                self.node(condition);
                self.node(then_branch);
                else_branch.iter().for_each(|branch| self.node(branch));
            }
            AstNode::Unary { operand, .. } => self.node(operand),
            AstNode::FunctionApplication(inner) => self.node(inner),
            AstNode::Sort { input, terms } => {
                self.node(input);
                terms.iter().for_each(|(term, _)| self.node(term));
            }
            AstNode::Transform {
                location,
                update,
                delete,
            } => {
                self.node(location);
                self.node(update);
                delete.iter().for_each(|fields| self.node(fields));
            }
            AstNode::String(_)
            | AstNode::Name(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::ParentVariable(_)
            | AstNode::Wildcard
            | AstNode::Descendant
            | AstNode::Parent(_) => {}
        }
    }

    fn nodes(&mut self, nodes: &[AstNode]) {
        nodes.iter().for_each(|node| self.node(node));
    }

    /// A call by name; one without `$` is of a member of the context item.
    fn call(&mut self, name: &str, has_sigil: bool, arguments: &[AstNode]) {
        if has_sigil && !self.is_bound(name) {
            self.reads.functions.insert(name.to_owned());
        }
        self.nodes(arguments);
    }

    /// Names that the nodes bind are not seen after them.
    fn scoped(&mut self, parameters: &[String], nodes: &[AstNode]) {
        self.scopes.push(parameters.iter().cloned().collect());
        self.nodes(nodes);
        self.scopes.pop();
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)]) {
        for (key, value) in pairs {
            self.node(key);
            self.node(value);
        }
    }

    /// A function may call itself by its name; any other value is made before the name is bound.
    fn binding(&mut self, name: &AstNode, value: &AstNode) {
        let is_function = matches!(value, AstNode::Lambda { .. });
        if !is_function {
            self.node(value);
        }
        if let AstNode::Variable(name) = name {
            self.bind(name);
        }
        if is_function {
            self.node(value);
        }
    }

    fn path(&mut self, steps: &[PathStep]) {
        let member = states_member(steps).filter(|_| !self.is_bound("states"));
        if let Some(member) = member {
            self.reads.states.insert(member);
        }
        for (index, step) in steps.iter().enumerate() {
            if index > 0 || member.is_none() {
                self.node(&step.node);
            }
            for name in step.focus.iter().chain(&step.index_var) {
                self.bind(name);
            }
            for stage in &step.stages {
                match stage {
                    Stage::Filter(filter) => self.node(filter),
                    Stage::KeepArray => {}
                    Stage::Index(name) => self.bind(name),
                }
            }
        }
    }

    fn variable(&mut self, name: &str) {
        // The empty name is `$`, the context item.
        if name.is_empty() || self.is_bound(name) {
            return;
        }
        if name == "states" {
            self.reads.states_whole = true;
        } else if FUNCTIONS.contains(&name) {
            self.reads.functions.insert(name.to_owned());
        } else {
            self.reads.variables.insert(name.to_owned());
        }
    }

    fn bind(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned());
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains(name))
    }
}

/// The member that a path names, when it begins `$states.<member>`.
fn states_member(steps: &[PathStep]) -> Option<StatesMember> {
    let [first, second, ..] = steps else {
        return None;
    };
    let starts = matches!(&first.node, AstNode::Variable(name) if name == "states");
    let (AstNode::Name(name) | AstNode::String(name)) = &second.node else {
        return None;
    };
    StatesMember::ALL
        .into_iter()
        .find(|member| starts && first.stages.is_empty() && member.name() == name)
}
