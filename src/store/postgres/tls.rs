//! TLS to the server, by rustls: what its certificate has to prove under each of libpq's modes.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::domain::database::Tls;
use crate::store::{ServerTrouble, StoreError};

/// Whether the connection is encrypted; what the certificate proves is [`connector`]'s.
pub(super) const fn mode(tls: &Tls) -> SslMode {
    match tls {
        Tls::Disable => SslMode::Disable,
        Tls::Prefer => SslMode::Prefer,
        Tls::Require | Tls::VerifyCa(_) | Tls::VerifyFull(_) => SslMode::Require,
    }
}

/// Makes connections as `tls` demands.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect, StoreError> {
    let provider = Arc::new(ring::default_provider());
    let unusable = |error: Error| {
        let text = format!("the system's certificates cannot be used: {error}");
        StoreError::Server(ServerTrouble::Authorities, text)
    };
    let config = ClientConfig::builder_with_provider(provider.clone());
    let config = config.with_safe_default_protocol_versions().map_err(unusable)?;
    let proof = match tls {
        Tls::Disable | Tls::Prefer | Tls::Require => Proof::Nothing,
        Tls::VerifyCa(file) => Proof::Authority(Authorities::read(file)?),
        Tls::VerifyFull(Some(file)) => Proof::AuthorityAndName(Authorities::read(file)?),
        Tls::VerifyFull(None) => {
            let config = config.with_platform_verifier().map_err(unusable)?;
            return Ok(MakeRustlsConnect::new(config.with_no_client_auth()));
        }
    };
    let verifier = Arc::new(Verifier { proof, provider });
    Ok(MakeRustlsConnect::new(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// What a certificate has to prove.
#[derive(Debug)]
enum Proof {
    Nothing,
    Authority(Authorities),
    AuthorityAndName(Authorities),
}

/// Whose word is taken.
#[derive(Debug)]
struct Authorities {
    roots: RootCertStore,
    /// The same, as they are in the file.
    certificates: Vec<CertificateDer<'static>>,
}

impl Authorities {
    fn read(file: &Path) -> Result<Self, StoreError> {
        let wrong = |why: String| {
            let text = format!("the certificates of sslrootcert {} cannot be used: {why}", file.display());
            StoreError::Server(ServerTrouble::Authorities, text)
        };
        let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
        let certificates: Vec<CertificateDer<'static>> = read.map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() {
            return Err(wrong("there is none in it".to_owned()));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(Self { roots, certificates })
    }
}

#[derive(Debug)]
struct Verifier {
    proof: Proof,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check_authority(
        &self,
        authorities: &Authorities,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        // A server that signed its own certificate: the file has that very one. It needs no chain, and has none.
        if authorities.certificates.iter().any(|known| known == certificate) {
            return Ok(());
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &authorities.roots, intermediates, now, algorithms)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.proof {
            Proof::Nothing => {}
            Proof::Authority(authorities) => self.check_authority(authorities, certificate, intermediates, now)?,
            Proof::AuthorityAndName(authorities) => {
                self.check_authority(authorities, certificate, intermediates, now)?;
                verify_server_name(&ParsedCertificate::try_from(certificate)?, host)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    // That the server has the certificate's key is proved in every mode: channel binding rests on it.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
