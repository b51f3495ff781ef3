// Used by the examples of these pages: boolean flags `on` and `off` with these states, compiled.
|flags: &[(&str, serde_json::Value)]| {
    let object = |(key, state): &(&str, serde_json::Value)| {
        let definition = serde_json::json!({
            "type": "boolean",
            "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "state": state,
        });
        flags_core::Object::new(flags_core::FLAG_KIND, key, 1, &definition).unwrap()
    };
    let (ruleset, report) = flags_core::Ruleset::compile(&flags_core::Document {
        epoch: flags_core::Epoch::new("e1"),
        revision: 1,
        objects: flags.iter().map(object).collect(),
    });
    assert!(report.is_clean(), "{report:?}");
    ruleset
}
