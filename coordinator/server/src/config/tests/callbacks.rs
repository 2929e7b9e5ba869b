//! Which addresses callback URLs may have, and where `dev` takes its own from.

use super::*;

fn address_after(file: &str, at_listen: bool, listen: &str) -> Option<String> {
    let mut config = load(file, &[], Args::default()).unwrap();
    config.callbacks.at_listen = at_listen;
    config.know_address(listen.parse().unwrap());
    config.callbacks.url
}

#[test]
fn an_address_is_https_or_local_and_nothing_else() {
    for good in [
        "https://flow.example.com",
        "https://flow.example.com:8443/base/",
        "http://127.0.0.1:8083",
        "http://[::1]:8083",
        "http://localhost:1",
    ] {
        let file = format!("[callbacks]\nurl = \"{good}\"\nexpiry_hours = 1\n");
        let config = load(&file, &[], Args::default()).unwrap();
        assert_eq!(config.callbacks.url.as_deref(), Some(good));
        assert!(config.to_toml().contains(good));
    }
    for (bad, why) in [
        ("http://flow.example.com", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
        ("ftp://flow.example.com", "must begin with https://"),
        ("flow.example.com", "must begin with https://"),
        ("https://me:secret@flow.example.com", "nobody's name"),
        ("https://flow.example.com/?a=b", "must end with its path"),
        ("https://flow.example.com/#a", "must end with its path"),
        ("not a url", "is no URL"),
    ] {
        let text = refused(&format!("[callbacks]\nurl = \"{bad}\"\n"), &[]);
        assert!(
            text.contains("callbacks.url") && text.contains(why),
            "{text}"
        );
    }
    for hours in [0, 87_601] {
        let text = refused(&format!("[callbacks]\nexpiry_hours = {hours}\n"), &[]);
        assert!(text.contains("callbacks.expiry_hours"), "{text}");
    }
}

#[test]
fn only_dev_takes_the_address_that_it_listens_on() {
    assert_eq!(address_after("", false, "127.0.0.1:9"), None);
    let own = Some("http://127.0.0.1:9".to_owned());
    assert_eq!(address_after("", true, "127.0.0.1:9"), own);
    assert_eq!(address_after("", true, "0.0.0.0:9"), None);
    let set = "[callbacks]\nurl = \"https://a.example.com\"\n";
    let own = Some("https://a.example.com".to_owned());
    assert_eq!(address_after(set, true, "127.0.0.1:9"), own);
}
