//! A certificate authority of the test's own, and certificates of it as files.

use std::path::PathBuf;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::world::World;

/// An authority that signs for servers and clients.
pub struct Certificates {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: String,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// A new authority.
    ///
    /// # Errors
    /// No key can be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self {
            issuer,
            name: name.to_owned(),
        })
    }

    /// The authority's certificate as a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn authority(&self, world: &World) -> Result<PathBuf> {
        world.file(&format!("{}.pem", self.name), self.issuer.pem())
    }

    /// Certificate and key for a server at `localhost` and 127.0.0.1.
    ///
    /// # Errors
    /// They cannot be made or written.
    pub fn server(&self, world: &World) -> Result<(PathBuf, PathBuf)> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        self.sign(world, "server", names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Certificate and key of a client.
    ///
    /// # Errors
    /// They cannot be made or written.
    pub fn client(&self, world: &World, name: &str) -> Result<(PathBuf, PathBuf)> {
        self.sign(
            world,
            name,
            vec![name.to_owned()],
            ExtendedKeyUsagePurpose::ClientAuth,
        )
    }

    fn sign(
        &self,
        world: &World,
        name: &str,
        names: Vec<String>,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<(PathBuf, PathBuf)> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let certificate = world.file(&format!("{}-{name}.crt", self.name), certificate.pem())?;
        let key = world.file(&format!("{}-{name}.key", self.name), key.serialize_pem())?;
        Ok((certificate, key))
    }
}
