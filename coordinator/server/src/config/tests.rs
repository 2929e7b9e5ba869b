//! What configurations are taken, refused, and printed.

use std::ffi::OsString;
use std::io::Write as _;

use super::*;

mod callbacks;
mod integrations;

fn load(file: &str, environment: &[(&str, &str)], mut args: Args) -> Result<Config, ConfigError> {
    let mut temporary = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    temporary.write_all(file.as_bytes()).unwrap();
    args.config = Some(temporary.path().to_owned());
    let environment = environment
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::load_over(Config::default(), &args, environment)
}

fn refused(file: &str, environment: &[(&str, &str)]) -> String {
    load(file, environment, Args::default())
        .unwrap_err()
        .to_string()
}

const HASH: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

#[test]
fn the_defaults_are_sound() {
    let config = load("", &[], Args::default()).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.listen.to_string(), "127.0.0.1:8083");
    assert!(!config.authentication());
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "retention_days = 1\npartitions = 2\n[log]\nlevel = \"debug\"\nformat = \"json\"\n";
    let environment = [
        ("STEPFLEET_PARTITIONS", "4"),
        ("STEPFLEET_LOG__LEVEL", "warn"),
    ];
    let args = Args {
        log_level: Some("error".to_owned()),
        ..Args::default()
    };
    let config = load(file, &environment, args).unwrap();
    assert_eq!(config.retention_days, 1);
    assert_eq!(config.partitions, 4);
    assert_eq!(config.log.level, "error");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.session_ttl_s, 60);
}

#[test]
fn every_flag_sets_its_key() {
    let args = Args {
        listen: Some("127.0.0.1:1".parse().unwrap()),
        data: Some("d".into()),
        ephemeral: true,
        partitions: Some(8),
        log_format: Some(LogFormat::Json),
        ..Args::default()
    };
    let config = load("", &[], args).unwrap();
    assert_eq!(
        (config.listen.port(), config.data.to_str(), config.ephemeral),
        (1, Some("d"), true)
    );
    assert_eq!((config.partitions, config.log.format), (8, LogFormat::Json));
}

#[test]
fn an_unknown_key_names_itself_and_its_file() {
    let text = refused("[tls]\ncertifcate = \"x\"\n", &[]);
    assert!(text.contains("unknown key `tls.certifcate`"), "{text}");
    assert!(text.contains(".toml"), "{text}");
    let text = refused("lissten = \"x\"\n", &[]);
    assert!(text.contains("unknown key `lissten`"), "{text}");
}

#[test]
fn an_unknown_key_of_a_principal_names_itself() {
    for (list, known) in [
        ("keys", "name = \"n\"\nsha256 = \"\""),
        ("access_keys", "id = \"i\"\nsecret = \"s\""),
        ("certificates", "name = \"n\""),
    ] {
        let text = refused(&format!("[[auth.{list}]]\n{known}\npolices = []\n"), &[]);
        let expect = format!("`auth.{list}.0`: unknown field `polices`");
        assert!(text.contains(&expect), "{text}");
    }
}

#[test]
fn an_unknown_variable_of_a_section_names_itself() {
    let text = refused("", &[("STEPFLEET_TLS__CERT", "x")]);
    assert!(text.contains("unknown key `tls.cert`"), "{text}");
    assert!(text.contains("STEPFLEET_TLS__CERT"), "{text}");
}

#[test]
fn variables_of_clients_and_orchestrators_are_left_alone() {
    let environment = [
        ("STEPFLEET_ENDPOINT", "x"),
        ("STEPFLEET_PORT", "tcp://10.0.0.1:1"),
        ("OTHER", "y"),
    ];
    assert_eq!(
        load("", &environment, Args::default()).unwrap(),
        Config::default()
    );
}

#[test]
fn a_value_of_the_wrong_type_names_its_key_and_place() {
    let text = refused("listen = \"localhost\"\n", &[]);
    assert!(
        text.contains("`listen`") && text.contains(".toml"),
        "{text}"
    );
    let text = refused("", &[("STEPFLEET_RETENTION_DAYS", "ninety")]);
    assert!(
        text.contains("`retention_days`") && text.contains("STEPFLEET_RETENTION_DAYS"),
        "{text}"
    );
}

#[test]
fn a_missing_file_is_refused() {
    let args = Args {
        config: Some("does/not/exist.toml".into()),
        ..Args::default()
    };
    let error = Config::load_over(Config::default(), &args, std::iter::empty()).unwrap_err();
    assert!(error.to_string().contains("does/not/exist.toml"), "{error}");
}

#[test]
fn an_account_may_be_a_number() {
    for (text, account) in [
        ("000000000000", "000000000000"),
        ("123456789012", "123456789012"),
        ("42", "000000000042"),
    ] {
        let config = load("", &[("STEPFLEET_ARN__ACCOUNT", text)], Args::default()).unwrap();
        assert_eq!(config.arn.account, account);
    }
}

#[test]
fn keys_come_from_the_file_or_the_environment() {
    let file = format!(
        "[[auth.keys]]\nname = \"a\"\npolicies = [\"administrator\"]\nsha256 = \"{HASH}\"\nnamespace = \"111111111111\"\n"
    );
    let config = load(&file, &[], Args::default()).unwrap();
    assert_eq!(
        config.auth.keys[0].rights.namespace.as_deref(),
        Some("111111111111")
    );
    assert!(config.authentication());
    let value = format!("[{{name=\"b\",policies=[\"administrator\"],sha256=\"{HASH}\"}}]");
    let config = load("", &[("STEPFLEET_AUTH__KEYS", &value)], Args::default()).unwrap();
    assert_eq!(config.auth.keys[0].name, "b");
}

#[test]
fn a_public_address_needs_tls_and_authentication_and_is_told_how() {
    let text = refused("listen = \"0.0.0.0:8083\"\n", &[]);
    for part in [
        "0.0.0.0:8083",
        "certificate = ",
        "[[auth.keys]]",
        "client_ca",
        "127.0.0.1",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let tls = "listen = \"[::]:8083\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n";
    let text = refused(tls, &[]);
    assert!(
        !text.contains("certificate = ") && text.contains("[[auth.keys]]"),
        "{text}"
    );
    let both = format!(
        "{tls}[[auth.keys]]\nname = \"a\"\npolicies = [\"administrator\"]\nsha256 = \"{HASH}\"\n"
    );
    assert!(load(&both, &[], Args::default()).is_ok());
    let certificates = format!("{tls}client_ca = \"ca\"\nclient_auth = \"required\"\n");
    let text = refused(&certificates, &[]);
    assert!(text.contains("[[auth.certificates]]"), "{text}");
    let certificates =
        format!("{certificates}[[auth.certificates]]\nname = \"*\"\npolicies = [\"worker\"]\n");
    assert!(load(&certificates, &[], Args::default()).is_ok());
    let key_alone = format!(
        "listen = \"10.0.0.1:1\"\n[[auth.keys]]\nname = \"a\"\npolicies = [\"administrator\"]\nsha256 = \"{HASH}\"\n"
    );
    let text = refused(&key_alone, &[]);
    assert!(
        text.contains("certificate = ") && !text.contains("[[auth.keys]]"),
        "{text}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_its_name() {
    for (file, part) in [
        ("partitions = 3", "partitions"),
        ("partitions = 0", "partitions"),
        ("retention_days = 0", "retention_days"),
        ("role_default = \"me\"", "role_default"),
        ("[arn]\naccount = \"12\"", "arn.account"),
        ("[arn]\nregion = \"\"", "arn.region"),
        ("[arn]\npartition = \"a:b\"", "arn.partition"),
        ("[tls]\nkey = \"k\"", "tls.certificate"),
        ("[tls]\ncertificate = \"c\"", "tls.key"),
        ("[tls]\nclient_auth = \"required\"", "tls.client_ca"),
        (
            "[tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"a\"",
            "tls.client_auth",
        ),
        ("[[auth.keys]]\nname = \"a\"\nsha256 = \"abc\"", "sha256"),
        ("[[auth.keys]]\nname = \"a\"", "missing field `sha256`"),
        (
            "[[auth.policies]]\nname = \"worker\"\nfile = \"f\"",
            "the name `worker` is taken",
        ),
        (
            "[[auth.policies]]\nname = \"p\"",
            "`p` needs `document` or `file`",
        ),
        (
            "[[auth.policies]]\nname = \"p\"\ndocument = \"{}\"",
            "`p`: `Statement` is missing",
        ),
        ("[[auth.certificates]]\nname = \"*\"", "`*` has no policies"),
        ("[limits]\npayload_bytes_max = 0", "payload_bytes_max"),
        (
            "[limits]\npayload_bytes_max = 99999999",
            "payload_bytes_max",
        ),
        ("[limits]\nrequest_bytes_max = 10", "request_bytes_max"),
        ("[limits]\nconnections_max = 0", "connections_max"),
        ("[checkpoint]\nlog_bytes = 0", "checkpoint.log_bytes"),
    ] {
        let text = refused(file, &[]);
        assert!(text.contains(part), "{file}: {text}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let text = refused("partitions = 3\nretention_days = 0", &[]);
    assert!(
        text.contains("partitions") && text.contains("retention_days"),
        "{text}"
    );
}

#[test]
fn access_keys_are_checked_and_their_secrets_never_shown() {
    let key = "[[auth.access_keys]]\nid = \"AKID\"\nsecret = \"a secret of AKID\"\npolicies = [\"administrator\"]\n";
    let config = load(
        &format!("{key}namespace = \"111111111111\""),
        &[],
        Args::default(),
    )
    .unwrap();
    assert!(config.authentication());
    assert_eq!(config.auth.access_keys[0].secret.0, "a secret of AKID");
    assert_eq!(config.auth.skew_minutes_max, 5);
    let shown = format!("{config:?}{}", config.to_toml());
    assert!(
        !shown.contains("a secret") && shown.contains("(hidden)"),
        "{shown}"
    );
    for (text, part) in [
        (format!("{key}{key}"), "`AKID` is there twice"),
        (key.replace("AKID\"", "A/B\""), "the id `A/B` may hold"),
        (
            key.replace("a secret of AKID", "short"),
            "less than 16 characters",
        ),
        (
            format!("{key}namespace = \"1\""),
            "`AKID`: namespace `1` is not twelve digits",
        ),
    ] {
        let faults = refused(&text, &[]);
        assert!(
            faults.contains(part) && !faults.contains("a secret"),
            "{faults}"
        );
    }
}

#[test]
fn access_keys_of_a_file_count_as_those_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let with = |keys: &str, file: &str| {
        std::fs::write(&path, keys).unwrap();
        let args = Args {
            access_keys: Some(path.clone()),
            ..Args::default()
        };
        load(file, &[], args)
    };
    let key = "[[access_keys]]\nid = \"AKID\"\nname = \"deploy\"\nsecret = \"a secret of AKID\"\npolicies = [\"administrator\"]\n";
    let config = with(key, "").unwrap();
    assert!(config.authentication());
    let printed = config.to_toml();
    assert!(
        printed.contains("access_keys_file = ") && !printed.contains("AKID"),
        "{printed}"
    );
    let named = path.to_str().unwrap();
    let variable = [("STEPFLEET_AUTH__ACCESS_KEYS_FILE", named)];
    assert_eq!(load("", &variable, Args::default()).unwrap(), config);
    assert_eq!(load(&printed, &[], Args::default()).unwrap(), config);

    let twice = key.replace("[[access", "[[auth.access");
    for (keys, file, part) in [
        ("", "", "missing field `access_keys` (line 1)"),
        ("access_keys = []", "", "it holds no key"),
        (key, &*twice, "`AKID` is there twice"),
        (&*key.replace("name", "nick"), "", "unknown field `nick`"),
        (
            &*key.replace("\"a secret of AKID\"", "a secret"),
            "",
            "(line 4)",
        ),
    ] {
        let faults = with(keys, file).unwrap_err().to_string();
        assert!(
            faults.contains(part) && !faults.contains("a secret"),
            "{faults}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    let faults = load("", &variable, Args::default())
        .unwrap_err()
        .to_string();
    assert!(
        faults.contains("No such file") && faults.contains(named),
        "{faults}"
    );
}

#[test]
fn what_is_wrong_with_a_secret_is_told_without_it() {
    let broken = "[[auth.access_keys]]\nid = \"AKID\"\nsecret = wJalrXUtnFEMI\n";
    let number = broken.replace("wJalrXUtnFEMI", "7777777777777777");
    let list = [(
        "STEPFLEET_AUTH__ACCESS_KEYS",
        "[{id=\"AKID\", secret=\"wJalrXUtnFEMI\"",
    )];
    for (faults, part) in [
        (refused(broken, &[]), "line 3"),
        (refused(&number, &[]), "auth.access_keys"),
        (refused("", &list), "auth.access_keys"),
    ] {
        assert!(
            faults.contains(part) && !faults.contains("wJal") && !faults.contains("7777"),
            "{faults}"
        );
    }
}

#[test]
fn the_printed_configuration_can_be_read_again() {
    let mut config = Config::default();
    config.auth.keys.push(ApiKey {
        name: "a".into(),
        sha256: HASH.into(),
        rights: Rights {
            policies: vec!["administrator".to_owned()],
            namespace: None,
        },
    });
    config.tls.certificate = Some("c".into());
    config.tls.key = Some("k".into());
    assert_eq!(
        load(&config.to_toml(), &[], Args::default()).unwrap(),
        config
    );
}

#[test]
fn an_execution_log_needs_its_destination() {
    let missing = refused("[execution_log]\nto = \"otlp\"\n", &[]);
    assert!(missing.contains("execution_log.otlp"), "{missing}");
    let no_url = refused(
        "[execution_log]\nto = \"otlp\"\notlp = \"collector\"\n",
        &[],
    );
    assert!(no_url.contains("`collector` is no URL"), "{no_url}");
    let unused = refused("[execution_log]\nto = \"none\"\nfile = \"x\"\n", &[]);
    assert!(unused.contains("write to = \"file\""), "{unused}");
    let unknown = refused("[execution_log]\nto = \"cloudwatch\"\n", &[]);
    assert!(unknown.contains("execution_log.to"), "{unknown}");
    let zero = refused("[execution_log]\nfiles_max = 0\n", &[]);
    assert!(zero.contains("files_max must be at least 1"), "{zero}");
    let environment = [("STEPFLEET_EXECUTION_LOG__TO", "stdout")];
    let config = load("", &environment, Args::default()).unwrap();
    assert_eq!(config.execution_log.to, LogTo::Stdout);
}

#[test]
fn status_events_need_a_url() {
    let no_url = refused("[status_events]\nwebhook = \"hooks.example.com\"\n", &[]);
    assert!(no_url.contains("status_events.webhook"), "{no_url}");
    let alone = refused("[status_events]\nbearer_file = \"x\"\n", &[]);
    assert!(
        alone.contains("status_events.webhook is missing"),
        "{alone}"
    );
    let plain = "[status_events]\nwebhook = \"http://h/\"\nca = \"x\"\n";
    let plain = refused(plain, &[]);
    assert!(plain.contains("is not https"), "{plain}");
}

#[test]
fn traces_need_a_collectors_url() {
    let no_url = refused("[tracing]\notlp = \"collector:4317\"\n", &[]);
    assert!(no_url.contains("tracing.otlp"), "{no_url}");
    let none = refused("[tracing]\none_in = 0\n", &[]);
    assert!(none.contains("tracing.one_in must be at least 1"), "{none}");
}

#[test]
fn every_setting_that_is_printed_stands_in_the_table_of_the_documents() {
    fn walk(path: &str, value: &toml::Value, page: &str, missing: &mut Vec<String>) {
        if let Some(table) = value.as_table() {
            for (key, value) in table {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(&path, value, page, missing);
            }
        } else if !page.contains(&format!("`{path}`")) {
            missing.push(path.to_owned());
        }
    }
    let page = include_str!("../../../CONFIGURATION.md");
    let printed: toml::Value = toml::from_str(&Config::default().to_toml()).unwrap();
    let mut missing = Vec::new();
    walk("", &printed, page, &mut missing);
    assert!(
        missing.is_empty(),
        "not in coordinator/CONFIGURATION.md: {missing:?}"
    );
}
