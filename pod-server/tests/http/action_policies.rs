//! Policies, workers and logs over the action API.

use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn policies_are_made_applied_and_deleted() {
    let server = Server::start().await;
    let default = json!({ "id": 0, "name": "default", "active": true, "rules": { "fixedWorkers": "1" } });
    assert_eq!(server.action("action=getActivePolicy").await, default);
    assert_eq!(server.action("action=getPolicies").await, json!({ "policies": [default] }));

    let made = server.action("action=newPolicy&name=p&rules=minWorkers=1,maxWorkers=2").await;
    let id = made["policy"]["id"].as_u64().unwrap_or_else(|| panic!("{made}"));
    let rules = json!({ "minWorkers": "1", "maxWorkers": "2", "maxWait": "60000" });
    assert_eq!(made, json!({ "policy": { "id": id, "name": "p", "active": false, "rules": rules } }));
    let taken = server.action("action=newPolicy&name=p&rules=fixedWorkers=1").await;
    assert_eq!(taken["error"], "The policy name p already exists");

    let applied = server.action("action=applyPolicy&name=p").await;
    assert_eq!(applied, json!({ "id": id, "name": "p", "active": true, "rules": rules }));
    assert_eq!(server.action("action=getActivePolicy").await, applied);
    let reset = server.action("action=resetPolicies").await;
    assert_eq!(reset, json!({ "status": "Policy deactivated. Running in default configuration" }));
    assert_eq!(server.action("action=getActivePolicy").await["name"], "default");

    server.action("action=applyPolicy&name=p").await;
    let deleted = server.action("action=deletePolicy&name=p").await;
    assert_eq!(deleted, json!({ "policy": { "name": "p" }, "status": "deleted" }));
    assert_eq!(server.action("action=getActivePolicy").await, default, "the default takes over");
}

#[tokio::test]
async fn a_policy_brings_the_fleet_to_its_size() {
    let server = Server::start().await;
    server.action("action=newPolicy&name=two&rules=fixedWorkers=2").await;
    server.action("action=newPolicy&name=none&rules=fixedWorkers=0").await;
    for (policy, size) in [("two", 2), ("none", 0), ("default", 1)] {
        server.action(&format!("action=applyPolicy&name={policy}")).await;
        let workers = server
            .eventually(async || {
                let workers = server.action("action=getWorkers").await;
                let ready = workers["count"]["ready"].as_u64().unwrap();
                (ready == size && workers["count"]["totalWorkers"] == size).then_some(workers)
            })
            .await;
        let listed = workers["workers"].as_array().unwrap();
        assert_eq!(listed.len() as u64, size, "terminated ones are counted, not listed: {workers}");
        for worker in listed {
            assert_eq!((&worker["status"], &worker["isManager"]), (&"ready".into(), &false.into()));
            assert!(worker["id"].is_u64() && worker["lastTimeAlive"].is_i64(), "{worker}");
        }
    }
    let count = server.action("action=getWorkers").await["count"].clone();
    assert_eq!(count["stopped"], 0);
    assert!(count["terminated"].as_u64().unwrap() >= 2, "{count}");
    for member in ["pending", "launching", "working"] {
        assert_eq!(count[member], 0, "{count}");
    }
}

#[tokio::test]
async fn logs_show_the_start_and_the_configuration_without_secrets() {
    let server = Server::with(|config| config.token = Some(pod_server::config::Secret::new("s3cret"))).await;
    let setup = server.action("action=logs&type=setup").await;
    let lines: Vec<&str> = setup["contents"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(lines.iter().any(|line| line.contains("listening on http://")), "{setup}");
    let properties = server.action("action=logs&type=properties").await;
    assert!(properties["contents"].as_array().unwrap().contains(&"token = (set, not shown)".into()), "{properties}");
    let own = server.action("action=logs&type=server").await;
    assert_eq!(own["filename"], "server.log");
    for log in [setup, properties, own] {
        assert!(!log.to_string().contains("s3cret"), "{log}");
    }
}
