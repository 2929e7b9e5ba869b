//! Tokens of a local issuer that signs: which are believed, and what happens when keys change or cannot be had.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::json;

use super::*;
use crate::auth::{Access, Authenticator};
use crate::config::IssuerRule;
use crate::outbound::testing::{Endpoint, Reply, open};

const NOW_S: i64 = 1_700_000_000;
/// Made for these tests alone.
const RSA: &str = include_str!("rsa-for-tests.txt");

#[derive(Debug)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    fn rsa() -> Self {
        let der = BASE64
            .decode(RSA.split_whitespace().collect::<String>().as_bytes())
            .unwrap();
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der).unwrap()))
    }

    fn ec() -> Self {
        let (random, of) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = EcdsaKeyPair::generate_pkcs8(of, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(of, key.as_ref(), &random).unwrap())
    }

    fn ed() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    fn jwk(&self, id: &str) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match self {
            Self::Rsa(key) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "n": text(&public.n), "e": text(&public.e)})
            }
            Self::Ec(key) => {
                let point = &key.public_key().as_ref()[1..];
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": text(&point[..32]), "y": text(&point[32..])})
            }
            Self::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": text(key.public_key().as_ref())})
            }
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    message.as_bytes(),
                    &mut signature,
                )
                .unwrap();
                signature
            }
            Self::Ec(key) => key
                .sign(&random, message.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Ed(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    fn token(&self, id: &str, claims: &Value) -> String {
        self.sign(
            &json!({"alg": self.algorithm(), "typ": "JWT", "kid": id}),
            claims,
        )
    }
}

/// An issuer on a port of its own: what it publishes can be changed, and it can be down.
struct World {
    endpoint: Endpoint,
    keys: Arc<Mutex<Option<Value>>>,
    clock: Arc<SetClock>,
    config: Config,
}

impl World {
    async fn new(keys: Option<Value>) -> Self {
        let keys = Arc::new(Mutex::new(keys));
        let (published, url) = (keys.clone(), Arc::new(Mutex::new(String::new())));
        let own = url.clone();
        let endpoint = Endpoint::new(move |received| {
            let body = match published.lock().unwrap().clone() {
                None => return Reply::of("503 Down", "text/plain", ""),
                Some(_) if received.line.contains("openid-configuration") => {
                    let url = own.lock().unwrap().clone();
                    json!({"issuer": url, "jwks_uri": format!("{url}/keys")})
                }
                Some(keys) => keys,
            };
            Reply::of("200 OK", "application/json", &body.to_string())
        })
        .await;
        url.lock().unwrap().clone_from(&endpoint.url);
        let mut config = Config {
            http: open(),
            ..Config::default()
        };
        config.auth.issuers = vec![config::Issuer {
            name: "corp".to_owned(),
            issuer: endpoint.url.clone(),
            audience: "stepfleet".to_owned(),
            jwks_url: None,
            algorithms: ["RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec(),
            principal_claim: "sub".to_owned(),
            policies_claim: Some("policies".to_owned()),
            policies_allowed: vec!["worker".to_owned(), "caller".to_owned()],
            namespace: Some("111111111111".to_owned()),
            rules: vec![IssuerRule {
                claim: "groups".to_owned(),
                value: "ops".to_owned(),
                policies: vec!["operator".to_owned()],
            }],
        }];
        config.check().unwrap();
        Self {
            endpoint,
            keys,
            clock: Arc::new(SetClock(AtomicI64::new(NOW_S * 1000))),
            config,
        }
    }

    fn issuers(&self) -> Issuers {
        let outbound = Outbound::new(&self.config.http).unwrap();
        Issuers::of(&self.config, &outbound, self.clock.clone())
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.endpoint.url, "aud": "stepfleet", "sub": "alice", "exp": NOW_S + 600, "nbf": NOW_S - 10,
        })
    }

    fn publish(&self, keys: &[Value]) {
        *self.keys.lock().unwrap() = Some(json!({ "keys": keys }));
    }

    fn pass(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn fetches(&self) -> usize {
        let received = self.endpoint.received();
        received
            .iter()
            .filter(|request| request.line.contains("/keys"))
            .count()
    }
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn signatures_of_each_kind_are_believed_and_nothing_else() {
    let (rsa, ec, ed) = (Signer::rsa(), Signer::ec(), Signer::ed());
    let world = World::new(None).await;
    // A key that nobody knows, one for encryption and a shared secret stand beside those that count.
    let odd = json!({"kty": "XYZ", "kid": "odd"});
    let mut encryption = ec.jwk("enc");
    encryption["use"] = "enc".into();
    let shared = json!({"kty": "oct", "kid": "shared", "k": "c2VjcmV0"});
    world.publish(&[
        odd,
        encryption,
        shared,
        rsa.jwk("r"),
        ec.jwk("e"),
        ed.jwk("d"),
    ]);
    let issuers = world.issuers();
    let claims = world.claims();
    for (signer, id) in [(&rsa, "r"), (&ec, "e"), (&ed, "d")] {
        let identity = issuers.identify(&signer.token(id, &claims)).await.unwrap();
        assert_eq!(&*identity.principal, "corp:alice");
        assert_eq!(&*identity.namespace, "111111111111");
        assert_eq!(identity.expires_at, Timestamp((NOW_S + 660) * 1000));
        assert!(identity.policies.is_empty());
    }
    let header = |algorithm: &str, id: &str| json!({"alg": algorithm, "kid": id});
    let good = ec.token("e", &claims);
    let mut forged: Vec<&str> = good.split('.').collect();
    let other = BASE64URL_NOPAD.encode(with(&claims, "sub", "eve".into()).to_string().as_bytes());
    forged[1] = &other;
    for (token, expect) in [
        (ec.token("d", &claims), Refused::NoKey),
        (ec.token("enc", &claims), Refused::NoKey),
        (Signer::ec().token("e", &claims), Refused::Signature),
        (forged.join("."), Refused::Signature),
        (
            ec.sign(&header("HS256", "shared"), &claims),
            Refused::Algorithm,
        ),
        (ec.sign(&header("ES384", "e"), &claims), Refused::Algorithm),
        (ec.sign(&header("none", "e"), &claims), Refused::Unknown),
        (ec.sign(&header("RS256", "e"), &claims), Refused::NoKey),
        ("a.b.c".to_owned(), Refused::Unknown),
    ] {
        let refused = issuers.identify(&token).await;
        assert_eq!(refused.err(), Some(expect), "{token}");
    }
}

#[tokio::test]
async fn a_token_counts_for_whom_and_when_it_says() {
    let ec = Signer::ec();
    let world = World::new(None).await;
    world.publish(&[ec.jwk("e")]);
    let issuers = world.issuers();
    let claims = world.claims();
    for (token, expect) in [
        (
            ec.token("e", &with(&claims, "iss", "https://elsewhere".into())),
            Refused::Unknown,
        ),
        (
            ec.token("e", &with(&claims, "aud", "others".into())),
            Refused::Audience,
        ),
        (
            ec.token("e", &with(&claims, "exp", json!(NOW_S - 60))),
            Refused::Time,
        ),
        (
            ec.token("e", &with(&claims, "nbf", json!(NOW_S + 61))),
            Refused::Time,
        ),
        (
            ec.token("e", &with(&claims, "exp", Value::Null)),
            Refused::Claims("`exp` is missing"),
        ),
        (
            ec.token("e", &with(&claims, "sub", json!(7))),
            Refused::Claims("the claim of the principal is missing"),
        ),
    ] {
        let refused = issuers.identify(&token).await;
        assert_eq!(refused.err(), Some(expect), "{token}");
    }
    // Within the leeway.
    for (name, value) in [("exp", NOW_S - 59), ("nbf", NOW_S + 60)] {
        let token = ec.token("e", &with(&claims, name, json!(value)));
        assert!(issuers.identify(&token).await.is_ok(), "{name}");
    }
    let among = ec.token("e", &with(&claims, "aud", json!(["others", "stepfleet"])));
    assert!(issuers.identify(&among).await.is_ok());
}

#[tokio::test]
async fn claims_give_policies_as_far_as_the_configuration_lets_them() {
    let signer = Signer::ec();
    let world = World::new(None).await;
    world.publish(&[signer.jwk("k")]);
    let issuers = world.issuers();
    for (claims, policies) in [
        (json!({}), vec![]),
        (
            json!({"policies": ["worker", "administrator"]}),
            vec!["worker"],
        ),
        (
            json!({"policies": "caller worker"}),
            vec!["caller", "worker"],
        ),
        (json!({"groups": ["staff", "ops"]}), vec!["operator"]),
        (
            json!({"groups": "ops", "policies": ["worker"]}),
            vec!["operator", "worker"],
        ),
        (json!({"groups": {"ops": true}}), vec![]),
    ] {
        let mut all = world.claims();
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let identity = issuers.identify(&signer.token("k", &all)).await.unwrap();
        assert_eq!(identity.policies, policies, "{claims}");
    }
}

#[tokio::test]
async fn keys_that_changed_are_fetched_but_not_for_every_stranger() {
    let (first, second) = (Signer::ec(), Signer::ed());
    let world = World::new(None).await;
    world.publish(&[first.jwk("1")]);
    let (issuers, claims) = (world.issuers(), world.claims());
    assert!(issuers.identify(&first.token("1", &claims)).await.is_ok());
    world.publish(&[second.jwk("2")]);
    for _ in 0..10 {
        let refused = issuers.identify(&second.token("2", &claims)).await;
        assert_eq!(refused, Err(Refused::NoKey));
    }
    assert_eq!(world.fetches(), 1);
    world.pass(PAUSE_MS);
    assert!(issuers.identify(&second.token("2", &claims)).await.is_ok());
    assert_eq!(
        issuers.identify(&first.token("1", &claims)).await,
        Err(Refused::NoKey)
    );
    assert_eq!(world.fetches(), 2);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_asked_again_and_its_keys_go_on_for_a_while() {
    let signer = Signer::ec();
    let world = World::new(None).await;
    let (issuers, claims) = (
        world.issuers(),
        with(&world.claims(), "exp", json!(NOW_S + 90_000)),
    );
    let token = signer.token("k", &claims);
    let refused = issuers.identify(&token).await.unwrap_err();
    assert!(refused.to_string().contains("status 503"), "{refused}");
    world.publish(&[signer.jwk("k")]);
    world.pass(PAUSE_MS);
    assert!(issuers.identify(&token).await.is_ok());
    *world.keys.lock().unwrap() = None;
    world.pass(3_600_000);
    assert!(issuers.identify(&token).await.is_ok());
    world.pass(6 * 3_600_000);
    assert!(matches!(
        issuers.identify(&token).await,
        Err(Refused::NoKeys(_))
    ));
}

#[tokio::test]
async fn what_a_token_opens_ends_with_it() {
    let signer = Signer::ec();
    let world = World::new(None).await;
    world.publish(&[signer.jwk("k")]);
    let clock: Arc<dyn Clock> = world.clock.clone();
    let access = Arc::new(Access::of(&world.config, clock.clone()).unwrap());
    let authenticator = Authenticator::new(&world.config, access, clock).believing(world.issuers());
    let token = signer.token("k", &world.claims());
    let caller = authenticator.identify(&token).await.unwrap();
    assert!(!caller.permit.has_ended());
    world.pass(660_000);
    assert!(caller.permit.has_ended());
    let refused = authenticator.identify(&token).await.unwrap_err();
    assert_eq!(refused.code.as_str(), "UnrecognizedClientException");
}
