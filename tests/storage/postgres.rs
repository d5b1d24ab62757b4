//! PostgreSQL as people meet it: what `sslmode` demands is demanded of a real server, and whatever stands in the way is
//! named with its cure.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use refairn_bridge::domain::database::ServerUrl;
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::store::{ServerTrouble, Store, StoreError};

use crate::kit::command::{Dir, finish, same_as_before};
use crate::kit::postgres::{Server, free_port};

/// Whether the bridge's connections to a database are encrypted.
const ENCRYPTED: &str = "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
     WHERE a.datname = 'postgres' AND a.application_name = 'refairn-bridge'";

pub(crate) async fn connect(url: &str) -> Result<Store, StoreError> {
    Store::connect(&ServerUrl::parse(url).expect("an address"), 16, Policy::default()).await
}

/// What comes of connecting to the server, as this user at this host: whether it is encrypted, or what is in the way.
async fn outcome(server: &Server, login: &str, host: &str, settings: &str) -> Result<bool, ServerTrouble> {
    let url = format!("postgres://{login}@{host}:{}/postgres?{settings}", server.port());
    match connect(&url).await {
        Ok(store) => {
            store.probe().await.expect("it takes a write");
            let encrypted = server.run("postgres", &[ENCRYPTED]);
            store.close().await;
            drop(store);
            server.run(
                "postgres",
                &["SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'refairn-bridge'"],
            );
            Ok(encrypted == "t")
        }
        Err(StoreError::Server(trouble, _)) => Err(trouble),
        Err(other) => panic!("{settings}: {other:?}"),
    }
}

#[tokio::test]
async fn sslmode_is_kept() {
    let server = Server::with_tls();
    server.run("postgres", &["CREATE ROLE secured LOGIN SUPERUSER PASSWORD 'hunter2'"]);
    let (ca, stranger) = (server.file("ca.pem"), server.file("stranger.pem"));
    let own = server.file("server.pem");
    let check = async |settings: &str, host: &str, expected: Result<bool, ServerTrouble>| {
        for login in ["postgres", "secured:hunter2"] {
            assert_eq!(outcome(&server, login, host, settings).await, expected, "{login} {host} {settings}");
        }
    };
    check("sslmode=disable", "localhost", Ok(false)).await;
    check("sslmode=prefer", "127.0.0.1", Ok(true)).await;
    check("", "127.0.0.1", Ok(true)).await;
    check("sslmode=require", "127.0.0.1", Ok(true)).await;
    check("sslmode=verify-full", "localhost", Err(ServerTrouble::Tls)).await;
    let with = |mode: &str, roots: &str| format!("sslmode={mode}&sslrootcert={roots}");
    check(&with("verify-full", &ca), "localhost", Ok(true)).await;
    check(&with("verify-full", &ca), "127.0.0.1", Err(ServerTrouble::Tls)).await;
    check(&with("verify-full", &stranger), "localhost", Err(ServerTrouble::Tls)).await;
    check(&with("verify-full", &own), "localhost", Ok(true)).await;
    check(&with("verify-full", &own), "127.0.0.1", Err(ServerTrouble::Tls)).await;
    check(&with("verify-ca", &ca), "127.0.0.1", Ok(true)).await;
    check(&with("verify-ca", &stranger), "127.0.0.1", Err(ServerTrouble::Tls)).await;
    check(&with("require", &stranger), "127.0.0.1", Err(ServerTrouble::Tls)).await;
    check(&with("verify-ca", "/nowhere.pem"), "127.0.0.1", Err(ServerTrouble::Authorities)).await;
    check(&with("verify-ca", &server.file("ca.key")), "127.0.0.1", Err(ServerTrouble::Authorities)).await;
    // Only a password that is proved over TLS can be bound to it.
    let bound = "sslmode=require&channel_binding=require";
    assert_eq!(outcome(&server, "secured:hunter2", "localhost", bound).await, Ok(true));

    server.run("postgres", &["ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()"]);
    let give_up = Instant::now() + Duration::from_secs(20);
    while server.run("postgres", &["SHOW ssl"]) != "off" {
        assert!(Instant::now() < give_up, "TLS is not turned off");
    }
    check("sslmode=disable", "127.0.0.1", Ok(false)).await;
    check("sslmode=prefer", "127.0.0.1", Ok(false)).await;
    for settings in ["sslmode=require".to_owned(), with("verify-ca", &ca), with("verify-full", &ca)] {
        check(&settings, "localhost", Err(ServerTrouble::NoTls)).await;
    }
}

/// What `check` finds of the database at this address.
fn checked(url: &str) -> String {
    let dir = Dir::new();
    let mut command = dir.command(&["check", "--json"]);
    let own = [("BRIDGE_LISTEN", format!("127.0.0.1:{}", free_port())), ("DATABASE_URL", url.to_owned())];
    let refairn = ["REFAIRN_API_KEY", "REFAIRN_BUSINESS_ID", "REFAIRN_PRODUCT_ID", "STRIPE_WEBHOOK_SECRET"];
    command.envs(own).envs(refairn.map(|name| (name, "made-up"))).env("REFAIRN_BASE_URL", "http://127.0.0.1:1");
    let json: serde_json::Value = serde_json::from_str(&finish(command).stdout).expect("JSON");
    let findings = json["findings"].as_array().expect("a list").iter();
    let of_storage = |f: &&serde_json::Value| f["area"] == "storage" || f["what"].to_string().contains("storage.url");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    findings.filter(of_storage).map(|f| format!("  {}\n  cure: {}\n", text(&f["what"]), text(&f["cure"]))).collect()
}

#[test]
fn what_stands_in_the_way_is_named_with_its_cure() {
    let server = Server::with_tls();
    server.run(
        "postgres",
        &[
            "CREATE ROLE secured LOGIN PASSWORD 'hunter2'",
            "CREATE ROLE guest LOGIN",
            "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0",
            "CREATE ROLE reader LOGIN SUPERUSER",
            "ALTER ROLE reader SET default_transaction_read_only = on",
            "CREATE DATABASE newer",
            "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0",
            "CREATE DATABASE moved",
            "CREATE ROLE lost LOGIN",
            "ALTER ROLE lost SET search_path = nowhere",
        ],
    );
    server.run("newer", &["CREATE TABLE schema_version (version BIGINT)", "INSERT INTO schema_version VALUES (99)"]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let of_silent = silent.local_addr().expect("an address").port();
    let port = server.port();
    let mut texts = String::new();
    let mut check = |about: &str, url: String| {
        let found = checked(&url);
        assert!(!found.contains("hunter") && !found.is_empty(), "{url}: {found}");
        texts.push_str(&format!("{about}\n{}\n", found.replace(&port.to_string(), "PORT")));
    };
    let at = |login: &str, database: &str| format!("postgres://{login}@localhost:{port}/{database}");
    check("nothing listens", format!("postgres://postgres@127.0.0.1:{}/postgres", free_port()));
    check("nobody answers", format!("postgres://postgres@127.0.0.1:{of_silent}/postgres"));
    check("the password is wrong", at("secured:hunter3", "postgres"));
    check("there is no password", at("secured", "postgres"));
    check("there is no such database", at("postgres", "nowhere"));
    check("the user may make no table", at("guest", "postgres"));
    check("there are too many connections", at("crowd", "postgres"));
    check("nothing can be written", at("reader", "postgres"));
    check("the schema is newer", at("postgres", "newer"));
    check("the database cannot hold every text", at("postgres", "latin"));
    check("the store was made just now", at("postgres", "moved"));
    server.run("moved", &["CREATE SCHEMA postgres"]);
    check("the store is in another schema", at("postgres", "moved"));
    check("there is no schema", at("lost", "postgres"));
    check("the certificate is for another name", {
        format!(
            "postgres://postgres@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={}",
            server.file("ca.pem")
        )
    });
    check("nobody known has signed the certificate", at("postgres", "postgres?sslmode=verify-full"));
    check("there is no file of authorities", at("postgres", "postgres?sslmode=verify-ca&sslrootcert=nowhere.pem"));
    check("the mode is unknown", at("postgres", "postgres?sslmode=allow"));
    check("nothing is wrong", at("postgres", "postgres"));
    same_as_before("check-postgres", &texts);
}
