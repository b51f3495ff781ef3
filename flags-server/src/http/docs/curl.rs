//! An operation as a command.

use serde_json::{Value, json};

use super::{entries, resolved, text};

/// What to type for an operation, with the examples of the document.
pub(super) fn command(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let mut command = String::from("curl");
    let method = method.to_ascii_uppercase();
    let body = operation.pointer("/requestBody/content/application~1json/example");
    // Where nothing has to be said, nothing is.
    let body = body.filter(|body| body.as_object().is_none_or(|members| !members.is_empty()));
    let is_said = (&*method == "GET" && body.is_none()) || (&*method == "POST" && body.is_some());
    if !is_said {
        command += &format!(" -X {method}");
    }
    if operation.pointer("/responses/200/content/text~1event-stream").is_some() {
        // As it comes.
        command += " -N";
    }
    command += &format!(" \"$FLAGS_URL{}\"", filled(document, path, operation));
    if entries(operation, "security").next().is_some() {
        command += " \\\n  -H \"Authorization: Bearer $FLAGS_TOKEN\"";
    }
    if operation.pointer("/responses/428").is_some() {
        command += " \\\n  -H 'If-Match: \"3\"'";
    }
    if let Some(body) = body {
        command += &format!(" \\\n  --json {}", quoted(&written(body, 2)));
    }
    command
}

/// The path with an example in each place that has a name.
fn filled(document: &Value, path: &str, operation: &Value) -> String {
    let mut path = path.to_owned();
    for parameter in entries(operation, "parameters") {
        let parameter = resolved(document, parameter);
        let example = match parameter.get("example") {
            Some(Value::String(example)) => example.clone(),
            Some(example) => example.to_string(),
            None => continue,
        };
        path = path.replace(&format!("{{{}}}", text(parameter, "name")), &example);
    }
    path
}

/// How wide a line may get.
const WIDTH: usize = 72;

/// JSON on as few lines as there can be that are not too long.
fn written(value: &Value, indent: usize) -> String {
    let (brackets, parts): (_, Vec<String>) = match value {
        Value::Object(members) => {
            let part = |(name, member): (&String, &Value)| {
                format!("{}: {}", json!(name), written(member, indent + 2))
            };
            (["{", "}"], members.iter().map(part).collect())
        }
        Value::Array(entries) => {
            (["[", "]"], entries.iter().map(|entry| written(entry, indent + 2)).collect())
        }
        _ => return value.to_string(),
    };
    let [begin, end] = brackets;
    let short = format!("{begin}{}{end}", parts.join(", "));
    if indent + short.len() <= WIDTH && !short.contains('\n') {
        return short;
    }
    let margin = " ".repeat(indent);
    let lines = parts.join(&format!(",\n{margin}  "));
    format!("{begin}\n{margin}  {lines}\n{margin}{end}")
}

/// As a shell takes it for one word, whatever it holds.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_say_what_has_to_be_said() {
        let document = json!({"components": {"parameters": {
            "path.flag": {"name": "flag", "example": "new-checkout"},
        }}});
        let operation = json!({
            "parameters": [{"$ref": "#/components/parameters/path.flag"}],
            "security": [{"token": []}],
            "requestBody": {"content": {"application/json": {"example": {"name": "it's"}}}},
            "responses": {"428": {}},
        });
        assert_eq!(
            command(&document, "/flags/{flag}", "patch", &operation),
            "curl -X PATCH \"$FLAGS_URL/flags/new-checkout\" \\\n  \
             -H \"Authorization: Bearer $FLAGS_TOKEN\" \\\n  -H 'If-Match: \"3\"' \\\n  \
             --json '{\"name\": \"it'\\''s\"}'"
        );
        let open = json!({"security": []});
        assert_eq!(command(&document, "/livez", "get", &open), "curl \"$FLAGS_URL/livez\"");
        assert_eq!(command(&document, "/x", "post", &open), "curl -X POST \"$FLAGS_URL/x\"");
    }

    #[test]
    fn bodies_are_broken_where_they_are_long() {
        let long = "x".repeat(WIDTH);
        let body = json!({"a": [1, {"b": null}], "c": {"d": [long]}});
        let lines = format!(
            "{{\n    \"a\": [1, {{\"b\": null}}],\n    \"c\": {{\n      \"d\": [\n        \
             \"{long}\"\n      ]\n    }}\n  }}"
        );
        assert_eq!(written(&body, 2), lines);
        assert_eq!(serde_json::from_str::<Value>(&lines).unwrap(), body);
    }
}
