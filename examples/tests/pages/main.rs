//! Follows `docs/product-manager.md` and `docs/entitlements.md` from their first command to their last,
//! each in one shell, against a real server with two real SDK clients, and compares what comes with what
//! the page shows.

#![cfg(test)]

mod book;
mod session;
mod shown;

use std::net::TcpListener;
use std::time::Duration;

use flags_client::{Client, Entity, Feature, Flag};
use flags_server::{Bootstrap, Database, Quotas};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::book::{Shown, steps};
use crate::session::Session;
use crate::shown::Reading;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/");
const ADMIN: &str = "admin-token-for-tests-0123456789abcdef";
const SDK: &str = "sdk-token-for-tests-0123456789abcdef";
const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
const SSO: Feature = Feature::new("sso");

/// How long anything may take that is waited for; far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_product_managers_days_are_told_as_they_happen() {
    let shop = follow("product-manager.md").await;
    for client in &shop.clients {
        let on = client.is_on(&NEW_CHECKOUT, &Entity::tenant("acme"));
        assert!(!on, "the kill switch is for everyone");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_somebody_who_sells_is_told_as_it_happens() {
    let shop = follow("entitlements.md").await;
    for client in &shop.clients {
        let ruling = client.entitlement(&SSO, "acme");
        assert!(ruling.is_allowed(), "until the end of January");
    }
    shop.close().await;
}

/// A server and the services that have its rules.
struct Shop {
    clients: Vec<Client>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), flags_server::Error>>,
    _folder: TempDir,
}

impl Shop {
    async fn close(self) {
        drop(self.clients);
        self.stop.send(()).unwrap();
        self.server.await.unwrap().unwrap();
    }
}

/// Does what a page says; gives what the day came to, as the shop sees it.
async fn follow(name: &str) -> Shop {
    let page = std::fs::read_to_string(format!("{DOCS}{name}")).unwrap();
    let folder = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bootstrap = Bootstrap { admin_token: Some(ADMIN.into()), sdk_token: Some(SDK.into()) };
    let (database, _) = Database::open(&folder.path().join("flags.db"), &bootstrap).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = flags_server::serve(listener, database, Quotas::default(), PATIENCE, async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server);
    let administrator = Administrator { url: url.clone(), http: reqwest::Client::new() };
    let token = administrator.token_of_ana().await;
    let mut clients = Vec::new();
    for instance in ["shop-1", "shop-2"] {
        let client = Client::builder(&url, SDK).app("shop").instance(instance);
        clients.push(client.connect().await.unwrap());
    }
    administrator.until_connected(clients.len()).await;

    // The reader's own address and token.
    let page = put(&page, "FLAGS_URL=http://127.0.0.1:8080", &format!("FLAGS_URL={url}"));
    let page = put(&page, "FLAGS_TOKEN=flags_personal_…", &format!("FLAGS_TOKEN={token}"));
    let mut session = Session::start(folder.path()).await;
    let mut reading = Reading::default();
    let mut differences = Vec::new();
    for step in steps(&page) {
        let script = reading.put_into(&step.script).unwrap_or_else(|why| {
            panic!("docs/{name}:{}: {why}\n{}", step.line, differences.join("\n"))
        });
        let done = session.run(&script).await;
        let wrong = match &step.shown {
            Shown::Nothing if done.out.trim().is_empty() => None,
            Shown::Nothing => Some("it prints something, and the page shows nothing".to_owned()),
            Shown::Json(shown) => reading.compare_json(shown, &done.out).err(),
            Shown::Text(shown) => reading.compare_text(shown, &done.out).err(),
        };
        let refused = step.shown.is_refusal();
        let wrong = wrong.or_else(|| {
            // What `curl --fail-with-body` ends with when the server refuses.
            let expected = if refused { 22 } else { 0 };
            (done.status != expected).then(|| format!("it ends with {}", done.status))
        });
        if let Some(wrong) = wrong {
            differences.push(format!(
                "docs/{name}:{}: {wrong}\n{}\nprints\n{}{}",
                step.line,
                script,
                pretty(&done.out),
                done.errors
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    reading.in_order().unwrap();
    session.end().await;

    let revision = administrator.revision().await;
    for client in &clients {
        client.wait_for(revision, PATIENCE).await.unwrap();
    }
    Shop { clients, stop, server, _folder: folder }
}

/// Puts what is the reader's own in the place of what the page has for it.
#[track_caller]
fn put(page: &str, of_the_page: &str, own: &str) -> String {
    assert_eq!(page.matches(of_the_page).count(), 1, "the page says once `{of_the_page}`");
    page.replace(of_the_page, own)
}

fn pretty(out: &str) -> String {
    let value = serde_json::from_str::<Value>(out).ok();
    value.map_or_else(|| out.to_owned(), |value| format!("{value:#}\n"))
}

/// Whoever runs the server.
struct Administrator {
    url: String,
    http: reqwest::Client,
}

impl Administrator {
    /// The token that the page tells to ask for.
    async fn token_of_ana(&self) -> String {
        let scope = json!([{"project": "default"}]);
        let body = json!({"name": "ana", "kind": "personal", "role": "admin", "scope": scope});
        let request = self.http.post(format!("{}/api/v1/tokens", self.url)).json(&body);
        let answer: Value = request.bearer_auth(ADMIN).send().await.unwrap().json().await.unwrap();
        answer["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    async fn environment(&self, path: &str) -> Value {
        let url = format!("{}/api/v1/projects/default/environments/production{path}", self.url);
        let response = self.http.get(url).bearer_auth(ADMIN).send().await.unwrap();
        response.error_for_status().unwrap().json().await.unwrap()
    }

    async fn revision(&self) -> u64 {
        self.environment("").await["revision"].as_u64().unwrap()
    }

    async fn until_connected(&self, instances: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.environment("/instances").await["items"].as_array().unwrap().len() < instances {
            assert!(Instant::now() < deadline, "the instances did not connect");
            sleep(Duration::from_millis(5)).await;
        }
    }
}
