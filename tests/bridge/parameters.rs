//! Every path of the API refuses a parameter that it does not take: a filter of a wrong name would find everything.

use crate::kit::world::{Setup, World};

in_both! {
    every_route_of_the_api_refuses_what_it_does_not_take
}

/// The routes below `/api/v1`, as the router's own file has them, each with its method.
fn routes() -> Vec<(&'static str, String)> {
    let router = include_str!("../../src/http/mod.rs");
    let (_, scope) = router.split_once("web::scope(\"/api/v1\")").expect("the API has a scope");
    let (scope, _) =
        scope.split_once(".default_service(web::to(no_such_path))").expect("it ends with what is not there");
    let mut routes = Vec::new();
    for (sign, method) in [("get(\"", "GET"), ("post(\"", "POST")] {
        for (_, rest) in scope.match_indices(sign).map(|(at, sign)| scope.split_at(at + sign.len())) {
            routes.push((method, rest.split('"').next().expect("a path").to_owned()));
        }
    }
    // A resource with several methods stands apart.
    for (_, rest) in scope.match_indices("web::resource(\"").map(|(at, sign)| scope.split_at(at + sign.len())) {
        let path = rest.split('"').next().expect("a path");
        let methods = rest.split(".default_service").next().expect("its methods");
        for (sign, method) in [("web::get()", "GET"), ("web::post()", "POST")] {
            routes.extend(methods.contains(sign).then(|| (method, path.to_owned())));
        }
    }
    routes
}

async fn every_route_of_the_api_refuses_what_it_does_not_take(new: fn() -> Setup) {
    let world: World = new().start().await;
    let routes = routes();
    assert!(routes.len() >= 15, "{routes:?}");
    for (method, route) in routes {
        // Each action of a path with several.
        let actions: &[&str] = match route.split('/').nth(1) {
            Some("deliveries") => &["retry", "release", "discard"],
            Some(_) | None => &["confirm"],
        };
        for action in actions {
            let path = route.replace("{action}", action).replace("{email}", "jo@example.com").replace("{id}", "1");
            let path = format!("/api/v1{path}?q=some&since=2026-01-01&provider=stripe&no_such_parameter=1");
            let reply = world.admin(method, &path).send(world.addr()).await;
            assert_eq!(reply.status, 400, "{method} {path}");
            let code = reply.json()["code"].clone();
            assert_eq!(code, "unknown_parameter", "{method} {path}: {}", reply.json());
        }
    }
    world.end().await;
}
