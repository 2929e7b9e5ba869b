//! The words that the tree does without, in one place: synonyms of Step Functions' words, and words that are about
//! something else than the product.

/// A word that means one of ours.
#[derive(Clone, Copy, Debug)]
pub struct Synonym {
    /// As it stands in an identifier, in lower case.
    pub word: &'static str,
    /// What to write.
    pub instead: &'static str,
    /// Folders and phrases that may hold it: terms of Step Functions, of AWS services, of other libraries.
    pub allowed: &'static [&'static str],
}

/// Words for which Step Functions has its own.
pub const SYNONYMS: &[Synonym] = &[
    Synonym {
        word: "workflow",
        instead: "state machine, or execution",
        // Step Functions' own words for `$name` and for the two types.
        allowed: &["workflow variable", "express workflow", "standard workflow"],
    },
    Synonym {
        word: "job",
        instead: "execution, task or activity task",
        // Step Functions' "run a job" (`.sync`) is spoken of where the language is; elsewhere by its name.
        allowed: &[
            "coordinator/asl/",
            "coordinator/engine/",
            "run-a-job",
            "run a job",
            "RunJob",
            "main job",
        ],
    },
    Synonym {
        word: "lease",
        instead: "attempt of a task, or epoch of a partition",
        // etcd's own word for what keeps a member's record.
        allowed: &[
            "coordinator/cluster/",
            "coordinator/store/src/etcd/",
            "lease of etcd",
            "leases of etcd",
        ],
    },
];

/// Words about how texts come about, not about the product. In rot13, so that this list is no finding itself.
pub const FOREIGN: &[&str] = &[
    "nffvfgnag",
    "pungtcg",
    "pynhqr",
    "naguebcvp",
    "bcranv",
    "pbcvybg",
    "yyz",
    "yyzf",
    "fhontrag",
];
