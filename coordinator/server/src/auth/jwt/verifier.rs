//! Signatures, verified by the library of cryptography that TLS uses here, so that the process has one.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{self, Error};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{self as keys, UnparsedPublicKey, VerificationAlgorithm};

/// What may be configured. Neither `none` nor anything with a shared secret is here: who can read a published key could sign
/// with it.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

const RSA: [(Algorithm, &keys::RsaParameters); 6] = [
    (Algorithm::RS256, &keys::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &keys::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &keys::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &keys::RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &keys::RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &keys::RSA_PSS_2048_8192_SHA512),
];

const OTHERS: [(Algorithm, &dyn VerificationAlgorithm); 3] = [
    (Algorithm::ES256, &keys::ECDSA_P256_SHA256_FIXED),
    (Algorithm::ES384, &keys::ECDSA_P384_SHA384_FIXED),
    (Algorithm::EdDSA, &keys::ED25519),
];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: no_signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes the library use this, once.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Nobody else in this process installs one.
        let _other = PROVIDER.install_default();
    });
}

pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    let mut known = ALGORITHMS.into_iter();
    known
        .find(|(known, _)| *known == name)
        .map(|(_, algorithm)| algorithm)
}

pub(crate) fn is_algorithm(name: &str) -> bool {
    algorithm(name).is_some()
}

struct Ring {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if algorithm.family() != key.family() || algorithm.family() == AlgorithmFamily::Hmac {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(Ring {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

/// Tokens are never made here.
fn no_signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let verified = match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let key = keys::RsaPublicKeyComponents { n, e };
                key.verify(rsa(self.algorithm)?, message, signature)
            }
            DecodingKeyKind::SecretOrDer(bytes) => {
                let key = UnparsedPublicKey::new(other(self.algorithm)?, bytes);
                key.verify(message, signature)
            }
        };
        verified.map_err(|_| Error::new())
    }
}

fn rsa(algorithm: Algorithm) -> std::result::Result<&'static keys::RsaParameters, Error> {
    let mut known = RSA.into_iter();
    let found = known.find(|(known, _)| *known == algorithm);
    found
        .map(|(_, parameters)| parameters)
        .ok_or_else(Error::new)
}

fn other(algorithm: Algorithm) -> std::result::Result<&'static dyn VerificationAlgorithm, Error> {
    let mut known = OTHERS.into_iter();
    let found = known.find(|(known, _)| *known == algorithm);
    found
        .map(|(_, verification)| verification)
        .ok_or_else(Error::new)
}
