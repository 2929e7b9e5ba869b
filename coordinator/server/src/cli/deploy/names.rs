//! Names and ARNs that a deployment makes up: where the stack lives, names of resources that the template does not
//! name, and what stands for resources that are not made here.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Characters of a name.
const NAME_CHARS_MAX: usize = 80;
const HASH_CHARS: usize = 12;
/// Of a logical id in a generated name, so that something of the stack's name stays.
const LOGICAL_ID_CHARS_MAX: usize = 40;

/// Where a stack lives: what the pseudo parameters tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: String,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) stack: String,
}

/// What `Ref` and `Fn::GetAtt` give of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) reference: String,
    pub(super) others: BTreeMap<&'static str, String>,
}

impl Place {
    /// Reads the prefix of the coordinator's ARNs.
    pub(super) fn new(arn_prefix: &str, stack: &str) -> Option<Self> {
        let mut parts = arn_prefix.split(':').skip(1);
        let partition = parts.next()?.to_owned();
        let (region, account) = (parts.nth(1)?.to_owned(), parts.next()?.to_owned());
        Some(Self {
            partition,
            region,
            account,
            stack: stack.to_owned(),
        })
    }

    pub(super) fn machine_arn(&self, name: &str) -> String {
        self.arn("states", &format!("stateMachine:{name}"))
    }

    pub(super) fn activity_arn(&self, name: &str) -> String {
        self.arn("states", &format!("activity:{name}"))
    }

    pub(super) fn role_arn(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:role/{name}", self.partition, self.account)
    }

    /// `AWS::URLSuffix`
    pub(super) fn url_suffix(&self) -> &'static str {
        match self.partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        }
    }

    /// `AWS::StackId`: the same in every deployment.
    pub(super) fn stack_id(&self) -> String {
        let id = hash(&[&self.stack, "stack"]);
        self.arn(
            "cloudformation",
            &format!("stack/{}/{}", self.stack, &id[..32]),
        )
    }

    /// The name of a resource that the template does not name. CloudFormation draws such names; here they follow from
    /// the stack, the logical id and the properties that cannot change, so that the next deployment finds them again.
    pub(super) fn generated(&self, logical_id: &str, fixed: &str) -> String {
        let hash = &hash(&[&self.stack, logical_id, fixed])[..HASH_CHARS];
        let id: String = logical_id.chars().take(LOGICAL_ID_CHARS_MAX).collect();
        let left = NAME_CHARS_MAX - HASH_CHARS - 2 - id.chars().count();
        let stack: String = self.stack.chars().take(left).collect();
        format!("{stack}-{id}-{hash}")
    }

    /// What stands for a resource that is not made here, as AWS would name it.
    pub(super) fn stand_in(&self, type_name: &str, name: &str) -> Attributes {
        let arn = match type_name {
            "AWS::IAM::Role" => self.role_arn(name),
            "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" => {
                format!("arn:{}:iam::{}:policy/{name}", self.partition, self.account)
            }
            "AWS::Logs::LogGroup" => self.arn("logs", &format!("log-group:{name}:*")),
            "AWS::Lambda::Function" | "AWS::Serverless::Function" => {
                self.arn("lambda", &format!("function:{name}"))
            }
            "AWS::SQS::Queue" => self.arn("sqs", name),
            "AWS::SNS::Topic" => self.arn("sns", name),
            "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => {
                self.arn("dynamodb", &format!("table/{name}"))
            }
            "AWS::S3::Bucket" => format!("arn:{}:s3:::{name}", self.partition),
            other => {
                let mut parts = other.split("::").skip(1);
                let service = parts.next().unwrap_or_default().to_lowercase();
                let kind = parts.last().unwrap_or_default().to_lowercase();
                self.arn(&service, &format!("{kind}/{name}"))
            }
        };
        let reference = match type_name {
            "AWS::SNS::Topic" => arn.clone(),
            "AWS::SQS::Queue" => format!(
                "https://sqs.{}.{}/{}/{name}",
                self.region,
                self.url_suffix(),
                self.account
            ),
            _ => name.to_owned(),
        };
        Attributes {
            reference,
            others: BTreeMap::from([("Arn", arn)]),
        }
    }

    fn arn(&self, service: &str, rest: &str) -> String {
        let Self {
            partition,
            region,
            account,
            ..
        } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{rest}")
    }
}

fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(stack: &str) -> Place {
        Place::new("arn:aws:states:us-east-1:000000000000:", stack).unwrap()
    }

    #[test]
    fn generated_names_are_stable_and_fit() {
        let name = place("shop").generated("Orders", "STANDARD");
        assert_eq!(name, place("shop").generated("Orders", "STANDARD"));
        assert!(
            name.starts_with("shop-Orders-") && name.len() == 24,
            "{name}"
        );
        let others = [
            place("shop2").generated("Orders", "STANDARD"),
            place("shop").generated("Order", "STANDARD"),
            place("shop").generated("Orders", "EXPRESS"),
        ];
        assert!(!others.contains(&name));
        let long = place(&"s".repeat(128)).generated(&"L".repeat(100), "");
        assert_eq!(long.len(), 80);
    }

    #[test]
    fn stand_ins_have_the_arns_of_their_service() {
        let place = place("shop");
        let arn = |kind: &str| place.stand_in(kind, "x").others["Arn"].clone();
        let cases = [
            ("AWS::IAM::Role", "arn:aws:iam::000000000000:role/x"),
            (
                "AWS::Logs::LogGroup",
                "arn:aws:logs:us-east-1:000000000000:log-group:x:*",
            ),
            (
                "AWS::Lambda::Function",
                "arn:aws:lambda:us-east-1:000000000000:function:x",
            ),
            (
                "AWS::Events::Rule",
                "arn:aws:events:us-east-1:000000000000:rule/x",
            ),
        ];
        for (kind, expect) in cases {
            assert_eq!(arn(kind), expect);
        }
        let topic = place.stand_in("AWS::SNS::Topic", "x");
        assert_eq!(topic.reference, topic.others["Arn"]);
    }
}
