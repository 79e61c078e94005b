//! HTTPS for clients whose address is fixed to `https://web.whatsapp.com`: decrypts and forwards
//! every byte. The certificate is good for that name and for `localhost`, and for no other.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::PublicKeyData;
use sha2::{Digest, Sha256};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// The address of the front, its certificate in PEM, and the hash of its public key.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) certificate: String,
}

pub(crate) async fn front(port: u16, inner: SocketAddr) -> Result<(Front, JoinHandle<()>)> {
    let certified = rcgen::generate_simple_self_signed(vec![
        "web.whatsapp.com".into(),
        "mmg.whatsapp.net".into(),
        "localhost".into(),
    ])?;
    let hash = BASE64_STANDARD.encode(Sha256::digest(
        certified.signing_key.subject_public_key_info(),
    ));
    let certificate = pem(certified.cert.der());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        certified.signing_key.serialize_der(),
    ));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("cannot listen on port {port}"))?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        // Dropped with this task, which ends the connections.
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            while connections.try_join_next().is_some() {}
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                // Errors are ignored: a client may close its connection at any time.
                let _ = stream.set_nodelay(true);
                if let (Ok(mut outer), Ok(mut inner)) = (
                    acceptor.accept(stream).await,
                    TcpStream::connect(inner).await,
                ) {
                    let _ = inner.set_nodelay(true);
                    let _ = copy_bidirectional(&mut outer, &mut inner).await;
                }
            });
        }
    });
    let front = Front {
        address,
        key: hash,
        certificate,
    };
    Ok((front, task))
}

/// A certificate in the form of the files in which machines keep those that they trust.
fn pem(der: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (at, character) in encoded.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem + "\n-----END CERTIFICATE-----\n"
}
