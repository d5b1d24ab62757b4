//! A shop with some of everything: credited, told to nobody, held, taken back, a test, a webhook that was refused, one that
//! cannot be read.

use serde_json::{Value, json};

use crate::kit::samples::{Sale, charge, refund};
use crate::kit::world::World;

/// What the shop has, by what tests ask for.
pub struct Shop {
    /// Credited to Ada's agent.
    pub credited: String,
    /// Told, and nobody is credited.
    pub nobody: String,
    /// Whose second payment of the day is held.
    pub held: String,
    /// That payment's call.
    pub held_call: String,
    /// Whose payment was taken back after it was told.
    pub reversed: String,
    /// The event of the first payment.
    pub event: String,
}

impl Shop {
    pub async fn open(world: &World) -> Self {
        let names = ["ada", "nell", "hal", "rae", "tess"].map(|name| world.email(name));
        let [credited, nobody, held, reversed, tester] = names;
        let event = world.stripe(&Sale::new("c1", &credited, world.ago(3600)).code("ADA10").event()).await;
        world.stripe(&Sale::new("n1", &nobody, world.ago(3000)).cents(123_456).event()).await;
        for id in ["h1", "h2"] {
            world.stripe(&Sale::new(id, &held, world.ago(2000)).event()).await;
            world.idle().await;
        }
        world.paystack(&charge("r1", &reversed, 2_000_000, "BAYO15", world.ago(1000))).await;
        world.idle().await;
        world.paystack(&refund("r1", 2_000_000)).await;
        world.stripe(&Sale::new("t1", &tester, world.ago(900)).test_mode().event()).await;
        world.stripe(&json!({ "id": "evt_odd", "object": "event", "type": "invoice.paid", "data": 7 })).await;
        let forged = world.signed(refairn_bridge::domain::provider::ProviderKind::Stripe, b"{}");
        assert_eq!(forged.body(b"{ }").send(world.addr()).await.status, 401);
        world.idle().await;
        let calls = world.deliveries_to(&held).await;
        let held_call =
            calls.iter().find(|d| d["state"] == "held").expect("a held call")["id"].as_str().expect("an id");
        Self { held_call: held_call.to_owned(), credited, nobody, held, reversed, event }
    }
}

/// Names and ids that would be markup if anybody let them.
pub fn hostile(world: &World) -> (String, Value) {
    let email = format!("\"<img/src=x>\"@w{}.example.com", world.n);
    let mut sale = Sale::new("x1", &email, world.ago(60)).code("ADA10").event();
    let invoice = &mut sale["data"]["object"];
    invoice["customer_name"] = json!("</title><script>alert(1)</script>");
    invoice["customer"] = json!("cus_'\"><svg onload=alert(2)>");
    invoice["description"] = json!("</pre><script>alert(3)</script>");
    sale["id"] = json!("evt_\"><script>alert(4)</script>");
    (email, sale)
}
