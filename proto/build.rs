//! Compiles every `.proto` of this crate with protox, so that no `protoc` is needed, and turns `actions.txt` into what a
//! request asks for. An RPC of the API that the table does not name fails the build: nobody could say who may call it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet, MethodDescriptorProto};

const API: &str = "stepfleet.v1";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let mut files = Vec::new();
    for folder in ["stepfleet/v1", "stepfleet/record/v1"] {
        collect(&root.join(folder), &mut files)?;
        println!("cargo:rerun-if-changed={folder}");
    }
    println!("cargo:rerun-if-changed=actions.txt");
    let descriptors = protox::compile(&files, [&root]).map_err(io::Error::other)?;
    let table = fs::read_to_string(root.join("actions.txt"))?;
    let actions = actions(&table, &descriptors)
        .map_err(|faults| io::Error::other(format!("proto/actions.txt:\n{}", faults.join("\n"))))?;
    fs::write(out.join("actions.rs"), actions)?;
    fs::write(out.join("stepfleet.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// The code of the table, or everything that is wrong with it.
fn actions(table: &str, descriptors: &FileDescriptorSet) -> Result<String, Vec<String>> {
    let mut lines = BTreeMap::new();
    let mut faults = Vec::new();
    for line in table.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["#", ..] => {}
            [rpc, action, on @ ..] if action.contains(':') => {
                if lines.insert(*rpc, (*action, on.to_vec())).is_some() {
                    faults.push(format!("{rpc} is there twice"));
                }
            }
            _ => faults.push(format!("not RPC, action and what it is on: {line}")),
        }
    }
    let mut known = String::from("pub const ACTIONS: &[(&str, Action)] = &[\n");
    let mut code = String::new();
    for (service, method) in methods(descriptors) {
        let rpc = method.name();
        let Some((action, on)) = lines.remove(rpc) else {
            faults.push(format!(
                "{rpc} of {service} has no line: which action is it, and on what?"
            ));
            continue;
        };
        let action = constant(action);
        let _ = writeln!(
            known,
            "    ({:?}, {action}),",
            format!("{API}.{service}/{rpc}")
        );
        match (subject(&on, method, descriptors), method.client_streaming()) {
            (Ok(None), true) => {}
            (Ok(Some(subject)), false) => code.push_str(&authorized(method, &action, &subject)),
            (Ok(None), false) => faults.push(format!("{rpc} is no stream of requests")),
            (Ok(Some(_)), true) => {
                faults.push(format!("{rpc} is a stream of requests: write `stream`"))
            }
            (Err(fault), _) => faults.push(format!("{rpc}: {fault}")),
        }
    }
    faults.extend(lines.keys().map(|rpc| format!("{rpc} is no RPC of {API}")));
    if faults.is_empty() {
        Ok(format!(
            "/// Every RPC of the API with its action.\n{known}];\n\n{code}"
        ))
    } else {
        Err(faults)
    }
}

fn methods(descriptors: &FileDescriptorSet) -> Vec<(&str, &MethodDescriptorProto)> {
    let files = descriptors.file.iter().filter(|file| file.package() == API);
    let services = files.flat_map(|file| &file.service);
    services
        .flat_map(|service| service.method.iter().map(|method| (service.name(), method)))
        .collect()
}

fn constant(action: &str) -> String {
    let (service, name) = action.split_once(':').unwrap_or_default();
    format!("Action {{ service: {service:?}, name: {name:?} }}")
}

fn authorized(method: &MethodDescriptorProto, action: &str, subject: &str) -> String {
    let message = method.input_type().rsplit('.').next().unwrap_or_default();
    format!(
        "impl Authorized for v1::{message} {{\n    const ACTION: Action = {action};\n    \
         fn subject(&self) -> Subject<'_> {{\n        {subject}\n    }}\n}}\n\n"
    )
}

/// The expression of what a request is on; none for a stream.
fn subject(
    on: &[&str],
    method: &MethodDescriptorProto,
    descriptors: &FileDescriptorSet,
) -> Result<Option<String>, String> {
    let message = message(descriptors, method.input_type())?;
    Ok(match on {
        ["stream"] => None,
        ["all", kind] => Some(format!("Subject::All {{ kind: {kind:?} }}")),
        ["name", kind, field] => {
            let name = text_field(message, field)?;
            Some(format!(
                "Subject::Named {{ kind: {kind:?}, name: &self.{name} }}"
            ))
        }
        ["token", field] => Some(format!(
            "Subject::Token(&self.{})",
            text_field(message, field)?
        )),
        ["arn", place] => Some(match place.split_once("[0].") {
            None => format!("Subject::Arn(&self.{})", text_field(message, place)?),
            Some((list, field)) => {
                let item = message.field.iter().find(|known| known.name() == list);
                let item = item.ok_or_else(|| format!("the request has no field `{list}`"))?;
                let field = text_field(self::message(descriptors, item.type_name())?, field)?;
                format!("Subject::Arn(self.{list}.first().map_or(\"\", |item| &item.{field}))")
            }
        }),
        _ => return Err(format!("not understood: `{}`", on.join(" "))),
    })
}

fn message<'a>(
    descriptors: &'a FileDescriptorSet,
    name: &str,
) -> Result<&'a DescriptorProto, String> {
    let short = name.rsplit('.').next().unwrap_or_default();
    let files = descriptors.file.iter().filter(|file| file.package() == API);
    files
        .flat_map(|file| &file.message_type)
        .find(|message| message.name() == short)
        .ok_or_else(|| format!("there is no message {name}"))
}

fn text_field<'a>(message: &DescriptorProto, field: &'a str) -> Result<&'a str, String> {
    let known = message.field.iter().find(|known| known.name() == field);
    match known.map(|known| known.r#type()) {
        Some(Type::String) => Ok(field),
        Some(_) => Err(format!("`{field}` is no text")),
        None => Err(format!("the request has no field `{field}`")),
    }
}
