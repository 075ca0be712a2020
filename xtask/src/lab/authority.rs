//! The certificate authority of a lab with `--tls`: two files in the lab's folder, the key for
//! its owner only. It is good for the lab's names and loopback alone, and nobody's list of
//! trusted authorities gets it.

use std::fs;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base::mutex::lock;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData as _, SanType, date_time_ymd,
};
use ring::digest::{SHA256, digest};

use base::files::write_private;
use base::{Error, Result};
use cluster::names::{ARGOCD_HOST, DEX_HOST};

/// Steps run side by side, and more than one may want it first.
static MAKING: Mutex<()> = Mutex::new(());

/// The authority of a folder, made or not.
#[derive(Clone, Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// A certificate for a server. Its key is secret, so it cannot be printed.
pub struct Certificate {
    /// It and the authority's, in PEM.
    pub chain: String,
    /// Its key, in PEM.
    pub key: String,
}

impl Authority {
    /// That of a lab's folder.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The file of its certificate, for clients.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    fn key_file(&self) -> PathBuf {
        self.folder.join("ca.key")
    }

    /// Makes it, unless it is there. The folder has to be the lab's.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn ensure(&self) -> Result<()> {
        let _making = lock(&MAKING);
        if self.file().is_file() && self.key_file().is_file() {
            return Ok(());
        }
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = parameters().self_signed(&key).map_err(failed)?;
        // The certificate last: where it is, the authority is whole.
        for (path, pem) in [(self.key_file(), key.serialize_pem()), (self.file(), certificate.pem())] {
            write_private(&path, pem.as_bytes()).map_err(|error| {
                Error::environment(format!("{} cannot be written: {error}", path.display()))
            })?;
        }
        Ok(())
    }

    /// Its certificate in PEM.
    ///
    /// # Errors
    /// It is not there.
    pub fn pem(&self) -> Result<String> {
        self.read(&self.file())
    }

    /// What `chromium --ignore-certificate-errors-spki-list` takes: the hash of its public key,
    /// which is in every chain that it signed.
    ///
    /// # Errors
    /// It is not there.
    pub fn fingerprint(&self) -> Result<String> {
        let key = self.key()?.subject_public_key_info();
        Ok(BASE64_STANDARD.encode(digest(&SHA256, &key)))
    }

    /// A certificate for these hosts, which with `expired` is good no more.
    ///
    /// # Errors
    /// The authority is not there.
    pub fn sign(&self, hosts: &[&str], expired: bool) -> Result<Certificate> {
        let (authority, own) = (self.key()?, KeyPair::generate().map_err(failed)?);
        let mut server = CertificateParams::default();
        server.distinguished_name.push(DnType::CommonName, hosts.first().copied().unwrap_or("oidc-lab"));
        for host in hosts {
            let name = Ia5String::try_from(*host).map_err(failed)?;
            server.subject_alt_names.push(SanType::DnsName(name));
        }
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        if expired {
            server.not_after = date_time_ymd(2024, 1, 1);
        }
        let issuer = Issuer::new(parameters(), authority);
        let certificate = server.signed_by(&own, &issuer).map_err(failed)?;
        Ok(Certificate { chain: certificate.pem() + &self.pem()?, key: own.serialize_pem() })
    }

    fn key(&self) -> Result<KeyPair> {
        KeyPair::from_pem(&self.read(&self.key_file())?).map_err(failed)
    }

    fn read(&self, path: &Path) -> Result<String> {
        fs::read_to_string(path).map_err(|error| {
            Error::environment(format!("{} cannot be read: {error}", path.display()))
                .hint("`cargo xtask --tls down working` makes the lab and its authority anew")
        })
    }
}

fn parameters() -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "oidc-lab, for this lab alone");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let names = [ARGOCD_HOST, DEX_HOST, "localhost"].map(|host| GeneralSubtree::DnsName(host.to_owned()));
    let addresses = [
        CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0]),
        CidrSubnet::V6(Ipv6Addr::LOCALHOST.octets(), [255; 16]),
    ];
    let permitted = names.into_iter().chain(addresses.map(GeneralSubtree::IpAddress));
    authority.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted.collect(), excluded_subtrees: vec![] });
    authority
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::environment(format!("the lab's certificates cannot be made: {error}"))
}
