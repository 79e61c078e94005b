//! The sources of the configuration and mistakes in them: `.env`, the environment, the file and its
//! paths.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::Path};

use anyhow::{Result, ensure};
use wharf_e2e::{
    Api, House, Plan, gateway,
    house::{self, HMAC_KEY},
};

use super::{LIMIT, bare, run};

const KEY: &str = "Abcdefgh12345678$Key90";

fn with(environment: &[(&str, &str)], plan: Plan) -> Plan {
    Plan {
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..plan
    }
}

#[tokio::test]
async fn a_dotenv_of_nodes_works_and_a_bad_line_of_it_is_named_by_its_number() -> Result<()> {
    let house = House::build(bare("plugin = []\n")).await?;
    let dotenv = house.folder().join(".env");
    fs::write(
        &dotenv,
        format!(
            "\u{feff}# from the old service\r\nexport WHARF_API_KEY=\"{KEY}\" # ours\r\nLOG_LEVEL=verbose\r\n"
        ),
    )?;
    let gateway = house.open().await?;
    ensure!(gateway.api.get("/api/whatsapp/status").await?.status == 401);
    ensure!(
        Api::with_key(&gateway.api.url, KEY)?
            .get("/api/whatsapp/status")
            .await?
            .status
            == 200,
        "the key is not the one that was written"
    );
    ensure!(gateway.stop(LIMIT).await?.success());

    fs::write(&dotenv, format!("PORT=3005\n\n{KEY} without a name\n"))?;
    let said = run(gateway::command(house.folder())?.arg("check")).await?;
    ensure!(
        said.status == Some(2) && said.err.contains(".env:3: is not of the form NAME=value"),
        "{}",
        said.err
    );
    ensure!(
        !said.err.contains(KEY),
        "the line's content is told: {}",
        said.err
    );
    Ok(())
}

#[tokio::test]
async fn a_mounted_keys_line_end_keeps_nobody_out_and_no_signature_from_matching() -> Result<()> {
    let (key, secret) = (format!("{KEY}\n"), format!("{HMAC_KEY}\r\n"));
    let house = House::build(with(
        &[("WHARF_API_KEY", &key), ("WEBHOOK_HMAC_KEY", &secret)],
        bare(""),
    ))
    .await?;
    let gateway = house.open().await?;
    ensure!(
        Api::with_key(&gateway.api.url, KEY)?
            .get("/api/whatsapp/status")
            .await?
            .status
            == 200
    );
    // A missing browser is an event.
    let call = house
        .receiver
        .until_call("an event", LIMIT, |_| true)
        .await?;
    ensure!(call.is_signed_with(HMAC_KEY), "signed with the line end");
    gateway.stop(LIMIT).await?;

    let split = "Abcdefgh\n12345678$Key90";
    let said = run(gateway::command(house.folder())?
        .arg("check")
        .env("WHARF_API_KEY", split))
    .await?;
    ensure!(
        said.status == Some(2)
            && said
                .err
                .contains("WHARF_API_KEY: holds a control character"),
        "{}",
        said.err
    );
    ensure!(
        !said.err.contains("Abcdefgh"),
        "the key is told: {}",
        said.err
    );
    Ok(())
}

#[tokio::test]
async fn a_variable_that_is_not_utf8_is_named_when_it_is_read_and_ignored_otherwise() -> Result<()>
{
    let house = House::build(bare("")).await?;
    let odd = || OsString::from_vec(vec![b'a', 0xff]);
    let check = |name: &'static str| {
        let folder = house.folder().to_owned();
        async move {
            run(gateway::command(&folder)?
                .arg("check")
                .env("WEBHOOK_HMAC_KEY", HMAC_KEY)
                .env(name, odd()))
            .await
        }
    };
    let said = check("SOMEBODY_ELSES").await?;
    ensure!(said.status == Some(0), "{}", said.err);
    for name in ["WEBHOOK_HMAC_KEY", "LOG_LEVEL", "SESSION_PATH"] {
        let said = check(name).await?;
        ensure!(
            said.status == Some(2)
                && said
                    .err
                    .contains(&format!("environment: {name} is not UTF-8")),
            "{name}: {}",
            said.err
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_check_names_the_files_it_read_and_paths_are_relative_to_the_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (conf, elsewhere) = (folder.path().join("conf"), folder.path().join("elsewhere"));
    fs::create_dir(&conf)?;
    fs::create_dir(&elsewhere)?;
    fs::create_dir(conf.join("plugins"))?;
    fs::copy(
        house::plugins().join("number_policy.wasm"),
        conf.join("plugins/number_policy.wasm"),
    )?;
    let config = "[storage]\ndatabase = \"data/w.db\"\n[plugins]\ncache = \"c\"\n[[plugin]]\nname = \"number-policy\"\ngrants = { kv = \"1MiB\" }\n";
    gateway::write_config(&conf, config)?;
    fs::write(elsewhere.join(".env"), "CLIENT_ID=shop\n")?;
    let said = run(gateway::command(&conf)?
        .env_remove("CHROMIUM")
        .current_dir(&elsewhere)
        .arg("check"))
    .await?;
    ensure!(said.status == Some(0), "{}", said.err);
    let of = |path: &Path| path.display().to_string();
    for line in [
        format!("configuration: {}", of(&conf.join("gateway.toml"))),
        format!(
            "environment: {}; set: CLIENT_ID",
            of(&elsewhere.join(".env"))
        ),
        format!("session path: {}", of(&conf.join("whatsapp-session"))),
        format!("database: {}", of(&conf.join("data/w.db"))),
    ] {
        ensure!(
            said.out.lines().any(|said| said == line),
            "no {line:?} in\n{}",
            said.out
        );
    }
    let plugin = of(&conf.join("plugins/number_policy.wasm"));
    ensure!(
        said.out
            .lines()
            .any(|line| line.starts_with("plugin number-policy ")
                && line.ends_with(&format!(": loaded, {plugin}"))),
        "{}",
        said.out
    );
    ensure!(
        !conf.join("c").exists()
            && !conf.join("whatsapp-session").exists()
            && fs::read_dir(&elsewhere)?.count() == 1,
        "a check has made something"
    );

    // Data that an earlier version kept in the working directory is not ignored silently.
    fs::create_dir_all(elsewhere.join("whatsapp-session/.wwebjs_auth/session-shop"))?;
    let said = run(gateway::command(&conf)?
        .current_dir(&elsewhere)
        .arg("check"))
    .await?;
    ensure!(
        said.status == Some(2)
            && said.err.contains("[sessions] path")
            && said.err.contains("write its whole path"),
        "{}",
        said.err
    );
    fs::create_dir(elsewhere.join("data"))?;
    fs::write(elsewhere.join("data/w.db"), "")?;
    let said = run(gateway::command(&conf)?
        .current_dir(&elsewhere)
        .arg("check")
        .env("SESSION_PATH", "whatsapp-session"))
    .await?;
    ensure!(
        said.status == Some(2)
            && said.err.contains("[storage] database")
            && !said.err.contains("[sessions]"),
        "{}",
        said.err
    );
    fs::remove_file(elsewhere.join("data/w.db"))?;
    let said = run(gateway::command(&conf)?
        .current_dir(&elsewhere)
        .arg("check")
        .env("SESSION_PATH", "whatsapp-session"))
    .await?;
    ensure!(
        said.out.contains(&format!(
            "session path: {}",
            of(&elsewhere.join("whatsapp-session"))
        )),
        "{}{}",
        said.out,
        said.err
    );
    Ok(())
}
