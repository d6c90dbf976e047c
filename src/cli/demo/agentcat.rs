//! Events as AgentCat's Python SDK writes them: one object a request, tool arguments and the end user's request headers included.

use serde_json::{Value, json};

use super::cast::Tool;
use super::planted;
use super::random::Rng;
use super::traffic::{Pace, Post, Protocol, Visit};

/// A session as the SDK reports it: the user is made known, then tools are called.
pub(super) fn visit(visit: &Visit<'_>, tools: &[Tool], rng: &mut Rng, pace: &mut Pace) -> Vec<Post> {
    let session = format!("ses_{}", rng.token(27));
    let mut posts = vec![visit.sdk_event("agentcat:identify", &session, json!({}), rng, pace)];
    for _ in 0..2 + rng.log_normal(5.0, 0.6) as usize {
        let own = tool_call(rng.pick_early(tools), rng);
        posts.push(visit.sdk_event("mcp:tools/call", &session, own, rng, pace));
    }
    if rng.chance(0.2) {
        let own = json!({"resource_name": "plan_upgraded", "properties": {"from": "free", "to": "team"}});
        posts.push(visit.sdk_event("agentcat:custom", &session, own, rng, pace));
    }
    posts
}

fn tool_call(tool: &Tool, rng: &mut Rng) -> Value {
    let failed = rng.chance(tool.failing);
    let request =
        if rng.chance(0.3) { planted::sentence(rng) } else { format!("ticket {}", rng.between(1_000, 9_999)) };
    let headers = json!({"authorization": format!("Bearer {}", rng.token(40)), "user-agent": "node", "x-forwarded-for": planted::ipv4(rng)});
    let mut own = json!({
        "resource_name": tool.name, "duration": rng.log_normal(tool.median_ms, 0.7) as u64, "is_error": failed,
        "user_intent": "To answer the customer's question.",
        "parameters": {"arguments": {"request": request}, "extra": {"requestId": rng.below(100), "requestInfo": {"headers": headers}}},
        "response": {"content": [{"type": "text", "text": "done"}], "isError": failed},
    });
    if let Some(own) = own.as_object_mut().filter(|_| failed) {
        let message = format!("could not finish: {}", planted::sentence(rng));
        own.insert("error".to_owned(), json!({"type": "ToolError", "message": message, "platform": "python"}));
    }
    own
}

impl Visit<'_> {
    fn sdk_event(&self, kind: &str, session: &str, own: Value, rng: &mut Rng, pace: &mut Pace) -> Post {
        let at = pace.next(rng);
        let (person, (server, version)) = (&self.person, self.house.server);
        let mut event = json!({
            "id": format!("evt_{}", rng.token(27)), "project_id": "proj_demo", "session_id": session, "event_type": kind,
            "timestamp": at.to_string(), "sdk_language": "Python 3.12", "agentcat_version": "2.1.0", "server_name": server,
            "server_version": version, "client_name": person.client.0, "client_version": person.client.1,
            "identify_actor_given_id": person.user, "identify_actor_name": person.display, "identify_data": {"email": person.email},
        });
        if let (Some(event), Value::Object(own)) = (event.as_object_mut(), own) {
            event.extend(own);
        }
        Post { at, protocol: Protocol::AgentCat, event }
    }
}
